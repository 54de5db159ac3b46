import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook status`: how the server is.
struct Status: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how the server is: version, position, addresses, and how far the read models are.")

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let (status, projections) = try await connection.withClient { client in
      (try await client.call("server.status"), try await client.call("projection.status"))
    }
    if output.json {
      var object = status.objectValue ?? [:]
      object["projection_status"] = projections["items"] ?? []
      return Terminal.say(json: .object(object))
    }
    var lines: [(String, String)] = []
    for (name, value) in status.objectValue ?? [:] where name != "projections" {
      switch value {
      case .object(let object):
        for (member, value) in object { lines.append(("\(name).\(member)", value.cell)) }
      case .array(let elements): lines.append((name, elements.map(\.cell).joined(separator: "  ")))
      default: lines.append((name, name.utf8.reversed().starts(with: "ta_".utf8) ? status.time(name) : value.cell))
      }
    }
    let width = lines.map { $0.0.utf8.count }.max() ?? 0
    for (name, value) in lines {
      Terminal.say("\(name)\(String(repeating: " ", count: width - name.utf8.count))  \(Terminal.plain(value))")
    }
    Terminal.say("")
    ProjectionsCommand.table(projections).show(orElse: "There are no read models.")
  }
}
