import BasicTypes
import CanonicalJSON

/// A pipeline as the story remembers it.
struct Flow {
  /// A part of it: a node of a graph, or a step.
  struct Part {
    let id: String
    let name: String
    let kind: String
  }

  let id: Identifier
  let name: String
  let table: String
  var parts: [Part]
  /// How often it runs a day.
  var runsADay: Int
  var isRunning = true
  var versions = 1

  static let schedules = [
    "0 2 * * *", "30 4 * * *", "15 */6 * * *", "0 6 * * 1-5", "@daily", "45 1 * * *", "0 */4 * * *",
  ]

  /// What a pipeline over a table may be called.
  static func name(_ table: String, _ chance: inout Chance) -> String {
    chance.one(of: ["Load \(table)", "\(table) to warehouse", "Nightly \(table)", "Clean \(table)", "Publish \(table)"])
      .split(separator: "_").joined(separator: " ")
  }

  /// Nodes in a row, as a canvas has them.
  var nodes: JSON {
    .array(
      parts.enumerated().map { index, part in
        [
          "id": .string(part.id), "type": .string(part.kind), "position": ["x": .count(80 + 220 * index), "y": 120],
          "data": ["label": .string(part.name), "config": ["table": .string(table), "batch_size": 5000]],
        ]
      })
  }

  /// What leads from one to the next.
  var edges: JSON {
    .array(
      zip(parts, parts.dropFirst()).map { from, to in
        ["id": .string("\(from.id)-\(to.id)"), "source": .string(from.id), "target": .string(to.id)]
      })
  }
}

/// How a run went.
struct RunTold {
  let id: Identifier
  let status: String
  let begin: Timestamp
  let end: Timestamp
  let rows: Int
  let error: String?
}

/// What is told of a run.
struct RunScript {
  var trigger = "scheduled"
  var status = "success"
  /// Fields of `run.create` besides.
  var fields: JSONObject = [:]
  /// Params of `run.finish` besides.
  var ending: JSONObject = [:]
  var logs = true
  var measures = true
  var preview = false
}

extension Life {
  static let mishaps = [
    "connection reset by peer after 30000 ms", "column \"updated_at\" does not exist", "disk quota exceeded on stage 3",
    "429 Too Many Requests from the source's API", "primary key violation in 14 rows", "out of memory in executor 2",
    "certificate has expired", "file not found: the source delivered nothing",
  ]

  /// How a run ends, most of the time well.
  func fate(failing: Double = 0.07) -> String { chance.happens(failing) ? "failed" : "success" }

