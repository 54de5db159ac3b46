import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Postgres
import Refusals

/// One `audit.search` as it was asked.
struct AuditQuery: Sendable {
  /// What an audit row says was done.
  static let actions = ["create", "read", "update", "delete", "execute"]
  /// How words are compared with a reason.
  static let search = Field.Comparison.folded
  /// How many words one search looks for.
  static let maximumWords = 16

  let actor: String?
  let action: String?
  let event: String?
  let resourceType: String?
  let resource: Identifier?
  let organization: Identifier?
  /// The person whose data was read.
  let person: Identifier?
  let since: Timestamp?
  let until: Timestamp?
  let asOf: AsOf?
  let words: [String]
  /// Whether rows that a retention sweep has archived are searched too.
  let includesArchived: Bool
  let limit: Int
  let cursor: String?
  let isAscending: Bool
  /// What a cursor is bound to.
  let identity: JSON

  /// The parameters.
  static func fields(_ catalog: Catalog) -> [Field] {
    [
      .parameter(
        "actor", .text,
        "Such as user:<uuid>, api_key:<uuid> or local:<uid>; of a person also what API keys did for them."),
      .choice("action", "What was done.", of: actions),
      .parameter("event", .text, "An event's full name, such as pipeline.edited."),
      .choice("resource_type", "A resource type, such as pipeline.", of: catalog.types.map(\.name)),
      .parameter("resource_id", .uuid, "One resource."), .parameter("organization_id", .uuid, "One organization."),
      .parameter("person_id", .uuid, "Whose personal data was read (access.read)."),
      .since, .until, .asOf,
      .parameter("text", .text, "Words in the reason, the event, the resource type or the names of changed fields."),
      .flag("include_archived", "Search also what a retention sweep has archived, as a search with as_of does."),
      .limit(), .cursor,
      .order(by: "position", default: "-position"),
    ]
  }

