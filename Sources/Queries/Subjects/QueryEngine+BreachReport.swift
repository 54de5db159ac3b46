import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Projections
import Records
import Refusals

extension QueryMethod {
  /// `gdpr.breach_report`: whose data somebody, or a period, touched (GDPR Art. 33).
  static let breachReport = QueryMethod(
    "gdpr.breach_report",
    "Whose personal data an actor, or anybody in a period, has read or changed, page by page, and what was taken as a whole.",
    BreachQuestion.fields,
    result: Schemas.page(
      of: Schemas.object([
        "actors": Schemas.integer, "changes": Schemas.integer, "first_at": Schemas.time, "last_at": Schemas.time,
        "person_id": Schemas.identifier, "purposes": Schemas.array(of: Schemas.string), "reads": Schemas.integer,
      ]),
      besides: [
        "taken": Schemas.array(
          of: Schemas.object([
            "actor": Schemas.string, "at": Schemas.time, "event": Schemas.string, "position": Schemas.integer,
            "resource_id": Schemas.identifier,
          ])),
        "taken_left_out": Schemas.integer, "unnamed_reads": Schemas.integer,
      ]),
    errors: [.forbidden], example: ["since": "2026-01-01T00:00:00Z"],
    read: { BreachQuestion(&$0) }, answer: { try await $1.engine.breachReport($0, $1) })
}

/// One `gdpr.breach_report` as it was asked.
private struct BreachQuestion: Sendable {
  /// By which more than single persons' data is taken, or secrets that lead to more.
  static let takings = [
    "credential.revealed", "connection.revealed", "pipeline.revealed", "run.revealed", "export.created",
    "installation.backed_up", "installation.keys_exported", "installation.log_read", "installation.restored",
  ]
  /// How many of them one answer has.
  static let mostTakings = 100

  let actor: String?
  let since: Timestamp?
  let until: Timestamp?
  let limit: Int
  let cursor: String?
  let identity: JSON

  static let fields: [Field] = [
    .parameter("actor", .text, "Only what this actor did, such as user:<uuid>, api_key:<uuid> or local:<uid>."), .since,
    .until, .limit(100), .cursor,
  ]

  init(_ arguments: inout Arguments) {
    actor = arguments.text("actor")
    since = arguments.time("since")
    until = arguments.time("until")
    limit = arguments.count("limit")
    cursor = arguments.text("cursor")
    if arguments.isSound, actor == nil, since == nil {
      arguments.refuse("/actor", "give an actor, or since when")
    }
    func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    identity = [
      "method": "gdpr.breach_report", "actor": optional(actor), "since": optional(since?.text),
      "until": optional(until?.text),
    ]
  }

  /// The conditions of a row `t` of the audit trail.
  func conditions(in sql: inout SQLBuilder) -> [String] {
    var conditions: [String] = []
    if let actor { conditions.append(AuditQuery.isDone(by: actor, in: &sql)) }
    if let since { conditions.append("t.at >= \(sql.bind(.text(since.text), as: "timestamptz"))") }
    if let until { conditions.append("t.at < \(sql.bind(.text(until.text), as: "timestamptz"))") }
    return conditions
  }
}

extension QueryEngine {
  /// The organizations whose people a caller may ask about; nil for everybody.
  /// - Throws: ``Refusal`` `forbidden` where the caller is no officer.
  private func breachScope(of principal: Principal) throws -> [Identifier]? {
    try SubjectScope(principal: principal).requireOfficer()
    if principal.isAdministrator || principal.protectsService { return nil }
    return principal.organizations.keys.filter { principal.holds([.officers], in: $0) }.sorted()
  }

