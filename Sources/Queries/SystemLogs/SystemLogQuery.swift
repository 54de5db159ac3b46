import BasicTypes
import CanonicalJSON
import Catalog
import Postgres
import Refusals

/// One `system.logs` as it was asked.
struct SystemLogQuery: Sendable {
  static let table = "system_logs"
  static let levels = RunRecordsQuery.levels
  static let limits = (standard: 1000, maximum: 10_000)

  /// The columns that are shown, under their names.
  static let columns: [ListColumn] = [
    column("id", .bigint), column("organization_id", .uuid), column("at", .timestamp), column("level", .text),
    column("logger_name", .text), column("module", .text), column("function_name", .text),
    column("line_number", .integer), column("correlation_id", .text), column("user_id", .uuid),
    column("request_id", .text), column("request_method", .text), column("duration_ms", .integer),
    column("memory_usage_mb", .float), column("exception_type", .text), column("message", .text, isPersonal: true),
    column("request_path", .text, isPersonal: true), column("request_ip", .ip, isPersonal: true),
    column("exception_message", .text, isPersonal: true), column("stack_trace", .text, isPersonal: true),
    column("extra_data", .json, isPersonal: true),
  ]

  let organization: Identifier?
  let level: String?
  let correlation: String?
  let user: Identifier?
  let since: Timestamp?
  let until: Timestamp?
  let limit: Int
  let cursor: String?
  let isDescending: Bool
  /// What a cursor is bound to.
  let identity: JSON

  /// Reads the parameters.
  /// - Throws: ``Refusal`` `invalid_params` with every fault.
  init(_ parameters: inout QueryParameters) throws {
    organization = parameters.identifier("organization_id")
    level = parameters.choice("level", of: Self.levels)
    correlation = parameters.string("correlation_id")
    user = parameters.identifier("user_id")
    since = parameters.time("since")
    until = parameters.time("until")
    limit = parameters.limit(default: Self.limits.standard, maximum: Self.limits.maximum)
    cursor = parameters.string("cursor")
    isDescending = parameters.choice("order", of: ["at", "-at"]) != "at"
    try parameters.finish()
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": "system.logs", "organization_id": optional(organization?.text), "level": optional(level),
      "correlation_id": optional(correlation), "user_id": optional(user?.text), "since": optional(since?.text),
      "until": optional(until?.text), "descending": .bool(isDescending),
    ]
  }

  /// The one statement: the page and the position of the read model in one snapshot.
  /// - Parameter organizations: Whose lines may be seen; nil for all, the service's own included.
  func statement(organizations: Set<Identifier>?, after place: SystemLogPlace?) -> SQLBuilder {
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let organizations { conditions.add("t.organization_id = ANY(\(sql.bind(organizations.sorted())))") }
    if let organization { conditions.add("t.organization_id = \(sql.bind(.uuid(organization.text), as: "uuid"))") }
    if let level { conditions.add("t.level = \(sql.bind(.text(level), as: "text"))") }
    if let correlation { conditions.add("t.correlation_id = \(sql.bind(.text(correlation), as: "text"))") }
    if let user { conditions.add("t.user_id = \(sql.bind(.uuid(user.text), as: "uuid"))") }
    if let since { conditions.add("t.at >= \(sql.bind(.text(since.text), as: "timestamptz"))") }
    if let until { conditions.add("t.at < \(sql.bind(.text(until.text), as: "timestamptz"))") }
    if let place {
      let at = sql.bind(.text(place.time), as: "timestamptz")
      conditions.add(
        "(t.at, t.id) \(isDescending ? "<" : ">") (\(at), \(sql.bind(.integer(place.identifier), as: "bigint")))")
    }
    let direction = isDescending ? "DESC" : "ASC"
    let order = " ORDER BY t.at \(direction), t.id \(direction)"
    let selected = Self.columns.enumerated().map { "\($1.selection) AS c\($0)" }.joined(separator: ", ")
    let outer = Self.columns.indices.map { "page.c\($0)" }.joined(separator: ", ")
    sql.append(
      """
      SELECT \(SQLBuilder.checkpoint(of: "'\(Self.table)'")), \(outer) FROM (SELECT 1) one LEFT JOIN \
      (SELECT \(selected), row_number() OVER (\(order.dropFirst())) AS place FROM daybook.system_logs t \
      LEFT JOIN personal.system_logs p ON p.id = t.id\(conditions.clause)\(order) LIMIT \(limit + 1)) page \
      ON true ORDER BY page.place
      """)
    return sql
  }

  private static func column(_ name: String, _ type: FieldType, isPersonal: Bool = false) -> ListColumn {
    ListColumn(field: Field(name: name, type: type), isPersonal: isPersonal)
  }
}

/// Where a page of lines ended.
struct SystemLogPlace: Sendable {
  let time: String
  let identifier: Int64

  /// The place of a line, or what a cursor holds of one.
  init?(_ json: JSON) {
    guard let time = json["at"]?.stringValue, let identifier = json["id"]?.integerValue else { return nil }
    self.time = time
    self.identifier = identifier
  }

  var json: JSON { ["at": .string(time), "id": .integer(identifier)] }
}
