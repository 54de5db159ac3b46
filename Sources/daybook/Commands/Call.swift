import ArgumentParser
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook call`: any method of the server.
struct Call: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Call a method of the server and print its result as JSON.",
    discussion: """
      EXAMPLES
        daybook call server.ping
        daybook call organization.create '{"name":"Acme","slug":"acme"}'
        daybook call pipeline.get '{"id":"0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b","as_of":"2026-01-01T00:00:00Z"}'
        daybook call pipeline.edit - < changes.json
      """)

  @Argument(help: "The method, such as pipeline.list; rpc.discover lists them all.")
  var method: String

  @Argument(help: "Its parameters, a JSON object; - reads it from standard input.")
  var params: String = "{}"

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
    guard let object = parsed.objectValue else {
      throw Failure(.usage, "The parameters must be a JSON object.", next: "Such as '{\"limit\":10}'.")
    }
    let result = try await connection.withClient { try await $0.callAfterWrites(method, object) }
    Terminal.say(json || !Terminal.isInteractive ? result.canonicalString : result.indented())
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