  /// Reads a call's params; what is wrong with them is added to them.
  init(_ arguments: inout Arguments) {
    actor = arguments.text("actor")
    action = arguments.text("action")
    event = arguments.text("event")
    resourceType = arguments.text("resource_type")
    resource = arguments.identifier("resource_id")
    organization = arguments.identifier("organization_id")
    person = arguments.identifier("person_id")
    since = arguments.time("since")
    until = arguments.time("until")
    asOf = AsOf(arguments)
    words = arguments.text("text")?.split(whereSeparator: \.isWhitespace).map { Self.search.form(of: String($0)) } ?? []
    if words.count > Self.maximumWords { arguments.refuse("/text", "has more than \(Self.maximumWords) words") }
    includesArchived = arguments.isTrue("include_archived")
    limit = arguments.count("limit")
    cursor = arguments.text("cursor")
    isAscending = arguments.text("order") == "position"
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": "audit.search", "actor": optional(actor), "action": optional(action), "event": optional(event),
      "resource_type": optional(resourceType), "resource_id": optional(resource?.text),
      "organization_id": optional(organization?.text), "person_id": optional(person?.text),
      "since": optional(since?.text), "until": optional(until?.text),
      "words": .array(words.map(JSON.string)), "ascending": .bool(isAscending),
      "include_archived": .bool(includesArchived), "as_of": arguments["as_of"] ?? .null,
    ]
  }

  /// What is shown of a row, in the order in which an item reads it.
  /// - Parameters:
  ///   - reason: The condition that its reason is shown; nil where it always is.
  ///   - origin: The same of where it came from.
  ///   - besides: Other read models that are asked.
  static func table(reason: String?, origin: String?, besides: [String] = []) -> PagedTable {
    func shown(_ column: String, if condition: String?) -> String {
      condition.map { "CASE WHEN \($0) THEN \(column) END" } ?? column
    }
    return PagedTable(
      name: "audit_trail",
      selections: columns + [
        shown("p.reason", if: reason), shown("host(p.ip)", if: origin), shown("p.user_agent", if: origin),
        "(\(reason ?? "true"))::text", "(\(origin ?? "true"))::text",
      ], hasPersonal: true, besides: ["memberships", "retentions", "users"] + besides)
  }

  /// Read models that only this question asks.
  var readBesides: [String] { person == nil ? [] : ["disclosures"] }

  private static let columns = [
    "t.id::text", "t.event_id::text", #"to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#,
    "t.actor", "t.user_id::text", "t.organization_id::text", "t.action", "t.event", "t.resource_type",
    "t.resource_id::text", "t.version::text", "t.changes::text", "t.correlation", "t.causation::text",
  ]

  /// The ORDER BY.
  var order: String { " ORDER BY t.id \(isAscending ? "ASC" : "DESC")" }

  /// The conditions of a row.
  /// - Parameters:
  ///   - scope: What the caller may read.
  ///   - isTold: The condition that a row's reason is for the caller, so that it may be searched.
  ///   - moment: The position after which nothing is told, where the question is about the past.
  func conditions(
    _ scope: RecordScope, reasonIf isTold: String?, through moment: UInt64?, in sql: inout SQLBuilder
  ) -> SQLConditions {
    var conditions = SQLConditions()
    if let condition = scope.sql(in: &sql) { conditions.add(condition) }
    if let actor { conditions.add(Self.isDone(by: actor, in: &sql)) }
    if let action { conditions.add("t.action = \(sql.bind(.text(action), as: "text"))") }
    if let event { conditions.add("t.event = \(sql.bind(.text(event), as: "text"))") }
    if let resourceType { conditions.add("t.resource_type = \(sql.bind(.text(resourceType), as: "text"))") }
    if let resource { conditions.add("t.resource_id = \(sql.bind(.uuid(resource.text), as: "uuid"))") }
    if let organization { conditions.add("t.organization_id = \(sql.bind(.uuid(organization.text), as: "uuid"))") }
    if let person {
      let person = sql.bind(.uuid(person.text), as: "uuid")
      conditions.add("t.id IN (SELECT d.position FROM daybook.disclosures d WHERE d.person_id = \(person))")
    }
    if let since { conditions.add("t.at >= \(sql.bind(.text(since.text), as: "timestamptz"))") }
    if let until { conditions.add("t.at < \(sql.bind(.text(until.text), as: "timestamptz"))") }
    let reason = Self.search.sql("p.reason", folded: "p.reason_folded")
    for word in words {
      let bound = sql.bind(.text(word), as: "text")
      conditions.add(
        """
        (\(isTold.map { "\($0) AND " } ?? "")strpos(\(reason), \(bound)) > 0 OR strpos(t.event, \(bound)) > 0 OR strpos(t.resource_type, \(bound)) > 0 \
        OR EXISTS (SELECT 1 FROM jsonb_object_keys(t.changes) AS field WHERE strpos(field, \(bound)) > 0))
        """)
    }
    if let moment { conditions.add("t.id <= \(sql.bind(.integer(Int64(clamping: moment)), as: "bigint"))") }
    return conditions
  }

  /// That a row `t` is what an actor did: a person also by an API key that acted for them.
  static func isDone(by actor: String, in sql: inout SQLBuilder) -> String {
    if let person = Identifier(userActor: actor) {
      return "t.user_id = \(sql.bind(.uuid(person.text), as: "uuid"))"
    }
    return "t.actor = \(sql.bind(.text(actor), as: "text"))"
  }

  /// That a row comes after the place where a page ended.
  func isAfter(_ position: UInt64, in sql: inout SQLBuilder) -> String {
    "t.id \(isAscending ? ">" : "<") \(sql.bind(.integer(Int64(clamping: position)), as: "bigint"))"
  }

  /// Whether rows that are archived are left out. A statement about the past doesn't depend on what has been archived
  /// since.
  func leavesOutArchived(at moment: UInt64?) -> Bool { !includesArchived && moment == nil }

  /// That a row is archived.
  static let isArchived = """
    EXISTS (SELECT FROM daybook.retentions r WHERE r.class = 'audit' AND r.through >= t.id \
    AND r.organization_id IS NOT DISTINCT FROM t.organization_id)
    """
}