  fileprivate func breachReport(_ question: BreachQuestion, _ call: QueryCall) async throws -> [UInt8] {
    let scope = try breachScope(of: call.principal)
    let after = try question.cursor.map {
      try cursors.open($0, query: question.identity)["person_id"]?.stringValue.flatMap { Identifier($0) }
    }
    let (taken, leftOut, unnamed) = try await takings(question, scope, call.wait)
    var sql = SQLBuilder()
    let asked = question.conditions(in: &sql)
    var reads = asked
    var changes =
      asked + ["t.resource_type = 'user'", "t.user_id IS DISTINCT FROM t.resource_id", "t.event <> 'user.logged_in'"]
    if let scope {
      let organizations = sql.bind(scope)
      reads.append("t.organization_id = ANY(\(organizations))")
      changes.append(
        "EXISTS (SELECT FROM daybook.memberships m WHERE m.user_id = t.resource_id AND m.organization_id = ANY(\(organizations)))"
      )
    }
    reads += ["t.event = 'access.read'", "d.person_id IS NOT NULL"]
    var persons = ""
    if case .some(.some(let after)) = after {
      persons = " WHERE person_id > \(sql.bind(.uuid(after.text), as: "uuid"))"
    }
    let need = ReadModelNeed(rows: ["audit_trail", "disclosures", "memberships"])
    // A read that several organizations were told of counts once: the most that one of them was told.
    let statement = sql.wrapped(
      before: "",
      after: """
        WITH told AS (SELECT d.person_id, t.actor, t.organization_id, sum(d.reads) AS reads, min(t.at) AS began, \
        max(t.at) AS ended, array_agg(DISTINCT d.purpose) AS purposes FROM daybook.audit_trail t \
        JOIN daybook.disclosures d ON d.position = t.id WHERE \(reads.joined(separator: " AND ")) GROUP BY 1, 2, 3), \
        touched AS (SELECT person_id, actor, max(reads) AS reads, 0::bigint AS changes, min(began) AS began, \
        max(ended) AS ended FROM told GROUP BY 1, 2 UNION ALL \
        SELECT t.resource_id, t.actor, 0, count(*), min(t.at), max(t.at) FROM daybook.audit_trail t \
        WHERE \(changes.joined(separator: " AND ")) GROUP BY 1, 2), \
        people AS (SELECT person_id, sum(reads)::bigint AS reads, sum(changes)::bigint AS changes, \
        count(DISTINCT actor) AS actors, min(began) AS began, max(ended) AS ended FROM touched\(persons) GROUP BY 1 \
        ORDER BY 1 LIMIT \(question.limit + 1)) \
        SELECT standing.position, standing.is_whole, people.person_id::text, people.reads::text, people.changes::text, \
        people.actors::text, \(Self.time("people.began")), \(Self.time("people.ended")), \
        (SELECT to_json(array_agg(DISTINCT p.purpose ORDER BY p.purpose))::text FROM told, \
        unnest(told.purposes) AS p (purpose) WHERE told.person_id = people.person_id AND p.purpose IS NOT NULL) \
        FROM \(need.standing) standing LEFT JOIN people ON true ORDER BY people.person_id
        """)
    let result = try await ask(statement, need, call.wait)
    var items: [JSON] = []
    for row in 0..<min(result.rowCount, question.limit) {
      guard let person = result[row, 2] else { continue }
      func count(_ column: Int) -> JSON { result[row, column].flatMap { JSON(integerText: $0) } ?? 0 }
      items.append([
        "person_id": .string(person), "reads": count(3), "changes": count(4), "actors": count(5),
        "first_at": .string(result[row, 6] ?? ""), "last_at": .string(result[row, 7] ?? ""),
        "purposes": try result[row, 8].map { try JSON.parse($0) } ?? [],
      ])
    }
    let next: JSON? =
      result.rowCount > question.limit ? ["person_id": items.last?["person_id"] ?? .null] : nil
    return try page(
      items, next: next, position: result[0, 0].flatMap { UInt64($0) } ?? 0, query: question.identity,
      besides: ["taken": .array(taken), "taken_left_out": .integer(leftOut), "unnamed_reads": .integer(unnamed)])
  }

  /// What was taken as a whole, the latest first; how much of it is left out; and how many reads name nobody.
  private func takings(
    _ question: BreachQuestion, _ scope: [Identifier]?, _ wait: ReadWait
  ) async throws -> (taken: [JSON], leftOut: Int64, unnamed: Int64) {
    var sql = SQLBuilder()
    var conditions = question.conditions(in: &sql)
    if let scope { conditions.append("t.organization_id = ANY(\(sql.bind(scope)))") }
    let events = sql.bind(.array(BreachQuestion.takings), as: "text[]")
    let need = ReadModelNeed(rows: ["audit_trail", "disclosures"])
    let rows = (["t.event = ANY(\(events))"] + conditions).joined(separator: " AND ")
    let unnamed = (["t.event = 'access.read'"] + conditions).joined(separator: " AND ")
    let statement = sql.wrapped(
      before: "",
      after: """
        SELECT standing.position, standing.is_whole, \
        (SELECT count(*) FROM daybook.audit_trail t WHERE \(rows))::text, \
        (SELECT coalesce(sum(d.reads), 0) FROM daybook.audit_trail t JOIN daybook.disclosures d ON d.position = t.id \
        WHERE d.person_id IS NULL AND \(unnamed))::text, \
        taken.id::text, taken.actor, taken.event, \(Self.time("taken.at")), taken.resource_id::text \
        FROM \(need.standing) standing LEFT JOIN (SELECT t.* FROM daybook.audit_trail t WHERE \(rows) \
        ORDER BY t.id DESC LIMIT \(BreachQuestion.mostTakings)) taken ON true ORDER BY taken.id DESC
        """)
    let result = try await ask(statement, need, wait)
    var taken: [JSON] = []
    for row in 0..<result.rowCount {
      guard let position = result[row, 4] else { continue }
      taken.append([
        "position": JSON(integerText: position) ?? .null, "actor": .string(result[row, 5] ?? ""),
        "event": .string(result[row, 6] ?? ""), "at": .string(result[row, 7] ?? ""),
        "resource_id": .string(result[row, 8] ?? ""),
      ])
    }
    let all = result[0, 2].flatMap { Int64($0) } ?? 0
    return (taken, all - Int64(taken.count), result[0, 3].flatMap { Int64($0) } ?? 0)
  }

  private static func time(_ column: String) -> String {
    #"to_char(\#(column) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#
  }
}
