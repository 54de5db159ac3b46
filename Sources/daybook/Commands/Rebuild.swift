import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook rebuild`: makes read models anew from the log.
struct Rebuild: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make read models anew from the log, beside the live ones, and swap them in.",
    discussion: """
      Lists are answered all the while. With --check nothing is swapped: the
      rebuilt rows are only compared with the live ones at one position. The
      exit code is 2 where any differ, and 69 where some couldn't be compared.

      EXAMPLES
        daybook rebuild
        daybook rebuild pipelines runs
        daybook rebuild --check
      """)

  @Argument(help: "The read models; all where none is named.")
  var names: [String] = []

  @Flag(name: .long, help: "Only compare.")
  var check = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let reports = try await connection.withClient { client in
      var reports: [JSON] = []
      for name in names.isEmpty ? [nil] : names.map(Optional.some) { reports.append(try await rebuild(name, client)) }
      return reports
    }
    func all(_ member: String) -> [JSON] { reports.flatMap { $0[member]?.arrayValue ?? [] } }
    let isComplete = reports.allSatisfy { $0["complete"]?.boolValue == true }
    if output.json {
      Terminal.say(json: [
        "complete": .bool(isComplete), "differences": .array(all("differences")), "notes": .array(all("notes")),
        "tables": .array(all("tables")),
      ])
    } else {
      show(all("tables"))
      if !check { for note in all("notes").compactMap(\.stringValue) { Terminal.say(note) } }
    }
    guard check else { return }
    if !all("differences").isEmpty { throw ExitCode.damaged }
    guard isComplete else {
      throw Failure(
        .unavailable, "Not everything could be compared.",
        place: all("notes").compactMap(\.stringValue).joined(separator: "\n      "),
        next: "Mend what the notes name (daybook projections shows it), or wait for it, and check again.")
    }
  }

  /// Rebuilds one read model, or all, and shows how far it is.
  private func rebuild(_ name: String?, _ client: DaybookClient) async throws -> JSON {
    var params: JSONObject = ["check": .bool(check), "progress": true]
    if let name { params["name"] = .string(name) }
    let title = "\(check ? "checking" : "rebuilding") \(name ?? "all")"
    let reply = client.send("projection.rebuild", params)
    let isSilent = output.json
    let watching = Task {
      var bar = ProgressBar(title, isSilent: isSilent)
      for await notification in client.notifications where notification.method == "projection.progress" {
        let params = notification.params
        let done = UInt64(clamping: params["position"]?.integerValue ?? 0)
        bar.show(
          done, of: params["head"]?.integerValue.map { UInt64(clamping: $0) }, params["phase"]?.stringValue ?? "")
      }
      bar.end()
    }
    let report: Result<JSON, any Error>
    do { report = .success(try await reply.value) } catch { report = .failure(error) }
    watching.cancel()
    await watching.value
    return try report.get()
  }

  private func show(_ tables: [JSON]) {
    var table = Table(["TABLE", "ROWS", "DIGEST", "AS BEFORE"])
    for item in tables {
      let reason = item["not_compared"]?.stringValue.map { "not compared, \($0)" }
      let before = reason ?? (item["differs"]?.boolValue == true ? "no" : "yes")
      table.add([item.cell("table"), item.cell("rows"), String(item.cell("digest_after").prefix(16)), before])
    }
    table.show(orElse: "There are no read models.")
  }
}
