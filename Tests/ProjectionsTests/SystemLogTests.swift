import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Postgres
import Projections
import Testing
import Vault

/// What programs log about themselves, and rows that are for one person's eyes.
@Suite struct SystemLogTests {
  private func lines(_ models: TestReadModels, in organization: Identifier?, _ lines: JSON) throws -> EventDraft {
    var draft = EventDraft(event: "system.logged", type: "system", resource: .version7(at: .now), actor: "local:0")
    draft.organization = organization
    draft.data = [
      "count": .integer(Int64(lines.arrayValue?.count ?? 0)),
      "lines": try models.vault.seal(
        lines, for: .expiring(organization: organization, retentionClass: "system_logs", month: Timestamp.now.month),
        context: SealContext(eventID: draft.id, resourceID: draft.resource, field: "data/lines")),
    ]
    return draft
  }

  @Test(.timeLimit(.minutes(2)))
  func `a line is one row, and what it says is apart`() async throws {
    let models = try await TestReadModels()
    let organization = Identifier.version7(at: .now)
    let user = Identifier.version7(at: .now)
    let full: JSON = [
      "level": "ERROR", "message": "broken", "logger_name": "app", "module": "m", "function_name": "f",
      "line_number": 7, "request_method": "GET", "request_path": "/x", "request_ip": "192.0.2.1", "duration_ms": 5,
      "memory_usage_mb": 1.5, "exception_type": "E", "exception_message": "why", "stack_trace": "at f",
      "extra_data": ["k": 1], "correlation_id": "c", "request_id": "r", "user_id": .string(user.text),
      "at": "2026-01-02T03:04:05.000000Z",
    ]
    let position = try await models.append([
      try lines(models, in: organization, [full, ["message": "fine", "level": "INFO"]]),
      try lines(models, in: nil, [["message": "everybody's", "extra_data": .null]]),
    ])
    try await models.settle()
    for isRebuilt in [false, true] {
      if isRebuilt { #expect(try await models.projections.rebuild(["system_logs"], check: true).differences == []) }
      let rows = try await models.rows(
        """
        SELECT l.id, l.organization_id, l.at = '2026-01-02T03:04:05Z', l.level, l.logger_name, l.module, l.function_name,
          l.line_number, l.correlation_id, l.user_id, l.request_id, l.request_method, l.duration_ms, l.memory_usage_mb,
          l.exception_type, p.message, p.request_path, p.request_ip, p.exception_message, p.stack_trace, p.extra_data
        FROM daybook.system_logs AS l JOIN personal.system_logs AS p USING (id) ORDER BY l.id
        """)
      let first = String((position - 1) << 20)
      #expect(
        rows.first == [
          first, organization.text, "t", "ERROR", "app", "m", "f", "7", "c", user.text, "r", "GET", "5", "1.5", "E",
          "broken", "/x", "192.0.2.1", "why", "at f", #"{"k": 1}"#,
        ])
      #expect(rows.map { $0[0] } == [first, String((position - 1) << 20 + 1), String(position << 20)])
      #expect(rows.map { $0[15] } == ["broken", "fine", "everybody's"])
      #expect(rows.map { $0[1] } == [organization.text, organization.text, nil])
      #expect(rows[2][20] == nil)
    }
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `a session that names its user reads that user's notifications and everybody's`() async throws {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 32, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(50))
    let organization = source.organizations[0]
    let (ann, bob) = (source.users[0], source.users[1])
    let role = "reader_\(UInt32.random(in: 0...UInt32.max))"
    func draft(_ type: String, _ set: JSONObject) -> EventDraft {
      var draft = EventDraft(event: "\(type).created", type: type, resource: .version7(at: .now), actor: "local:0")
      draft.organization = organization
      draft.set = set.merging(["organization_id": .string(organization.text), "number": 1])
      return draft
    }
    let annsOwn = draft("notification", ["user_id": .string(ann.text), "type": "info", "title": "ann's"])
    try await models.append([
      draft("membership", ["user_id": .string(ann.text), "role": "member"]),
      draft("sql_role", ["name": .string(role), "personal": false]), annsOwn,
      draft("notification", ["user_id": .string(bob.text), "type": "info", "title": "bob's"]),
      draft("notification", ["type": "info", "title": "everybody's"]),
      draft("dashboard", ["user_id": .string(bob.text), "name": "hidden", "layout_config": [:], "is_shared": false]),
      draft("dashboard", ["user_id": .string(bob.text), "name": "shared", "layout_config": [:], "is_shared": true]),
    ])
    try await models.settle()
    // The role is made right after the commit; the next chunk comes behind that.
    try await models.append(try source.events(1))
    try await models.settle()
    let connection = try await PostgresConnection.connect(models.url)
    try await connection.execute("SET ROLE \(role)")
    func titles() async throws -> [String?] {
      try await connection.query("SELECT title FROM daybook.notifications WHERE title LIKE '%''s' ORDER BY title").rows
        .map { $0[0] }
    }
    func names() async throws -> [String?] {
      try await connection.query("SELECT name FROM daybook.dashboards WHERE name IN ('hidden', 'shared') ORDER BY name")
        .rows.map { $0[0] }
    }
    #expect(try await titles() == ["ann's", "bob's", "everybody's"])
    #expect(try await names() == ["hidden", "shared"])
    try await connection.execute("SET app.current_user_id = '\(ann.text)'")
    #expect(try await titles() == ["ann's", "everybody's"])
    #expect(try await names() == ["shared"])
    await connection.close()
    try await models.close()
  }
}
