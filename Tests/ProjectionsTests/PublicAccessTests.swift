import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Postgres
import Projections
import Testing

/// Row-level security where the catalog calls rows public.
@Suite struct PublicAccessTests {
  @Test(.timeLimit(.minutes(2)))
  func `a role reads what is public of others and nothing else of theirs`() async throws {
    let models = try await TestReadModels()
    let (mine, other) = (Identifier.version7(at: .now), Identifier.version7(at: .now))
    let name = "public_reader_\(UInt32.random(in: 0...UInt32.max))"
    try await models.append([
      draft("sql_role", mine, ["name": .string(name), "personal": false]),
      draft("pipeline_template", mine, ["name": "own"]),
      draft("pipeline_template", other, ["name": "private", "is_public": false, "is_builtin": false]),
      draft("pipeline_template", other, ["name": "public", "is_public": true]),
      draft("pipeline_template", other, ["name": "deleted", "is_public": true, "deleted_at": "2026-01-01T00:00:00Z"]),
      draft("pipeline_template", nil, ["name": "nobody's"]),
      draft("pipeline_template", nil, ["name": "built in", "is_builtin": true]),
      draft("transformation_function", other, ["name": "public", "is_public": true]),
      draft("module_template", other, ["name": "private"]),
      draft("module_template", other, ["name": "public", "is_public": true]),
    ])
    try await models.settle()
    // The roles are made right after the commit; the next chunk comes behind that.
    try await models.append([draft("pipeline_template", mine, ["name": "later"])])
    try await models.settle()
    try await models.projections.setPassword(role: name, password: "secret")
    try await check(models, name)
    // A rebuild keeps the policies.
    #expect(try await models.projections.rebuild(["pipeline_templates"]).isSwapped)
    try await check(models, name)
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `a policy of an earlier catalog is made anew at the next start, and the rows stay`() async throws {
    let models = try await TestReadModels()
    try await models.append([draft("notification", Identifier.version7(at: .now), ["title": "t"])])
    try await models.settle()
    func policy() async throws -> [[String?]] {
      try await models.rows(
        """
        SELECT p.oid::text, pg_get_expr(p.polqual, p.polrelid), (SELECT count(*) FROM daybook.notifications)
        FROM pg_policy AS p WHERE p.polrelid = 'daybook.notifications'::regclass
        """)
    }
    let made = try await policy()
    #expect(made.count == 1)
    try await models.stopProjector()
    // As a catalog without visible_to made it.
    try await models.execute(
      """
      DROP POLICY tenant ON daybook.notifications;
      CREATE POLICY tenant ON daybook.notifications FOR SELECT
        USING (organization_id = ANY (ARRAY(SELECT projector.current_organizations())))
      """)
    func restart() async throws -> [[String?]] {
      let service = try models.anotherService()
      let task = Task { try await service.run() }
      try await service.settle(at: models.log.head.position)
      let found = try await policy()
      task.cancel()
      try await task.value
      return found
    }
    let renewed = try await restart()
    #expect(renewed.map { $0.dropFirst() } == made.map { $0.dropFirst() })
    #expect(renewed != made)
    #expect(try await restart() == renewed, "one that is right stays")
    try await models.close()
  }

  private func check(_ models: TestReadModels, _ name: String) async throws {
    let rest = models.url.split(separator: "@", maxSplits: 1).last.map(String.init) ?? models.url
    let url =
      models.url.contains("@")
      ? "postgresql://\(name):secret@\(rest)"
      : models.url + (models.url.contains("?") ? "&" : "?") + "user=\(name)&password=secret"
    let connection = try await PostgresConnection.connect(url)
    func names(_ table: String) async throws -> [String?] {
      try await connection.query("SELECT name FROM daybook.\(table) ORDER BY name COLLATE \"C\"").rows.map { $0[0] }
    }
    #expect(try await names("pipeline_templates") == ["built in", "later", "own", "public"])
    #expect(try await names("transformation_functions") == ["public"])
    #expect(try await names("module_templates") == ["public"])
    // As the group alone it belongs nowhere, and what is public is for those who belong somewhere.
    try await connection.execute("SET ROLE daybook_sql")
    #expect(try await names("pipeline_templates") == [])
    await connection.close()
  }

  private func draft(_ type: String, _ organization: Identifier?, _ fields: JSONObject) -> EventDraft {
    var draft = EventDraft(
      event: "\(type).created", type: type, resource: Identifier.version7(at: .now), actor: "local:0")
    draft.organization = organization
    draft.set = fields.merging(["number": 1])
    if let organization { draft.set["organization_id"] = .string(organization.text) }
    return draft
  }
}
