import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EmbeddedPostgres
import EventLog
import Logging
import Postgres
import TestBasics
import Testing

@testable import Projections

/// What an SQL role may take of PostgreSQL, besides what it may read.
@Suite struct RightsTests {
  private static let password = "correct horse"

  private static func role(_ name: String, _ organization: Identifier) -> EventDraft {
    var draft = EventDraft(
      event: "sql_role.created", type: "sql_role", resource: .version7(at: .now), actor: "local:0")
    draft.organization = organization
    draft.set = [
      "name": .string(name), "personal": false, "organization_id": .string(organization.text), "number": 1,
    ]
    return draft
  }

  @Test(.timeLimit(.minutes(2)))
  func `a role has bounds, also one that was there before, and those that an operator has set stay`() async throws {
    let models = try await TestReadModels()
    let name = "bounded_\(UInt32.random(in: 0...UInt32.max))"
    try await models.append([Self.role(name, .version7(at: .now))])
    try await models.settle()
    let settings = """
      SELECT r.rolconnlimit, array_to_string(ARRAY(
        SELECT s FROM unnest(r.rolconfig) AS s WHERE s NOT LIKE 'search_path=%' ORDER BY 1), ' ')
      FROM pg_roles AS r WHERE rolname = '\(name)'
      """
    let bounds = [
      ["10", "idle_in_transaction_session_timeout=1min lock_timeout=10s statement_timeout=10min temp_file_limit=1GB"]
    ]
    #expect(try await models.rows(settings) == bounds)
    try await models.projections.setPassword(role: name, password: Self.password)
    let connection = try await PostgresConnection.connect(
      signingIn(to: models.url, as: name, password: Self.password))
    #expect(try await connection.query("SHOW statement_timeout").rows == [["10min"]])
    let refused = try await #require(throws: PostgresError.self) {
      try await connection.execute("CREATE TEMP TABLE large AS SELECT 1")
    }
    #expect(refused.sqlState == "42501")
    await connection.close()
    try await models.stopProjector()
    // As an earlier version left it, but for one that an operator has set.
    try await models.execute(
      "ALTER ROLE \(name) RESET ALL; ALTER ROLE \(name) CONNECTION LIMIT -1; ALTER ROLE \(name) SET statement_timeout = '1h'"
    )
    let service = try models.anotherService()
    let task = Task { try await service.run() }
    try await service.settle(at: models.log.head.position)
    _ = try await eventually("the role has its limits again", within: .seconds(120)) { () -> Bool? in
      try await models.rows(settings)[0][0] == "-1" ? nil : true
    }
    #expect(
      try await models.rows(settings)
        == bounds.map { [$0[0], $0[1].replacing("statement_timeout=10min", with: "statement_timeout=1h")] })
    task.cancel()
    try await task.value
    try await models.execute("DROP ROLE \(name)")
    try await models.close()
  }

  @Test(.timeLimit(.minutes(3)))
  func `on the private server a role makes nothing, enters no other database and sees no other tenant's counts`()
    async throws
  {
    let folder = try TemporaryFolder()
    let server = EmbeddedPostgres(
      dataFolder: folder.path + "/postgres", socketFolder: folder.path + "/s", logger: Logger(label: "rights"),
      isDurable: false)
    let url = try await server.start()
    let models = try await TestReadModels(url: url)
    try await models.append([Self.role("reader", .version7(at: .now))])
    try await models.settle()
    try await models.projections.setPassword(role: "reader", password: Self.password)
    for _ in 0..<2 {
      try await PostgresConnection.with(url) { connection in
        try await connection.withSession {
          try DatabaseRights.restrict(isPrivate: true, $0, logger: Logger(label: "rights"))
        }
      }
    }
    let connection = try await PostgresConnection.connect(
      url.replacing("//daybook@", with: "//reader:correct%20horse@"))
    #expect(try await connection.query("SELECT count(*) FROM daybook.pipelines").rows == [["0"]])
    #expect(try await connection.query("SELECT count(*) > 0 FROM information_schema.columns").rows == [["t"]])
    for forbidden in [
      "CREATE TEMP TABLE t (i integer)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'x')",
      "SELECT n_live_tup FROM pg_stat_all_tables", "SELECT pg_stat_get_live_tuples('daybook.pipelines'::regclass)",
      "SELECT usename FROM pg_stat_activity", "SELECT rolname FROM pg_roles", "SELECT usename FROM pg_user",
      "SELECT * FROM pg_auth_members",
    ] {
      let refused = await #expect(throws: PostgresError.self, "\(forbidden)") {
        _ = try await connection.query(forbidden)
      }
      #expect(refused?.sqlState == "42501", "\(forbidden)")
    }
    await connection.close()
    let elsewhere = try #require(await server.conninfo(database: "postgres"))
    await #expect(throws: PostgresError.self) {
      _ = try await PostgresConnection.connect(elsewhere.replacing("//daybook@", with: "//reader:correct%20horse@"))
    }
    #expect(
      try await models.rows("SELECT has_table_privilege('pg_monitor', 'pg_catalog.pg_roles', 'SELECT')") == [["t"]])
    try await models.append([Self.role("second", .version7(at: .now))])
    try await models.settle()
    #expect(await models.projections.status().allSatisfy { $0.state == .running })
    try await models.close()
    await server.stop()
    try await folder.destroy()
  }

  @Test(.timeLimit(.minutes(2)))
  func `a session of a role that leaves a transaction open for too long is ended, whatever it has set`() async throws {
    let models = try await TestReadModels()
    let name = "idler_\(UInt32.random(in: 0...UInt32.max))"
    try await models.append([Self.role(name, .version7(at: .now))])
    try await models.settle()
    try await models.projections.setPassword(role: name, password: Self.password)
    let idler = try await PostgresConnection.connect(signingIn(to: models.url, as: name, password: Self.password))
    try await idler.execute(
      "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM daybook.pipelines")
    let owner = try await PostgresConnection.connect(models.url)
    try await owner.execute("BEGIN; SELECT count(*) FROM daybook.pipelines")
    try await PostgresConnection.with(models.url) { connection in
      try await connection.withSession { session in
        try SqlRoleBounds.endOverlong(session, logger: Logger(label: "rights"))
        #expect(try session.query("SELECT FROM pg_stat_activity WHERE usename = $1", [.text(name)]).rowCount == 1)
        try SqlRoleBounds.endOverlong(session, idling: "0 seconds", logger: Logger(label: "rights"))
      }
    }
    await #expect(throws: PostgresError.self) { while true { _ = try await idler.query("SELECT 1") } }
    await idler.close()
    // Only SQL roles' sessions are.
    #expect(try await owner.query("SELECT 1").rows == [["1"]])
    await owner.close()
    try await models.close()
    try await PostgresConnection.with(models.url) { try await $0.execute("DROP ROLE \(name)") }
  }
}
