import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook failed`: what failed, and why.
struct Failed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what failed and why: runs, calculations and file jobs, with the last lines of their logs.",
    discussion: """
      What ended with an error or ran out of time since then, the latest first.

      EXAMPLES
        daybook failed
        daybook failed --since "last night"
        daybook failed --since 7d --pipeline "daily load"
      """)

  @Option(name: .long, help: "From when on: 24h, yesterday, last night, a date …") var since = "24h"
  @Option(name: .long, help: "Until when; a day is looked at to its end.") var until: String?
  @Option(name: .long, help: "Only runs of this pipeline, by name or id.", completion: Completions.pipelines)
  var pipeline: String?
  @Option(name: .long, help: "Only of this organization, by slug, name or id.", completion: Completions.organizations)
  var organization: String?
  @Option(name: .long, help: "How many at most.") var limit = 20
  @Option(name: .long, help: "How many lines of each log, the last ones.") var lines = 3

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard limit >= 1 else { throw ValidationError("--limit must be at least 1.") }
    guard (0...1000).contains(lines) else { throw ValidationError("--lines is from 0 to 1000.") }
  }

  /// What can fail: the type, the words of its status for that, and what it belongs to.
  private static let kinds: [(type: String, states: [JSON], of: String)] = [
    ("run", ["failed", "timeout"], "pipeline_id"), ("calculation", ["failed", "timeout"], "tool_id"),
    ("file_job", ["failed"], "file_id"),
  ]

  func run() async throws {
    let since = try Moment.parameter(since, .since)
    let until = try until.map { try Moment.parameter($0, .until) }
    try await connection.withClient { client in
      let types = try await ServerTypes(client)
      var conditions: JSONObject = [:]
      if let organization {
        conditions["organization_id"] = .string(try await Lookup.organization(organization, client))
      }
      var found: [(type: String, item: JSON)] = []
      for kind in Self.kinds where pipeline == nil || kind.type == "run" {
        var conditions = conditions
        let known = types.field("status", of: kind.type)?["enum"]?.arrayValue ?? []
        conditions["status"] = ["in": .array(kind.states.filter(known.contains))]
        if let pipeline {
          conditions["pipeline_id"] = .string(try await Lookup.resource(pipeline, type: "pipeline", client))
        }
        var range: JSONObject = ["gte": since]
        if let until { range["lte"] = until }
        conditions["completed_at"] = .object(range)
        do {
          let items = try await Pages.all(
            "\(kind.type).list", ["where": .object(conditions), "order": "-completed_at"], limit: limit, client)
          found += items.map { (kind.type, $0) }
        } catch ClientError.remote(let refusal) where refusal.code == .forbidden {
          Terminal.complain("Not looked at: \(kind.type). \(refusal.message)")
        }
      }
      found.sort { $0.item.cell("completed_at") > $1.item.cell("completed_at") }
      let isWhole = found.count < limit
      found = Array(found.prefix(limit))
      let failures = try await tell(found, client)
      if output.json { return Terminal.say(json: .array(failures)) }
      await show(failures, types, client)
      if !isWhole { Terminal.complain("There may be more than \(limit); --limit shows more of them.") }
    }
  }

  /// What failed, with its steps that failed and the last lines of its log.
  private func tell(_ found: [(type: String, item: JSON)], _ client: DaybookClient) async throws -> [JSON] {
    var failures: [JSON] = []
    for (type, item) in found {
      var failure: JSONObject = ["item": item, "resource_type": .string(type)]
      if type == "run" {
        let steps = try await client.callAfterWrites(
          "task_run.list", ["where": ["run_id": item["id"] ?? .null, "status": "failed"], "limit": 20])
        failure["steps"] = steps["items"] ?? []
        if lines > 0 {
          let params: JSONObject = ["id": item["id"] ?? .null, "order": "-at", "limit": .integer(Int64(lines))]
          let page = try await client.call("run.logs", params)
          failure["log"] = .array((page["items"]?.arrayValue ?? []).reversed())
        }
      }
      failures.append(.object(failure))
    }
    return failures
  }

  private func show(_ failures: [JSON], _ types: ServerTypes, _ client: DaybookClient) async {
    var mentions: [Names.Mention] = []
    for failure in failures {
      for (field, value) in failure["item"]?.objectValue ?? [:] {
        if let type = types.reference(field), let id = value.stringValue { mentions.append(.init(type: type, id: id)) }
      }
    }
    let names = await Names.of(mentions, client)
    let ids = Names.Endings(failures.compactMap { $0["item"]?["id"]?.stringValue })
    let whole = Set(failures.map { $0["item"]?["organization_id"] ?? .null }).count > 1
    var table = Table(
      ["WHAT", .status("STATUS"), .whole("WHEN"), .whole("TOOK")] + (whole ? ["ORGANIZATION"] : []) + [.whole("ID")])
    for failure in failures {
      let item = failure["item"] ?? .null
      let type = failure.cell("resource_type")
      let owner = Self.kinds.first { $0.type == type }.flatMap { item[$0.of]?.stringValue }
      let name = owner.flatMap(names.name) ?? item["name"]?.stringValue ?? type
      let organization = names.name(of: item.cell("organization_id")) ?? names.shown(id: item.cell("organization_id"))
      table.add(
        [type == "run" ? name : "\(type.map { $0 == "_" ? " " : String($0) }.joined()) \(name)", item.cell("status")]
          + [item.when("completed_at"), Self.duration(item)] + (whole ? [organization] : [])
          + [ids.shown(item.cell("id"))])
      let which = Self.which(item["context"] ?? .null)
      if !which.isEmpty { table.note("which: \(which)", .faint) }
      let error = item.cell("error_message")
      table.note("why: \(error.isEmpty ? "no error was told" : error)", error.isEmpty ? .faint : .red)
      for step in failure["steps"]?.arrayValue ?? [] {
        table.note("step \(step.cell("name")): \(step.cell("error_message"))")
      }
      for line in failure["log"]?.arrayValue ?? [] {
        let level = line.cell("level")
        let time = line.time("at")
        table.note(
          "log: \(Terminal.isInteractive ? String(time.dropFirst(11)) : time) \(level) "
            + [line.cell("node_id"), line.cell("message")].filter { !$0.isEmpty }.joined(separator: " "),
          ["ERROR", "CRITICAL"].contains(level) ? .red : .faint)
      }
    }
    table.show(orElse: "Nothing failed since \(since)\(until.map { " until \($0)" } ?? "").")
  }

  /// Which try of which of several like it, and where its log is, as a scheduler told it.
  private static func which(_ context: JSON) -> String {
    let number = context.cell("try_number")
    let index = context.cell("rendered_map_index")
    let place = index.isEmpty ? context.cell("map_index") : index
    return [
      number.isEmpty ? "" : "try \(number)", place.isEmpty ? "" : "of \(place)", context.cell("log_url"),
    ].filter { !$0.isEmpty }.joined(separator: ", ")
  }

  private static func duration(_ item: JSON) -> String {
    guard let seconds = item["duration_seconds"]?.doubleValue ?? item["execution_time"]?.doubleValue else {
      guard let start = item["started_at"]?.stringValue.flatMap({ Timestamp($0) }),
        let end = item["completed_at"]?.stringValue.flatMap({ Timestamp($0) })
      else { return "" }
      return Durations.text(Double(end.microseconds - start.microseconds) / 1e6)
    }
    return Durations.text(seconds)
  }
}

/// Durations as people read them.
enum Durations {
  /// `0.4 s`, `35 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
  static func text(_ seconds: Double) -> String {
    let whole = Int64(max(0, min(seconds, 1e12)))
    switch whole {
    case 0..<10: return "\((seconds * 10).rounded() / 10) s"
    case 10..<120: return "\(whole) s"
    case 120..<3600: return "\(whole / 60) min"
    case 3600..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
    default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
    }
  }
}
