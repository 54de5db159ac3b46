import BasicTypes
import CanonicalJSON
import Catalog
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// A server and how somebody signs in to it, under a name.
struct Context: Equatable, Sendable {
  var connect: String
  var email: String?
  var apiKey: String?
  var certificateAuthorities: String?
  /// The sign-in at an OpenID Connect provider, where it is by one.
  var provider: Provider?

  /// A provider, and what it gave.
  struct Provider: Equatable, Sendable {
    var issuer: String
    var client: String
    var tokens: DeviceFlow.Tokens

    var json: JSON {
      var object: JSONObject = [
        "issuer": .string(issuer), "client": .string(client), "token": .string(tokens.token),
        "expires_at": .string(tokens.expiresAt.text),
      ]
      if let refreshToken = tokens.refreshToken { object["refresh_token"] = .string(refreshToken) }
      return .object(object)
    }

    init(issuer: String, client: String, tokens: DeviceFlow.Tokens) {
      self.issuer = issuer
      self.client = client
      self.tokens = tokens
    }

    init?(_ json: JSON) {
      guard let issuer = json["issuer"]?.stringValue, let client = json["client"]?.stringValue,
        let token = json["token"]?.stringValue,
        let expiresAt = json["expires_at"]?.stringValue.flatMap({ Timestamp($0) })
      else { return nil }
      self.init(
        issuer: issuer, client: client,
        tokens: .init(token: token, refreshToken: json["refresh_token"]?.stringValue, expiresAt: expiresAt))
    }
  }

  init(connect: String) { self.connect = connect }

  /// Whether both are by the same sign-in at a provider, whatever token it has given meanwhile.
  func isSameSignIn(as other: Context) -> Bool {
    guard let provider, let others = other.provider else { return false }
    return connect == other.connect && provider.issuer == others.issuer && provider.client == others.client
      && provider.tokens.subject == others.tokens.subject
  }

  init?(_ json: JSON) {
    guard let connect = json["connect"]?.stringValue else { return nil }
    self.connect = connect
    email = json["email"]?.stringValue
    apiKey = json["api_key"]?.stringValue
    certificateAuthorities = json["tls_ca"]?.stringValue
    provider = json["oidc"].flatMap(Provider.init)
  }

  var json: JSON {
    var object: JSONObject = ["connect": .string(connect)]
    if let email { object["email"] = .string(email) }
    if let apiKey { object["api_key"] = .string(apiKey) }
    if let certificateAuthorities { object["tls_ca"] = .string(certificateAuthorities) }
    if let provider { object["oidc"] = provider.json }
    return .object(object)
  }
}

/// The servers that somebody has signed in to, in `$XDG_CONFIG_HOME/daybook/contexts.json` (else
/// `~/.config/daybook/contexts.json`), which its owner alone reads: keys stand in it.
struct Contexts: Sendable {
  private var all: JSONObject = [:]
  /// The context that is used where none is named.
  var current: String?

  /// A token of a context that hasn't expired, got anew where it has, and then kept.
  /// - Throws: ``Failure`` where the sign-in has ended.
  static func token(of context: Context) async throws -> String? {
    guard var provider = context.provider else { return nil }
    guard isOver(provider) else { return provider.tokens.token }
    let lock = try Lock()
    defer { lock.release() }
    // Another command may have got it anew just now: a refresh token may be good once.
    var contexts = try read()
    for name in contexts.names {
      guard let now = contexts[name], now.isSameSignIn(as: context), let known = now.provider else { continue }
      guard isOver(known) else { return known.tokens.token }
      provider = known
    }
    let flow = DeviceFlow(
      issuer: provider.issuer, client: provider.client, address: context.connect,
      certificateAuthorities: context.certificateAuthorities)
    guard let refreshToken = provider.tokens.refreshToken else {
      throw Failure(.refused, "The sign-in at \(provider.issuer) has ended.", next: "Sign in again: \(flow.again).")
    }
    provider.tokens = try await flow.refresh(refreshToken)
    for name in contexts.names where contexts[name]?.isSameSignIn(as: context) == true {
      contexts[name]?.provider = provider
    }
    try contexts.write()
    return provider.tokens.token
  }

  /// Whether a token is over, or will be on its way.
  private static func isOver(_ provider: Context.Provider) -> Bool {
    provider.tokens.expiresAt < Timestamp.now.adding(seconds: 5)
  }

