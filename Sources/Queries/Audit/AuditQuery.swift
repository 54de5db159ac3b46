import BasicTypes
import CanonicalJSON
import Catalog
import Postgres
import Refusals

/// One `audit.search` as it was asked.
struct AuditQuery: Sendable {
  /// What an audit row says was done.
  static let actions = ["create", "read", "update", "delete", "execute"]
  /// How many words one search looks for.
  static let maximumWords = 16

  let actor: String?
  let action: String?
  let event: String?
  let resourceType: String?
  let resource: Identifier?
  let organization: Identifier?
  let since: Timestamp?
  let until: Timestamp?
  let words: [String]
  /// Whether rows that a retention sweep has archived are searched too.
  let includesArchived: Bool
  let limit: Int
  let cursor: String?
  let isAscending: Bool
  /// What a cursor is bound to.
  let identity: JSON

  /// Reads the parameters.
  /// - Throws: ``Refusal`` `invalid_params` with every fault.
  init(_ parameters: inout QueryParameters, catalog: Catalog) throws {
    actor = parameters.string("actor")
    action = parameters.choice("action", of: Self.actions)
    event = parameters.string("event")
    resourceType = parameters.choice("resource_type", of: catalog.types.map(\.name))
    resource = parameters.identifier("resource_id")
    organization = parameters.identifier("organization_id")
    since = parameters.time("since")
    until = parameters.time("until")
    let text = parameters.string("text")
    words = text?.split(whereSeparator: \.isWhitespace).map { $0.lowercased() } ?? []
    if words.count > Self.maximumWords { parameters.refuse("/text", "has more than \(Self.maximumWords) words") }
    includesArchived = parameters.boolean("include_archived") ?? false
    limit = parameters.limit()
    cursor = parameters.string("cursor")
    isAscending = parameters.choice("order", of: ["position", "-position"]) == "position"
    try parameters.finish()
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": "audit.search", "actor": optional(actor), "action": optional(action), "event": optional(event),
      "resource_type": optional(resourceType), "resource_id": optional(resource?.text),
      "organization_id": optional(organization?.text), "since": optional(since?.text), "until": optional(until?.text),
      "words": .array(words.map(JSON.string)), "ascending": .bool(isAscending),
      "include_archived": .bool(includesArchived),
    ]
  }

  /// The columns of a row, in the order of the statement.
  static let columns = [
    "t.id::text", "t.event_id::text", #"to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#, "t.actor",
    "t.user_id::text", "t.organization_id::text", "t.action", "t.event", "t.resource_type", "t.resource_id::text",
    "t.version::text", "t.changes::text", "t.correlation", "t.causation::text", "p.reason", "host(p.ip)",
    "p.user_agent",
  ]

  /// The one statement: the page and the position of the read model in one snapshot.
  /// - Parameter organizations: Whose rows may be seen; nil for all.
  func statement(organizations: Set<Identifier>?, after position: UInt64?) -> SQLBuilder {
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let organizations { conditions.add("t.organization_id = ANY(\(sql.bind(organizations.sorted())))") }
    if let actor { conditions.add("t.actor = \(sql.bind(.text(actor), as: "text"))") }
    if let action { conditions.add("t.action = \(sql.bind(.text(action), as: "text"))") }
    if let event { conditions.add("t.event = \(sql.bind(.text(event), as: "text"))") }
    if let resourceType { conditions.add("t.resource_type = \(sql.bind(.text(resourceType), as: "text"))") }
    if let resource { conditions.add("t.resource_id = \(sql.bind(.uuid(resource.text), as: "uuid"))") }
    if let organization { conditions.add("t.organization_id = \(sql.bind(.uuid(organization.text), as: "uuid"))") }
    if let since { conditions.add("t.at >= \(sql.bind(.text(since.text), as: "timestamptz"))") }
    if let until { conditions.add("t.at < \(sql.bind(.text(until.text), as: "timestamptz"))") }
    for word in words {
      let bound = sql.bind(.text(word), as: "text")
      conditions.add(
        """
        (strpos(lower(p.reason), \(bound)) > 0 OR strpos(t.event, \(bound)) > 0 OR strpos(t.resource_type, \(bound)) > 0 \
        OR EXISTS (SELECT 1 FROM jsonb_object_keys(t.changes) AS field WHERE strpos(field, \(bound)) > 0))
        """)
    }
    if !includesArchived {
      conditions.add(
        """
        NOT EXISTS (SELECT FROM daybook.retentions r WHERE r.class = 'audit' AND r.through >= t.id \
        AND r.organization_id IS NOT DISTINCT FROM t.organization_id)
        """)
    }
    if let position {
      conditions.add("t.id \(isAscending ? ">" : "<") \(sql.bind(.integer(Int64(clamping: position)), as: "bigint"))")
    }
    let order = isAscending ? "ASC" : "DESC"
    let selected = Self.columns.enumerated().map { "\($1) AS c\($0)" }.joined(separator: ", ")
    let outer = Self.columns.indices.map { "page.c\($0)" }.joined(separator: ", ")
    sql.append(
      """
      SELECT \(SQLBuilder.checkpoint(of: "'audit_trail'")), \(outer) \
      FROM (SELECT 1) one LEFT JOIN (SELECT t.id AS place, \(selected) FROM daybook.audit_trail t \
      LEFT JOIN personal.audit_trail p ON p.id = t.id\(conditions.clause) ORDER BY t.id \(order) LIMIT \(limit + 1)) page \
      ON true ORDER BY page.place \(order)
      """)
    return sql
  }
}
