import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Postgres
import Projections
import Refusals
import TestBasics
import Testing

/// How the platforms' views come into PostgreSQL, and stay there whatever happens to the tables below them.
@Suite struct InstallTests {
  private static let census = """
    SELECT n.nspname || '.' || c.relname, c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname IN ('etl_builder', 'django_etl') ORDER BY 1
    """

  /// A copy of the SQL files, to be changed.
  private static func copy(into temporary: TemporaryFolder) throws -> String {
    let folder = temporary.path + "/projections"
    try FileManager.default.copyItem(atPath: Repository.projections, toPath: folder)
    return folder
  }

  /// Runs another service over the same database until it is up, then the body, and ends it.
  private static func run(
    _ harness: TestReadModels, projections: String, _ body: (ProjectionService) async throws -> Void
  ) async throws {
    let service = try harness.anotherService(projections: projections)
    let task = Task { try await service.run() }
    let outcome: Result<Void, any Error>
    do {
      try await service.settle(at: harness.log.head.position)
      outcome = .success(try await body(service))
    } catch { outcome = .failure(error) }
    task.cancel()
    _ = await task.result
    try outcome.get()
  }

  /// Asks again until the answer is as wanted: for what the projector sees to by itself.
  private static func eventually(_ holds: () async throws -> Bool) async throws -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(30)
    while clock.now < end {
      if try await holds() { return true }
      await Task.yield()
    }
    return false
  }

  @Test func `a rebuild of all or of one read model keeps the views and what they show`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await EtlBuilderTests.makeTenant(harness, "acme")
      let before = try await harness.settledRows(Self.census)
      let shown = try await harness.objects("SELECT * FROM etl_builder.pipeline_executions")
      let role = try await harness.role(of: tenant.organization, personal: false)
      for names in [nil, ["runs"], ["connections", "pipelines"]] as [[String]?] {
        #expect(try await harness.projections.rebuild(names).isSwapped)
        let after = try await harness.settledRows(Self.census)
        #expect(after.map { $0[0] } == before.map { $0[0] } && after != before)
        #expect(try await harness.objects("SELECT * FROM etl_builder.pipeline_executions") == shown)
        // A role's rights are there again too.
        let seen = try await PostgresConnection.with(role) {
          try await $0.query("SELECT id::text FROM etl_builder.organizations").rows
        }
        #expect(seen == [[tenant.organization]])
      }
    }
  }

  @Test func `a restart with the same files leaves the views as they are`() async throws {
    try await TestReadModels.with { harness in
      let before = try await harness.settledRows(Self.census)
      #expect(!before.isEmpty)
      try await harness.stopProjector()
      try await Self.run(harness, projections: Repository.projections) { _ in
        let after = try await PostgresConnection.with(harness.url) { try await $0.query(Self.census).rows }
        #expect(after == before)
      }
    }
  }

  @Test func `dropped schemas come back by themselves`() async throws {
    try await TestReadModels.with { harness in
      _ = try await EtlBuilderTests.makeTenant(harness, "acme")
      let names = try await harness.settledRows(Self.census).map { $0[0] }
      for schemas in ["etl_builder", "daybook", "personal, django_etl", "daybook, personal, projector, etl_builder"] {
        try await harness.execute("DROP SCHEMA \(schemas) CASCADE")
        let isBack = try await Self.eventually {
          try await PostgresConnection.with(harness.url) { connection in
            try await connection.query(Self.census).rows.map { $0[0] } == names
          }
        }
        #expect(isBack, "after DROP SCHEMA \(schemas) CASCADE")
        #expect(try await harness.settledRows("SELECT count(*) FROM etl_builder.pipelines") == [["1"]])
      }
    }
  }

  @Test func `changed files are taken over at the next start, alone or with a read model below them`() async throws {
    let temporary = try TemporaryFolder()
    defer { withExtendedLifetime(temporary) {} }
    let folder = try Self.copy(into: temporary)
    try await TestReadModels.with(projections: folder) { harness in
      _ = try await EtlBuilderTests.makeTenant(harness, "acme")
      try await harness.settle()
      try await harness.stopProjector()
      func change(_ file: String, _ old: String, _ new: String) throws {
        let path = "\(folder)/\(file)"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains(old))
        try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
      }
      func type(_ column: String) async throws -> [[String?]] {
        try await PostgresConnection.with(harness.url) { connection in
          try await connection.query(
            """
            SELECT format_type(atttypid, atttypmod) FROM pg_attribute
            WHERE attrelid = 'etl_builder.organizations'::regclass AND attname = $1
            """, [.text(column)]
          ).rows
        }
      }
      try change("platforms/etl_builder.sql", "o.name::varchar(255) AS name", "o.name::varchar(300) AS name")
      try await Self.run(harness, projections: folder) { _ in
        let changed = try await type("name")
        #expect(changed == [["character varying(300)"]])
      }
      try change("platforms/etl_builder.sql", "o.name::varchar(300) AS name", "o.name::text AS name")
      try change(
        "organizations.sql", "-- section: indexes",
        "-- section: indexes\nCREATE INDEX organizations_name ON daybook.organizations (name);")
      try await Self.run(harness, projections: folder) { _ in
        let isChanged = try await Self.eventually { try await type("name") == [["text"]] }
        #expect(isChanged)
      }
      // A file that is gone takes its views with it; the folder too.
      try FileManager.default.removeItem(atPath: folder + "/platforms")
      try await Self.run(harness, projections: folder) { _ in
        let left = try await PostgresConnection.with(harness.url) { try await $0.query(Self.census).rows }
        #expect(left.isEmpty)
      }
    }
  }

  @Test func `what others built upon a view stops a rebuild that would replace it, and is named`() async throws {
    try await TestReadModels.with { harness in
      _ = try await EtlBuilderTests.makeTenant(harness, "acme")
      try await harness.settle()
      try await harness.execute(
        "CREATE SCHEMA bi; CREATE VIEW bi.nightly AS SELECT * FROM etl_builder.pipelines WHERE is_scheduled")
      let error = await #expect(throws: ProjectionError.self) { try await harness.projections.rebuild(["users"]) }
      #expect(error?.code == .dependents && error?.message.contains("view bi.nightly") == true)
      #expect(error?.message.contains("etl_builder.") == false, "ours are not named")
      #expect(try await harness.settledRows("SELECT name FROM bi.nightly") == [["nightly"]])
      try await harness.execute("DROP SCHEMA bi CASCADE")
      #expect(try await harness.projections.rebuild(["users"]).isSwapped)
    }
  }

  @Test func `a name that is taken keeps one platform out, and says so`() async throws {
    try await TestReadModels.with { harness in
      try await harness.settle()
      try await harness.stopProjector()
      try await harness.execute(
        """
        DROP SCHEMA etl_builder CASCADE;
        CREATE SCHEMA etl_builder; CREATE TABLE etl_builder.users (id integer); INSERT INTO etl_builder.users VALUES (7)
        """)
      try await Self.run(harness, projections: Repository.projections) { service in
        try await PostgresConnection.with(harness.url) { connection in
          let problem = try await connection.query(
            "SELECT problem FROM projector.platform_schemas WHERE name = 'etl_builder'")
          #expect(problem.rows.first?[0]?.contains("users") == true)
          #expect(try await connection.query("SELECT id FROM etl_builder.users").rows == [["7"]])
          #expect(try await connection.query("SELECT to_regclass('etl_builder.pipelines')").rows == [[nil]])
          #expect(try await connection.query("SELECT count(*) FROM django_etl.pipelines").rows == [["0"]])
          try await connection.execute("DROP SCHEMA etl_builder CASCADE")
        }
        #expect(try await service.rebuild(["users"]).isSwapped)
        try await PostgresConnection.with(harness.url) { connection in
          let users = try await connection.query("SELECT count(*) FROM etl_builder.users").rows
          #expect(users == [["0"]])
        }
      }
    }
  }

  @Test func `a lack that passes leaves no platform out`() async throws {
    try await TestReadModels.with { harness in
      let names = try await harness.settledRows(Self.census).map { $0[0] }
      try await harness.stopProjector()
      // Sequences aren't rolled back: the third and the ninth view that is made meet the lack, and none afterwards.
      try await harness.execute(
        """
        CREATE SEQUENCE public.views_made;
        CREATE FUNCTION public.lack() RETURNS event_trigger LANGUAGE plpgsql AS $$
          BEGIN
            IF nextval('public.views_made') IN (3, 9) THEN
              RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200';
            END IF;
          END $$;
        DROP SCHEMA etl_builder, django_etl CASCADE;
        CREATE EVENT TRIGGER lack ON ddl_command_start WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION public.lack()
        """)
      try await Self.run(harness, projections: Repository.projections) { _ in
        try await PostgresConnection.with(harness.url) { connection in
          #expect(try await connection.query(Self.census).rows.map { $0[0] } == names)
          let tries = try await connection.query("SELECT last_value FROM public.views_made").rows
          #expect(Int(tries[0][0] ?? "") ?? 0 > 9)
        }
      }
    }
  }

  @Test(arguments: [
    ("CREATE VIEW etl_builder.x AS SELECT 1 AS id", "security_invoker"),
    ("CREATE VIEW daybook.x WITH (security_invoker = true) AS SELECT 1 AS id", "not of the schema etl_builder"),
    ("CREATE TABLE etl_builder.x (id integer)", "only make views and functions"),
    ("DROP TABLE daybook.users", "only make views and functions"),
  ])
  func `a file that does anything else is refused before anything is done`(sql: String, problem: String) async throws {
    let temporary = try TemporaryFolder()
    defer { withExtendedLifetime(temporary) {} }
    let folder = try Self.copy(into: temporary)
    try "\(sql);\n".write(toFile: folder + "/platforms/etl_builder.sql", atomically: true, encoding: .utf8)
    let error = await #expect(throws: ProjectionError.self) {
      try await TestReadModels.with(projections: folder) { _ in Issue.record("the service came up") }
    }
    #expect(error?.code == .definition && error?.message.contains(problem) == true, "\(error?.message ?? "")")
  }
}
