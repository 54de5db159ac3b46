import BasicTypes
import CanonicalJSON
import Catalog
import Postgres
import Refusals

/// A read model of what runs told: log lines, measurements, previews. Which columns a query shows of it, and in which order.
struct RunRecords: Sendable {
  /// The read model's name; the table's too.
  let table: String
  let columns: [ListColumn]
  /// The column of the time by which records are ordered, those of one time by their ids.
  let time: String
  /// How many records a page holds where nobody says, and at most.
  let limits: (standard: Int, maximum: Int)
  /// Whether records are hidden from the time on that their column `expires_at` names.
  let expires: Bool

  /// `run.logs`: as many lines in a page as a batch of them has.
  static let logs = RunRecords(
    table: "run_logs",
    columns: [
      column("id", .bigint), column("run_id", .uuid), column("task_run_id", .uuid), column("at", .timestamp),
      column("level", .text), column("node_id", .text), column("message", .text, isPersonal: true),
      column("metadata", .json, isPersonal: true),
    ], time: "at", limits: (1000, 10_000), expires: false)

  /// `run.metrics`.
  static let metrics = RunRecords(
    table: "run_metrics",
    columns: [
      column("id", .bigint), column("run_id", .uuid), column("task_run_id", .uuid), column("at", .timestamp),
      column("node_id", .text), column("rows_input", .bigint), column("rows_output", .bigint),
      column("rows_filtered", .bigint), column("rows_error", .bigint), column("data_size_bytes", .bigint),
      column("duration_seconds", .float), column("memory_peak_mb", .float), column("cpu_percent", .float),
      column("metadata", .json),
    ], time: "at", limits: (50, 1000), expires: false)

  /// `run.previews`: few in a page, since each may be large.
  static let previews = RunRecords(
    table: "data_previews",
    columns: [
      column("id", .bigint), column("run_id", .uuid), column("node_id", .text), column("row_count", .bigint),
      column("column_count", .bigint), column("created_at", .timestamp), column("expires_at", .timestamp),
      column("sample_data", .json, isPersonal: true), column("schema_info", .json, isPersonal: true),
    ], time: "created_at", limits: (10, 100), expires: true)

  private static func column(_ name: String, _ type: FieldType, isPersonal: Bool = false) -> ListColumn {
    ListColumn(field: Field(name: name, type: type), isPersonal: isPersonal)
  }

  var needsPersonal: Bool { columns.contains(where: \.isPersonal) }
}

/// One `run.logs`, `run.metrics` or `run.previews` (or of a task's) as it was asked.
struct RunRecordsQuery: Sendable {
  static let levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

  let records: RunRecords
  let identifier: Identifier
  /// The column that names the resource: the run's, or the task's.
  let owner: String
  let level: String?
  let node: String?
  let since: Timestamp?
  let until: Timestamp?
  let limit: Int
  let cursor: String?
  let isDescending: Bool
  /// What a cursor is bound to.
  let identity: JSON

  /// Reads the parameters.
  /// - Throws: ``Refusal`` `invalid_params` with every fault.
  init(_ parameters: inout QueryParameters, method: String, records: RunRecords, type: ResourceType) throws {
    self.records = records
    owner = type.name == "run" ? "run_id" : "\(type.name)_id"
    identifier = parameters.requiredIdentifier("id")
    level = records.table == RunRecords.logs.table ? parameters.choice("level", of: Self.levels) : nil
    node = parameters.string("node_id")
    since = records.expires ? nil : parameters.time("since")
    until = records.expires ? nil : parameters.time("until")
    limit = parameters.limit(default: records.limits.standard, maximum: records.limits.maximum)
    cursor = parameters.string("cursor")
    let time = records.time
    isDescending = parameters.choice("order", of: [time, "-\(time)"]) == "-\(time)"
    try parameters.finish()
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": .string(method), "id": .string(identifier.text), "level": optional(level), "node_id": optional(node),
      "since": optional(since?.text), "until": optional(until?.text), "descending": .bool(isDescending),
    ]
  }

  /// The one statement: the page and the position of the read model in one snapshot.
  /// - Parameter now: What has expired by then is not shown.
  func statement(after place: RunRecordPlace?, now: Timestamp) -> SQLBuilder {
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    let time = "t.\"\(records.time)\""
    conditions.add("t.\"\(owner)\" = \(sql.bind(.uuid(identifier.text), as: "uuid"))")
    if let level { conditions.add("t.level = \(sql.bind(.text(level), as: "text"))") }
    if let node { conditions.add("t.node_id = \(sql.bind(.text(node), as: "text"))") }
    if let since { conditions.add("\(time) >= \(sql.bind(.text(since.text), as: "timestamptz"))") }
    if let until { conditions.add("\(time) < \(sql.bind(.text(until.text), as: "timestamptz"))") }
    if records.expires { conditions.add("t.expires_at > \(sql.bind(.text(now.text), as: "timestamptz"))") }
    if let place {
      let at = sql.bind(.text(place.time), as: "timestamptz")
      conditions.add(
        "(\(time), t.id) \(isDescending ? "<" : ">") (\(at), \(sql.bind(.integer(place.identifier), as: "bigint")))")
    }
    let direction = isDescending ? "DESC" : "ASC"
    let order = " ORDER BY \(time) \(direction), t.id \(direction)"
    let selected = records.columns.enumerated().map { "\($1.selection) AS c\($0)" }.joined(separator: ", ")
    let outer = records.columns.indices.map { "page.c\($0)" }.joined(separator: ", ")
    let personal =
      records.needsPersonal ? " LEFT JOIN personal.\"\(records.table)\" p ON p.id = t.id" : ""
    sql.append(
      """
      SELECT \(SQLBuilder.checkpoint(of: "'\(records.table)'")), \(outer) FROM (SELECT 1) one LEFT JOIN \
      (SELECT \(selected), row_number() OVER (\(order.dropFirst())) AS place FROM daybook."\(records.table)" t\
      \(personal)\(conditions.clause)\(order) LIMIT \(limit + 1)) page ON true ORDER BY page.place
      """)
    return sql
  }
}

/// Where a page of records ended.
struct RunRecordPlace: Sendable {
  let time: String
  let identifier: Int64

  /// The place of a record.
  init?(of item: JSONObject, _ records: RunRecords) {
    guard let time = item[records.time]?.stringValue, let identifier = item["id"]?.integerValue else { return nil }
    self.time = time
    self.identifier = identifier
  }

  init?(_ json: JSON) {
    guard let time = json["at"]?.stringValue, let identifier = json["id"]?.integerValue else { return nil }
    self.time = time
    self.identifier = identifier
  }

  var json: JSON { ["at": .string(time), "id": .integer(identifier)] }
}