  /// Tells a run from its making to its end.
  @discardableResult
  func tellRun(of flow: Flow, day: Int, hour: Double, _ script: RunScript = RunScript()) -> RunTold {
    let begin = setting.time(day: day, hour: hour)
    let run = newIdentifier(at: begin)
    let caller = asEngineer
    var fields: JSONObject = [
      "id": .id(run), "pipeline_id": .id(flow.id), "trigger_type": .string(script.trigger),
      "params": ["date": .string(String(begin.text.prefix(10))), "table": .string(flow.table)],
    ]
    if script.trigger == "manual" { fields["triggered_by"] = .id(engineer.id) }
    if script.trigger == "scheduled" { fields["nominal_start_at"] = .time(begin) }
    caller.send("run.create", fields.merging(script.fields))
    caller.send("run.begin", ["id": .id(run), "at": .time(begin)])
    var at = begin
    var rows = chance.number(2_000...400_000)
    let first = rows
    let last = script.status == "success" ? flow.parts.count : max(1, flow.parts.count - 1)
    var measures: [Caller.Wish] = []
    var lines: [JSON] = [line(at, "INFO", nil, "run of \(flow.name) begins with \(grouped(rows)) rows in sight")]
    for part in flow.parts.prefix(last) {
      let seconds = chance.amount(4...240)
      let next = at.adding(seconds: Int64(seconds))
      let dropped = part.kind == "transform" ? chance.number(0...rows / 50) : 0
      measures.append(
        Caller.Wish(
          "run.measure",
          [
            "id": .id(run), "node_id": .string(part.id), "at": .time(next), "rows_input": .count(rows),
            "rows_output": .count(rows - dropped), "rows_filtered": .count(dropped),
            "rows_error": .count(chance.happens(0.1) ? chance.number(1...40) : 0),
            "data_size_bytes": .count(rows * 180), "duration_seconds": .number(seconds),
            "memory_peak_mb": .number(chance.amount(120...2900)),
            "cpu_percent": .number(chance.amount(12...99, decimals: 1)),
          ]))
      lines.append(line(at, "INFO", part.id, "\(part.name): reading \(flow.table)"))
      if chance.happens(0.25) {
        lines.append(
          line(next, "WARNING", part.id, "\(part.name): \(chance.number(2...90)) rows had no key and were set aside"))
      }
      lines.append(line(next, "INFO", part.id, "\(part.name): \(grouped(rows - dropped)) rows in \(seconds) s"))
      rows -= dropped
      at = next
    }
    let end = at.adding(seconds: Int64(chance.number(1...20)))
    let error = script.status == "failed" ? chance.one(of: Life.mishaps) : nil
    if let error { lines.append(line(end, "ERROR", flow.parts[last - 1].id, error)) }
    lines.append(line(end, script.status == "success" ? "INFO" : "CRITICAL", nil, "run ended: \(script.status)"))
    if script.measures { caller.send(together: measures) }
    if script.logs { caller.send("run.log", ["id": .id(run), "lines": .array(lines)]) }
    if script.preview, let part = flow.parts.first { caller.send("run.preview", preview(of: run, part, flow.table)) }
    var ending = script.ending
    ending["id"] = .id(run)
    ending["status"] = .string(script.status)
    ending["at"] = .time(end)
    if let error { ending["error_message"] = .string(error) }
    ending["rows_processed"] = .count(script.status == "success" ? rows : 0)
    ending["data_size_bytes"] = .count(first * 180)
    caller.send("run.finish", ending)
    return RunTold(id: run, status: script.status, begin: begin, end: end, rows: rows, error: error)
  }

  /// A line of a log.
  func line(_ at: Timestamp, _ level: String, _ node: String?, _ message: String) -> JSON {
    var line: JSONObject = ["at": .time(at), "level": .string(level), "message": .string(message)]
    if let node { line["node_id"] = .string(node) }
    return .object(line)
  }

  /// Some rows at a node.
  private func preview(of run: Identifier, _ part: Flow.Part, _ table: String) -> JSONObject {
    let rows = (1...5).map { number -> JSON in
      [
        "id": .count(number), "table": .string(table), "amount": .number(chance.amount(1...900)),
        "country": .string(chance.one(of: ["DE", "FR", "PT", "SE", "PL"])),
      ]
    }
    return [
      "id": .id(run), "node_id": .string(part.id), "sample_data": .array(rows),
      "schema_info": ["id": "integer", "table": "text", "amount": "double", "country": "text"], "row_count": 5,
      "column_count": 4,
    ]
  }

  /// The parts of a flow over a table: sources first, what changes them, where they go.
  func parts(_ table: String, kinds: (String, String, String) = ("source", "transform", "sink")) -> [Flow.Part] {
    var parts = [Flow.Part(id: "read_\(table)", name: "Read \(table)", kind: kinds.0)]
    for verb in chance.some(chance.number(1...3), of: ["clean", "join", "deduplicate", "aggregate", "mask"]) {
      parts.append(
        Flow.Part(
          id: "\(verb)_\(table)", name: "\(verb.prefix(1).uppercased())\(verb.dropFirst()) \(table)", kind: kinds.1))
    }
    parts.append(Flow.Part(id: "write_\(table)", name: "Write \(table)", kind: kinds.2))
    return parts
  }

  /// The hours at which something runs that runs so often a day.
  func hours(_ count: Int) -> [Double] {
    (0..<count).map { 1 + 22 * Double($0) / Double(max(1, count)) + chance.amount(0...0.8) }
  }

  /// The tables of the company, over and over where there are more flows than tables.
  func tables(_ count: Int) -> [String] {
    (0..<count).map { index in
      let table = tenant.tables[index % tenant.tables.count]
      return index < tenant.tables.count ? table : "\(table)_\(index / tenant.tables.count + 1)"
    }
  }
}
