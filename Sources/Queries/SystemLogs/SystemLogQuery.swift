import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Postgres
import Refusals

/// One `system.logs` as it was asked.
struct SystemLogQuery: Sendable {

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

  static let table = PagedTable(name: "system_logs", columns: columns)

  /// The parameters.
  static let fields: [Field] = [
    .parameter("organization_id", .uuid, "Only of this organization."),
    .choice("level", "Only lines of this level.", of: RunRecords.levels),
    .parameter("correlation_id", .text, "Only lines of this correlation."),
    .parameter("user_id", .uuid, "Only lines about this user."), .since, .until, .order(by: "at", default: "-at"),
    .limit(1000, atMost: 10_000), .cursor,
  ]

  let organization: Identifier?
  let level: String?
  let correlation: String?
  let user: Identifier?
  let since: Timestamp?
  let until: Timestamp?
  let limit: Int
  let cursor: String?
  let order: TimeOrder
  /// What a cursor is bound to.
  let identity: JSON

  /// Reads a call's params.
  init(_ arguments: Arguments) {
    organization = arguments.identifier("organization_id")
    level = arguments.text("level")
    correlation = arguments.text("correlation_id")
    user = arguments.identifier("user_id")
    since = arguments.time("since")
    until = arguments.time("until")
    limit = arguments.count("limit")
    cursor = arguments.text("cursor")
    order = TimeOrder(column: "at", isDescending: arguments.text("order") != "at")
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": "system.logs", "organization_id": optional(organization?.text), "level": optional(level),
      "correlation_id": optional(correlation), "user_id": optional(user?.text), "since": optional(since?.text),
      "until": optional(until?.text), "descending": .bool(order.isDescending),
    ]
  }

  /// The conditions of a row.
  /// - Parameter scope: What the caller may read of ``AudienceCondition/systemLogs``.
  func conditions(_ scope: Audience.Reach, after place: TimePlace?, in sql: inout SQLBuilder) -> SQLConditions {
    var conditions = SQLConditions()
    if let condition = AudienceCondition.systemLogs.sql(scope, in: &sql) { conditions.add(condition) }
    if let organization { conditions.add("t.organization_id = \(sql.bind(.uuid(organization.text), as: "uuid"))") }
    if let level { conditions.add("t.level = \(sql.bind(.text(level), as: "text"))") }
    if let correlation { conditions.add("t.correlation_id = \(sql.bind(.text(correlation), as: "text"))") }
    if let user { conditions.add("t.user_id = \(sql.bind(.uuid(user.text), as: "uuid"))") }
    order.add(since: since, until: until, after: place, to: &conditions, in: &sql)
    return conditions
  }

  private static func column(_ name: String, _ type: FieldType, isPersonal: Bool = false) -> ListColumn {
    ListColumn(field: Field(name: name, type: type), isPersonal: isPersonal)
  }
}
