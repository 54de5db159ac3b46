import BasicTypes
import CanonicalJSON
import Catalog
import Postgres
import Refusals

/// A read model of what runs told: log lines, measurements, previews. Which
/// columns a query shows of it, and in which order.
struct RunRecords: Sendable {
  /// The read model's name; the table's too.
  let table: String
  let columns: [ListColumn]
  /// The column of the time by which records are ordered, those of one time by their ids.
  let time: String
  /// How many records a page holds where nobody says, and at most.
  let limits: (standard: Int64, maximum: Int64)
  /// Whether records are hidden from the time on that their column `expires_at` names.
  let expires: Bool

  /// The verb of the query.
  let verb: String
  /// What the query answers of a type of that name.
  let summary: @Sendable (String) -> String

  /// `run.logs`: as many lines in a page as a batch of them has.
  static let logs = RunRecords(
    table: "run_logs",
    columns: [
      column("id", .bigint), column("run_id", .uuid), column("task_run_id", .uuid), column("at", .timestamp),
      column("level", .text), column("node_id", .text), column("message", .text, isPersonal: true),
      column("metadata", .json, isPersonal: true),
    ], time: "at", limits: (1000, 10_000), expires: false, verb: "logs",
    summary: { "The log lines of one \($0), in the order of their times." })

  /// `run.metrics`.
  static let metrics = RunRecords(
    table: "run_metrics",
    columns: [
      column("id", .bigint), column("run_id", .uuid), column("task_run_id", .uuid), column("at", .timestamp),
      column("node_id", .text), column("rows_input", .bigint), column("rows_output", .bigint),
      column("rows_filtered", .bigint), column("rows_error", .bigint), column("data_size_bytes", .bigint),
      column("duration_seconds", .float), column("memory_peak_mb", .float), column("cpu_percent", .float),
      column("metadata", .json),
    ], time: "at", limits: (50, 1000), expires: false, verb: "metrics",
    summary: { "What was measured at the nodes of one \($0), in the order of time." })

  /// `run.previews`: few in a page, since each may be large.
  static let previews = RunRecords(
    table: "data_previews",
    columns: [
      column("id", .bigint), column("run_id", .uuid), column("node_id", .text), column("row_count", .bigint),
      column("column_count", .bigint), column("created_at", .timestamp), column("expires_at", .timestamp),
      column("sample_data", .json, isPersonal: true), column("schema_info", .json, isPersonal: true),
    ], time: "created_at", limits: (10, 100), expires: true, verb: "previews",
    summary: { "Some rows at the nodes of one \($0), as long as they are kept." })

  private static func column(_ name: String, _ type: FieldType, isPersonal: Bool = false) -> ListColumn {
    ListColumn(field: Field(name: name, type: type), isPersonal: isPersonal)
  }

  /// What a type tells of its runs: a run everything, its tasks' lines and measurements included; a task its own.
  static func all(of type: ResourceType) -> [RunRecords] {
    switch type.name {
    case "run": [logs, metrics, previews]
    case "task_run": [logs, metrics]
    default: []
    }
  }

  /// The parameters of a query about one type.
  func fields(_ type: ResourceType) -> [Field] {
    var fields: [Field] = [.target(type), .parameter("node_id", .text, "Only of this node.")]
    if table == Self.logs.table { fields.append(.choice("level", "Only lines of this level.", of: Self.levels)) }
    if !expires { fields += [.since, .until] }
    return fields + [
      .order(by: time, default: time), .limit(limits.standard, atMost: limits.maximum), .cursor,
    ]
  }

  /// The words for how grave a line is.
  static let levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
}

/// One `run.logs`, `run.metrics` or `run.previews` (or of a task's) as it was asked.
struct RunRecordsQuery: Sendable {
  let records: RunRecords
  let type: ResourceType
  let identifier: Identifier
  let level: String?
  let node: String?
  let since: Timestamp?
  let until: Timestamp?
  let limit: Int
  let cursor: String?
  let order: TimeOrder
  /// What a cursor is bound to.
  let identity: JSON

  /// Reads a call's params.
  /// - Throws: ``Refusal`` `invalid_params` with every fault.
  init(_ arguments: Arguments, _ records: RunRecords, of type: ResourceType) throws {
    self.records = records
    self.type = type
    identifier = try arguments.required("id")
    level = records.table == RunRecords.logs.table ? arguments.text("level") : nil
    node = arguments.text("node_id")
    since = records.expires ? nil : arguments.time("since")
    until = records.expires ? nil : arguments.time("until")
    limit = arguments.count("limit")
    cursor = arguments.text("cursor")
    order = TimeOrder(column: records.time, isDescending: arguments.text("order") == "-\(records.time)")
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": .string("\(type.name).\(records.verb)"), "id": .string(identifier.text), "level": optional(level),
      "node_id": optional(node), "since": optional(since?.text), "until": optional(until?.text),
      "descending": .bool(order.isDescending),
    ]
  }

  /// The conditions of a row.
  /// - Parameter now: What has expired by then is not shown.
  func conditions(after place: TimePlace?, now: Timestamp, in sql: inout SQLBuilder) -> SQLConditions {
    var conditions = SQLConditions()
    conditions.add("t.\"\(type.name)_id\" = \(sql.bind(.uuid(identifier.text), as: "uuid"))")
    if let level { conditions.add("t.level = \(sql.bind(.text(level), as: "text"))") }
    if let node { conditions.add("t.node_id = \(sql.bind(.text(node), as: "text"))") }
    if records.expires { conditions.add("t.expires_at > \(sql.bind(.text(now.text), as: "timestamptz"))") }
    order.add(since: since, until: until, after: place, to: &conditions, in: &sql)
    return conditions
  }
}
