import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Postgres
import Projections
import Testing

/// What a PostgreSQL role may read, and what is written where.
@Suite struct AccessTests {
  private func text(_ id: Identifier) -> String { id.text }

  @Test(.timeLimit(.minutes(2)))
  func `a role reads its organization's rows and no personal columns`() async throws {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 31, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(300))
    let (mine, other) = (source.organizations[0], source.organizations[1])
    let member = source.users[0]
    let suffix = String(UInt32.random(in: 0...UInt32.max))
    let (plain, personal) = ("reader_\(suffix)", "reader_personal_\(suffix)")
    var drafts = [
      draft("membership", mine, ["user_id": .string(member.text), "role": "owner"]),
      draft("sql_role", mine, ["name": .string(plain), "personal": false]),
      draft("sql_role", mine, ["name": .string(personal), "personal": true]),
    ]
    for organization in [mine, other] {
      drafts.append(try DataPreviewTests.preview(models, in: organization, sample: [["a": 1]]))
    }
    // What made them may have left them inactive, and then nothing may be read.
    for (type, id) in [("organization", mine), ("user", member)] {
      var active = EventDraft(event: "\(type).edited", type: type, resource: id, actor: "local:0")
      active.set = ["is_active": true]
      drafts.append(active)
    }
    try await models.append(drafts)
    try await models.settle()
    for role in [plain, personal] { try await models.projections.setPassword(role: role, password: "hunter2 \"it's\"") }
    for (role, sees) in [(plain, false), (personal, true)] {
      let connection = try await PostgresConnection.connect(
        signingIn(to: models.url, as: role, password: "hunter2 \"it's\""))
      for table in [
        "pipelines", "runs", "audit_trail", "api_keys", "connections", "pipeline_versions", "run_metrics",
        "data_previews",
      ] {
        let seen = try await connection.query("SELECT DISTINCT organization_id::text FROM daybook.\(table)").rows
        #expect(seen.allSatisfy { $0 == [mine.text] }, "\(table)")
      }
      #expect(try await connection.query("SELECT count(*) FROM daybook.data_previews").rows == [["1"]])
      #expect(try await connection.query("SELECT count(*) FROM personal.data_previews").rows == [[sees ? "1" : "0"]])
      #expect(try await connection.query("SELECT id::text FROM daybook.organizations").rows == [[mine.text]])
      let users = try await connection.query("SELECT id::text FROM daybook.users").rows
      #expect(users.contains([member.text]))
      let emails = try await connection.query(
        "SELECT p.email IS NOT NULL FROM daybook.users AS u LEFT JOIN personal.users AS p USING (id) WHERE u.id = $1::uuid",
        [.text(member.text)])
      #expect(emails.rows == [[sees ? "t" : "f"]])
      #expect(try await connection.query("SELECT count(*) > 0 FROM personal.audit_trail").rows == [[sees ? "t" : "f"]])
      // The platforms' own setting only narrows.
      try await connection.execute("SET app.current_user_id = '\(member.text)'")
      #expect(try await connection.query("SELECT count(*) FROM daybook.organizations").rows == [["1"]])
      try await connection.execute("SET app.current_user_id = '\(other.text)'")
      #expect(try await connection.query("SELECT count(*) FROM daybook.organizations").rows == [["0"]])
      try await connection.execute("RESET app.current_user_id")
      for forbidden in [
        "SELECT * FROM projector.sql_roles", "DELETE FROM daybook.pipelines", "SELECT * FROM personal.marker",
        "SET row_security = off; SELECT * FROM daybook.pipelines", "CREATE TABLE daybook.mine (id integer)",
      ] {
        await #expect(throws: PostgresError.self, "\(forbidden)") { try await connection.execute(forbidden) }
      }
      // As the group alone it is nobody's.
      try await connection.execute("SET row_security = on; SET ROLE daybook_sql")
      #expect(try await connection.query("SELECT count(*) FROM daybook.organizations").rows == [["0"]])
      await connection.close()
    }
    try await halfFilled(models, plain: plain, personal: personal)
    // A dropped schema comes back without the roles being dropped on the way: their passwords stand.
    try await models.execute("DROP SCHEMA daybook CASCADE")
    #expect(try await models.projections.rebuild(nil).isSwapped)
    try await models.settle()
    await (try PostgresConnection.connect(signingIn(to: models.url, as: plain, password: "hunter2 \"it's\""))).close()
    drafts[1].id = Identifier.version7(at: .now)
    drafts[1].event = "sql_role.deleted"
    drafts[1].set = ["deleted_at": .string(Timestamp.now.text)]
    try await models.append([drafts[1]])
    try await models.settle()
    #expect(try await models.rows("SELECT FROM pg_roles WHERE rolname = $1", [.text(plain)]).isEmpty)
    try await models.close()
  }

  /// While personal columns are being filled again, who may read them gets an error, and who may not reads on.
  private func halfFilled(_ models: TestReadModels, plain: String, personal: String) async throws {
    let before = try await models.rows("SELECT position FROM projector.checkpoints WHERE projection = 'users' LIMIT 1")
    let position = try #require(before.first?[0])
    // As a crash leaves it, before the projector has seen that.
    try await models.execute(
      """
      UPDATE projector.checkpoints SET position = 0, refilling_to = \(position)
      WHERE generation = 'live' AND projection = 'users' AND part = 'personal'
      """)
    for (role, isRefused) in [(plain, false), (personal, true)] {
      let connection = try await PostgresConnection.connect(
        signingIn(to: models.url, as: role, password: "hunter2 \"it's\""))
      for question in [
        "SELECT count(*) FROM daybook.users", "SELECT count(*) FROM personal.users",
        "SELECT u.id, p.email FROM daybook.users AS u LEFT JOIN personal.users AS p USING (id)",
      ] {
        do {
          _ = try await connection.query(question)
          #expect(!isRefused, "\(role): \(question)")
        } catch let error as PostgresError {
          #expect(isRefused && error.sqlState == "55000", "\(role): \(question): \(error)")
        }
      }
      #expect(try await connection.query("SELECT count(*) > 0 FROM daybook.organizations").rows == [["t"]])
      await connection.close()
    }
    try await models.execute(
      """
      UPDATE projector.checkpoints SET position = \(position), refilling_to = 0
      WHERE generation = 'live' AND projection = 'users' AND part = 'personal'
      """)
  }

  private func draft(_ type: String, _ organization: Identifier, _ fields: JSONObject) -> EventDraft {
    var draft = EventDraft(
      event: "\(type).created", type: type, resource: Identifier.version7(at: .now), actor: "local:0")
    draft.organization = organization
    draft.set = fields.merging(["organization_id": .string(organization.text), "number": 1])
    return draft
  }

  @Test func `a role that Daybook did not make is never touched`() async throws {
    let models = try await TestReadModels()
    let name = "foreign_\(UInt32.random(in: 0...UInt32.max))"
    try await models.execute("CREATE ROLE \(name) NOLOGIN")
    var source = try EventSource(seed: 33, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(10))
    try await models.append([draft("sql_role", source.organizations[0], ["name": .string(name), "personal": true])])
    try await models.settle()
    let role = try await models.rows(
      "SELECT r.rolcanlogin, (SELECT count(*) FROM pg_auth_members AS m WHERE m.member = r.oid) FROM pg_roles AS r WHERE rolname = $1",
      [.text(name)])
    #expect(role == [["f", "0"]])
    #expect(try await models.rows("SELECT * FROM projector.sql_roles") == [])
    let error = await #expect(throws: ProjectionError.self) {
      try await models.projections.setPassword(role: name, password: "x")
    }
    #expect(error?.code == .role)
    try await models.execute("DROP ROLE \(name)")
    try await models.close()
  }
}
