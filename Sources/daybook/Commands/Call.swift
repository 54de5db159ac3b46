import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook call`: any method of the server.
struct Call: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Call a method of the server and print its result as JSON.",
    discussion: """
      Where an id is wanted, a slug, an e-mail address or a name may be given, and
      where a moment is, a time as people say it: yesterday, 2 days ago.

      EXAMPLES
        daybook call server.ping
        daybook call organization.create '{"name":"Acme","slug":"acme"}'
        daybook call pipeline.get '{"id":"daily load","as_of":"yesterday"}'
        daybook call pipeline.edit - < changes.json
        daybook call run.start '{"pipeline_id":"daily load"}' \\
          --on-behalf-of ann@acme.example --origin-ip 203.0.113.7
      """)

  @Argument(help: "The method, such as pipeline.list; rpc.discover lists them all.", completion: Completions.methods)
  var method: String

  /// The longest line that a server takes where nothing else is said (`daybook serve --max-line`).
  private static let usualLine = 4 << 20

  @Argument(help: "Its parameters, a JSON object; - reads it from standard input.")
  var params: String = "{}"

  @Option(name: .long, help: "The person for whom an API key gives the command: an e-mail address or an id.")
  var onBehalfOf: String?
  @Option(name: .long, help: "The address where that person is.") var originIp: String?
  @Option(name: .long, help: "What that person's client calls itself.") var originAgent: String?

  @OptionGroup var connection: ConnectionOptions

  @Flag(name: .long, help: "Write the result on one line, as it came.")
  var json = false

  func run() async throws {
    let bytes = params == "-" ? try StandardInput.readAll() : Array(params.utf8)
    let parsed: JSON
    do {
      parsed = try JSON.parse(bytes)
    } catch {
      throw Failure(
        .usage, "The parameters are no JSON: \(error)", next: "Give one JSON object, in quotes for the shell.")
    }
    guard var object = parsed.objectValue else {
      throw Failure(.usage, "The parameters must be a JSON object.", next: "Such as '{\"limit\":10}'.")
    }
    if let onBehalfOf { object["on_behalf_of"] = .string(onBehalfOf) }
    if originIp != nil || originAgent != nil {
      var origin = object["origin"]?.objectValue ?? [:]
      if let originIp { origin["ip"] = .string(originIp) }
      if let originAgent { origin["user_agent"] = .string(originAgent) }
      object["origin"] = .object(origin)
    }
    let given = object
    let result = try await connection.withClient { client in
      let words = CallWords(method)
      let params = try await words.resolved(given, client)
      do {
        return try await client.callAfterWrites(method, params.object)
      } catch let error as ClientError {
        guard let advice = advice(on: error, hint: params.hint, bytes.count) else { throw error }
        var failure = Failure(error)
        failure.next = advice
        throw failure
      }
    }
    Terminal.say(json || !Terminal.isInteractive ? result.canonicalString : result.indented())
  }
}

extension Call {
  /// What helps where a name was given that nothing has, or more than a server takes in a line; nil elsewhere.
  private func advice(on error: ClientError, hint: String?, _ bytes: Int) -> String? {
    if error.code == .invalidParams { return hint }
    guard case .closed = error, bytes > Self.usualLine else { return nil }
    return "The parameters have \(bytes) bytes: a server takes lines of \(Self.usualLine) bytes unless it was started "
      + "with a larger --max-line."
  }
}

/// What stands in a call's parameters as people write it: names in place of ids, and moments.
struct CallWords {
  private let method: String

  init(_ method: String) { self.method = method }

  /// The parameters with ids and times, and what to do about a name that nothing has.
  func resolved(_ object: JSONObject, _ client: DaybookClient) async throws -> (object: JSONObject, hint: String?) {
    var object = object
    var hint: String?
    for (key, use) in [("as_of", Moment.Use.asOf), ("since", .since), ("until", .until)] {
      guard let text = object[key]?.stringValue, let time = try? Moment.parameter(text, use) else { continue }
      object[key] = time
    }
    let words = object.filter { member in
      guard let text = member.value.stringValue else { return false }
      return (member.key == "id" || member.key.hasSuffix("_id") || member.key.hasSuffix("_by"))
        && !Lookup.isIdentifier(text)
    }
    guard !words.isEmpty else { return (object, nil) }
    let types = try await ServerTypes(client)
    for (key, value) in words {
      guard let type = type(of: key, types), let name = value.stringValue,
        types.parameter(key, of: method)?.isSchema("string", format: "uuid") == true
      else { continue }
      do {
        object[key] = .string(try await Lookup.resource(name, type: type, client))
      } catch let failure as Failure {
        // The server refuses what stays; what it says of it is what counts.
        hint = [failure.what, failure.next].compactMap { $0 }.joined(separator: " ")
      }
    }
    return (object, hint)
  }

  /// What the parameter names a resource of; nil where no single type is known.
  private func type(of key: String, _ types: ServerTypes) -> String? {
    guard key == "id" else { return types.reference(key) }
    let type = String(method.prefix { $0 != "." })
    return type == "subject" ? "user" : types.names.contains(type) ? type : nil
  }
}

/// What is piped into the program.
enum StandardInput {
  /// All of it.
  static func readAll() throws -> [UInt8] {
    var reader = try ByteReader(path: "-")
    return try reader.readToEnd()
  }
}

extension JSON {
  /// The value over several lines, for people.
  func indented(_ depth: Int = 0) -> String {
    let inner = String(repeating: "  ", count: depth + 1)
    let outer = String(repeating: "  ", count: depth)
    switch self {
    case .object(let object) where !object.isEmpty:
      let members = object.map { "\(inner)\(JSON.string($0.key).canonicalString): \($0.value.indented(depth + 1))" }
      return "{\n\(members.joined(separator: ",\n"))\n\(outer)}"
    case .array(let elements) where !elements.isEmpty:
      return "[\n\(elements.map { inner + $0.indented(depth + 1) }.joined(separator: ",\n"))\n\(outer)]"
    default: return canonicalString
    }
  }
}