  /// Changes what the file says, while no other command does.
  /// - Throws: What `change` throws, and ``Failure`` where the file can't be read or written.
  static func change<Value>(_ change: (inout Contexts) throws -> Value) throws -> Value {
    let lock = try Lock()
    defer { lock.release() }
    var contexts = try read()
    let value = try change(&contexts)
    try contexts.write()
    return value
  }

  /// Keeps other commands from changing the file; they wait.
  private struct Lock {
    private let descriptor: Int32

    init() throws {
      let path = try Contexts.path()
      try Contexts.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
      descriptor = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard descriptor >= 0 else { throw Self.failure(path) }
      while flock(descriptor, LOCK_EX) != 0 {
        guard errno == EINTR else {
          let failure = Self.failure(path)
          close(descriptor)
          throw failure
        }
      }
    }

    private static func failure(_ path: String) -> Failure {
      Failure(.usage, "The contexts can't be locked: \(String(cString: strerror(errno))).", place: path + ".lock")
    }

    func release() { close(descriptor) }
  }

  /// The context of this name.
  /// - Throws: ``Failure`` with those that there are.
  func named(_ name: String) throws -> Context {
    if let context = self[name] { return context }
    let near = Suggestion.nearest(to: name, in: names, atMost: 3)
    throw Failure(
      .usage, "There is no context “\(Terminal.plain(name))”.",
      next: names.isEmpty
        ? "daybook login makes one."
        : "There \(names.count == 1 ? "is" : "are") \((near.isEmpty ? names : near).joined(separator: ", ")).")
  }

  /// The names in the order of their characters.
  var names: [String] { all.keys.sorted() }

  subscript(name: String) -> Context? {
    get { all[name].flatMap(Context.init) }
    set { all[name] = newValue?.json }
  }

  /// Takes a context away.
  mutating func remove(_ name: String) {
    all.removeValue(forKey: name)
    if current == name { current = nil }
  }

  /// The file's path.
  /// - Throws: ``Failure`` where nobody has a home.
  static func path() throws -> String {
    if let folder = Terminal.environment("XDG_CONFIG_HOME") { return "\(folder)/daybook/contexts.json" }
    guard let home = Terminal.environment("HOME") else {
      throw Failure(.usage, "There is no home folder for contexts.", next: "Set HOME or XDG_CONFIG_HOME.")
    }
    return "\(home)/.config/daybook/contexts.json"
  }

  /// What the file says; nothing where there is none.
  /// - Throws: ``Failure`` where it can't be read, is no JSON, or may be read by others.
  static func read() throws -> Contexts {
    guard Terminal.environment("XDG_CONFIG_HOME") != nil || Terminal.environment("HOME") != nil else {
      return Contexts()
    }
    let path = try path()
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return Contexts() }
      throw Failure(.usage, "The contexts can't be read: \(String(cString: strerror(errno))).", place: path)
    }
    guard status.st_mode & 0o077 == 0 else {
      throw Failure(
        .usage, "The contexts can be read by others, and keys stand in them.", place: path,
        next: "chmod 600 \(path), and revoke the keys if others can have read them.")
    }
    var reader = try ByteReader(path: path)
    guard let object = (try? JSON.parse(try reader.readToEnd()))?.objectValue else {
      throw Failure(.usage, "The contexts are no JSON object.", place: path, next: "Mend the file or remove it.")
    }
    var contexts = Contexts()
    contexts.all = object["contexts"]?.objectValue ?? [:]
    contexts.current = object["current"]?.stringValue
    return contexts
  }

  /// Writes the file anew, whole or not at all, for its owner alone.
  private func write() throws {
    let path = try Self.path()
    let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    try Self.makeFolder(folder)
    var object: JSONObject = ["contexts": .object(all)]
    if let current { object["current"] = .string(current) }
    // What was left of a file that was never put in place may be readable by others.
    unlink(path + ".new")
    do throws(FileError) {
      let text = JSON.object(object).indented() + "\n"
      try FileSystem<FileError>.replace(path, with: Array(text.utf8), syncing: true)
    } catch {
      throw Failure(.usage, "The contexts can't be written: \(String(cString: strerror(error.code))).", place: path)
    }
  }

  /// Makes a folder and those above it, for their owner alone.
  private static func makeFolder(_ path: String) throws {
    var made = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      made += "/\(part)"
      guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
      throw Failure(.usage, "The folder can't be made: \(String(cString: strerror(errno))).", place: made)
    }
  }
}
