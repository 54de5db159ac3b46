import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook login`: signs in to a server, and remembers how.
struct Login: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Sign in to a server, and remember it as a context for the commands that follow.",
    discussion: """
      With an e-mail address the password is tried and not kept: commands ask for
      it, or take it from $DAYBOOK_PASSWORD. With --organization a key is made in
      that organization, which may do there what you may, for --days days, and is
      kept in place of it; this is for those who may make keys. A key that you
      have is read with --api-key - from standard input.

      With --oidc-issuer somebody signs in at an OpenID Connect provider, by a
      browser on any device (RFC 8628): the page and the code to enter there are
      shown. The token is kept, and got anew as long as the provider does that.

      Contexts are kept in ~/.config/daybook/contexts.json, which nobody else may
      read. daybook context lists them and chooses another.

      EXAMPLES
        daybook login --connect tls:daybook.acme.example:7717 \\
          --email ann@acme.example
        daybook login --connect tls:daybook.acme.example:7717 \\
          --email ann@acme.example --organization acme
        daybook login --connect tls:daybook.acme.example:7717 \\
          --oidc-issuer https://id.acme.example/realms/etl
        daybook login --connect tcp:127.0.0.1:7717 --api-key - --name local < key
      """)

  @Option(name: .long, help: "What to call it (default: the host).") var name: String?
  @Option(name: .long, help: "Make a key in this organization, by slug, name or id.") var organization: String?
  @Option(name: .long, help: "How many days such a key is good for.") var days = 30

  @Option(
    name: .long, help: "Sign in at this OpenID Connect provider: the server's own --oidc-issuer.") var oidcIssuer:
    String?
  @Option(name: .long, help: "The client that the provider knows daybook as; --oidc-audience of the server.")
  var oidcClient = "daybook"

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...3650).contains(days) else { throw ValidationError("--days is from 1 to 3650.") }
    guard oidcIssuer == nil || (connection.email == nil && connection.apiKey == nil) else {
      throw ValidationError("--oidc-issuer signs in by itself: leave --email and --api-key out.")
    }
  }

  func run() async throws {
    var options = connection
    guard let address = options.connect ?? Terminal.environment("DAYBOOK_CONNECT") else {
      throw Failure(.usage, "Say which server is meant with --connect.", next: "Such as --connect tls:HOST:7717.")
    }
    let endpoint = try Endpoint.parse(address)
    options.connect = address
    if options.apiKey == "-" {
      var reader = try ByteReader(path: "-")
      options.apiKey = String(decoding: try reader.line() ?? [], as: UTF8.self).trimmed
    }
    if oidcIssuer == nil, options.apiKey == nil, options.email == nil, Terminal.environment("DAYBOOK_EMAIL") == nil,
      Terminal.environment("DAYBOOK_API_KEY") == nil
    {
      if case .unix = endpoint {
      } else {
        guard let typed = Terminal.ask("E-mail address: ")?.trimmed, !typed.isEmpty else {
          throw Failure(.usage, "Say who signs in with --email, or give a key with --api-key -.")
        }
        options.email = typed
      }
    }
    var context = Context(connect: Self.durable(endpoint))
    let authorities = options.certificateAuthorities ?? Terminal.environment("DAYBOOK_TLS_CA")
    context.certificateAuthorities = authorities.map(Program.absolute)
    if let oidcIssuer {
      let flow = DeviceFlow(
        issuer: oidcIssuer, client: oidcClient, address: context.connect,
        certificateAuthorities: context.certificateAuthorities)
      let tokens = try await flow.signIn { Terminal.complain($0) }
      context.provider = Context.Provider(issuer: oidcIssuer, client: oidcClient, tokens: tokens)
    } else {
      context.apiKey = options.signIn(nil).apiKey
      context.email = options.signIn(nil).email
    }
    let days = days
    let (who, key) = try await options.withClient(with: context.provider?.tokens.token) { client in
      let who = try await client.call("session.whoami")["principal"] ?? .null
      guard let organization else { return (who, String?.none) }
      let made = try await client.call(
        "api_key.create",
        [
          "organization_id": .string(try await Lookup.organization(organization, client)),
          "name": .string("daybook login from \(Self.host)"),
          "permissions": ["*": ["read", "write", "execute", "admin"]],
          "expires_at": .string(Timestamp.now.adding(seconds: Int64(days) * 86_400).text),
        ])
      guard let key = made["api_key"]?.stringValue else { throw ClientError.malformed("a key without its secret") }
      return (who, key)
    }
    let person = context.email ?? context.provider?.tokens.person ?? who.cell("actor")
    if let key {
      context.apiKey = key
      context.provider = nil
    }
    let name = name ?? Self.name(of: endpoint)
    let made = context
    try Contexts.change { contexts in
      contexts[name] = made
      contexts.current = name
    }
    if output.json {
      return Terminal.say(json: ["context": .string(name), "file": .string(try Contexts.path()), "principal": who])
    }
    Terminal.say(
      "Signed in to \(context.connect) as \(Terminal.plain(person)); the context \(name) is used from now on.")
    if key != nil { Terminal.say("A key for \(organization ?? "") is kept, good for \(days) days.") }
    if let provider = context.provider, provider.tokens.refreshToken == nil {
      Terminal.say("It is good until \(provider.tokens.expiresAt); the provider gives no token to go on with.")
    }
    if context.apiKey == nil, context.email != nil {
      Terminal.say("The password isn't kept: commands ask for it, or take it from DAYBOOK_PASSWORD.")
    }
  }

  /// The address, with a socket's path from the root on, since commands run in other folders.
  private static func durable(_ endpoint: Endpoint) -> String {
    if case .unix(let path) = endpoint { return "unix:\(Program.absolute(path))" }
    return endpoint.description
  }

  private static func name(of endpoint: Endpoint) -> String {
    switch endpoint {
    case .unix: "local"
    case .tcp(let host, _), .tls(let host, _): host
    }
  }

  private static var host: String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "a machine" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
