import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Foundation
import NIOConcurrencyHelpers
import Postgres
import Projections
import TestBasics
import Testing
import Vault

/// Read models are disposable: whatever is lost comes back as it was.
@Suite(.seeded) struct RebuildTests {
  private func filled(_ count: Int = 600) async throws -> TestReadModels {
    let models = try await TestReadModels()
    let seed = try Seeded().seed
    var source = try EventSource(seed: seed, catalog: models.catalog, vault: models.vault)
    for _ in 0..<6 {
      try await models.append(try source.events(count / 6))
      try await models.settle()
    }
    return models
  }

  /// Waits until the tables are there again and hold what they held; what they held last, when time is up.
  private func digestsAgain(_ models: TestReadModels, _ before: [TableDigest]) async throws -> [TableDigest] {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(60)
    var after: [TableDigest] = []
    while after != before, clock.now < end {
      try await models.settle()
      do {
        after = try await models.projections.digests()
      } catch let error as ProjectionError where error.code == .unavailable {
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    return after
  }

  @Test func `a dropped schema comes back the same under a running projector`() async throws {
    let models = try await filled()
    let before = try await models.projections.digests()
    #expect(before.contains { $0.table == "personal.users" && $0.rows > 0 })
    try await models.execute("DROP SCHEMA daybook CASCADE")
    #expect(try await digestsAgain(models, before) == before)
    try await models.execute("DROP SCHEMA personal CASCADE")
    #expect(try await digestsAgain(models, before) == before)
    try await models.execute("DROP SCHEMA projector CASCADE; DROP SCHEMA daybook CASCADE")
    #expect(try await digestsAgain(models, before) == before)
    try await models.close()
  }

  @Test(.serialized, .timeLimit(.minutes(10)), arguments: ["100ms", "1s"])
  func `PostgreSQL's own vacuuming lets go of a table for a rebuild`(deadlockTimeout: String) async throws {
    let models = try await filled()
    // As slow as it can be told to be, and at once.
    try await models.execute(
      """
      ALTER TABLE daybook.audit_trail SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 0, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
      UPDATE daybook.audit_trail SET event = event || ''
      """)
    // Four tenths of a second a page, which is the most: longer than a rebuild waits for anybody. In this database
    // alone: there are three workers, whom the tables of other tests would keep as long.
    let name = try await models.rows("SELECT current_database()")[0][0] ?? ""
    for cost in ["hit", "miss", "dirty"] {
      try await models.execute("ALTER DATABASE \(name) SET vacuum_cost_page_\(cost) = 1000")
    }
    try await models.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    // A PostgreSQL of one's own has a second, and other settings than ours.
    try await models.execute("ALTER SYSTEM SET deadlock_timeout = '\(deadlockTimeout)'")
    try await models.execute("SELECT pg_reload_conf()")
    func workers() async throws -> [String] {
      try await models.rows(
        """
        SELECT a.pid::text FROM pg_stat_progress_vacuum v JOIN pg_stat_activity a ON a.pid = v.pid
        WHERE v.relid = 'daybook.audit_trail'::regclass AND a.backend_type = 'autovacuum worker'
        """
      ).compactMap { $0.first ?? nil }
    }
    _ = try await eventually("the table is vacuumed", within: .seconds(240)) {
      try await workers().isEmpty ? nil : true
    }
    let report = try await models.projections.rebuild(nil)
    #expect(report.isSwapped && report.tables.contains { $0.name == "daybook.audit_trail" })
    try await models.execute("ALTER SYSTEM RESET ALL")
    try await models.execute("SELECT pg_reload_conf()")
    try await models.close()
  }

  @Test func `a rebuild right after a dropped schema gives the same rows`() async throws {
    let models = try await filled()
    let before = try await models.projections.digests()
    try await models.execute("DROP SCHEMA daybook CASCADE")
    #expect(try await models.projections.rebuild(nil).isSwapped)
    #expect(try await digestsAgain(models, before) == before)
    try await models.execute("DROP SCHEMA daybook CASCADE; DROP SCHEMA personal CASCADE")
    #expect(try await models.projections.rebuild(nil).isSwapped)
    #expect(try await digestsAgain(models, before) == before)
    try await models.close()
  }

  @Test func `a dropped database comes back the same`() async throws {
    let models = try await filled(120)
    let before = try await models.projections.digests()
    let name = try await models.rows("SELECT current_database()")[0][0] ?? ""
    let server = try await PostgresConnection.connect(
      models.url.replacingOccurrences(of: "/\(name)", with: "/postgres"))
    try await server.execute("DROP DATABASE \(name) WITH (FORCE)")
    await server.close()
    #expect(try await digestsAgain(models, before) == before)
    try await models.close()
  }

  @Test func `a rebuild gives the same rows and swaps them`() async throws {
    let models = try await filled()
    let before = try await models.projections.digests()
    let oldTable = try await models.rows("SELECT 'daybook.pipelines'::regclass::oid")
    let phases = NIOLockedValueBox<Set<RebuildProgress.Phase>>([])
    let checked = try await models.projections.rebuild(nil, check: true) { progress in
      phases.withLockedValue { _ = $0.insert(progress.phase) }
    }
    #expect(checked.differences == [])
    #expect(checked.notes == [])
    #expect(!checked.isSwapped)
    #expect(checked.tables.count == before.count)
    #expect(phases.withLockedValue { $0 } == [.filling, .indexing, .comparing, .swapping])
    #expect(try await models.rows("SELECT 'daybook.pipelines'::regclass::oid") == oldTable)
    #expect(try await models.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%next'") == [])
    let indexes =
      "SELECT schemaname, indexname FROM pg_indexes WHERE schemaname IN ('daybook', 'personal') ORDER BY 1, 2"
    let policies = "SELECT schemaname, tablename, qual FROM pg_policies ORDER BY 1, 2"
    let (oldIndexes, oldPolicies) = (try await models.rows(indexes), try await models.rows(policies))
    let report = try await models.projections.rebuild(nil)
    #expect(report.isSwapped)
    #expect(report.differences == [])
    #expect(report.notes == [])
    #expect(try await models.projections.digests() == before)
    #expect(try await models.rows("SELECT 'daybook.pipelines'::regclass::oid") != oldTable)
    #expect(try await models.rows(indexes) == oldIndexes)
    #expect(try await models.rows(policies) == oldPolicies)
    // The projector goes on with the new tables.
    var source = try EventSource(seed: 7, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(50))
    try await models.settle()
    #expect(try await models.projections.rebuild(["pipelines", "users"]).differences == [])
    try await models.close()
  }

  @Test func `a rebuild names the tables that had other rows`() async throws {
    let models = try await filled(120)
    let before = try await models.projections.digests()
    try await models.execute("UPDATE daybook.users SET role = 'admin'; DELETE FROM personal.users")
    #expect(try await models.projections.rebuild(nil).differences == ["daybook.users", "personal.users"])
    #expect(try await models.projections.digests() == before)
    try await models.close()
  }

  @Test(.timeLimit(.minutes(3)))
  func `a rebuild compares both generations at one position while events are written`() async throws {
    let models = try await filled(300)
    let seed = try Seeded().seed
    let writer = Task {
      var source = try EventSource(seed: seed &+ 1, catalog: models.catalog, vault: models.vault)
      while !Task.isCancelled { try await models.append(try source.events(3)) }
    }
    for check in [true, false, true] {
      let report = try await models.projections.rebuild(nil, check: check)
      #expect(report.isComplete, "\(report.notes)")
      #expect(report.differences == [])
      #expect(report.tables.allSatisfy { $0.before?.rows == $0.after.rows })
    }
    // What is there and wrong is found just so.
    try await models.execute("UPDATE daybook.organizations SET name = 'changed by hand'")
    #expect(
      try await models.projections.rebuild(["organizations"], check: true).differences == ["daybook.organizations"])
    writer.cancel()
    try await writer.value
    try await models.close()
  }

  @Test func `what couldn't be compared is named with the reason, and isn't called equal`() async throws {
    let models = try await filled(60)
    try await models.execute("ALTER TABLE daybook.tools ADD CONSTRAINT none CHECK (name <> 'refused')")
    var source = try EventSource(seed: 9, catalog: models.catalog, vault: models.vault)
    let position = try await models.append([try source.create("tool", setting: ["name": "refused"])]) - 1
    _ = try await eventually("tools is parked", within: .seconds(120)) { () -> Bool? in
      await models.projections.status().first { $0.name == "tools" }?.state == .parked ? true : nil
    }
    let report = try await models.projections.rebuild(["tools", "users"], check: true)
    #expect(!report.isComplete)
    #expect(report.differences == [])
    #expect(report.notes == ["daybook.tools: not compared, since the live table is at position \(position)"])
    #expect(report.tables.filter { $0.notCompared == nil }.map(\.name) == ["daybook.users", "personal.users"])
    try await models.close()
  }

  @Test func `a table is filled in chunks without walking through what it holds already`() async throws {
    let models = try await TestReadModels()
    let count = 6000
    var drafts: [EventDraft] = []
    for _ in 0..<count {
      var user = EventDraft(event: "user.created", type: "user", resource: .version7(at: .now), actor: "local:0")
      user.set["role"] = "viewer"
      for field in ["email", "full_name"] {
        user.set[field] = try models.vault.seal(
          .string("\(user.resource.text)@example.org"), for: .subject(user.resource),
          context: .init(eventID: user.id, resourceID: user.resource, field: field))
      }
      drafts.append(user)
    }
    for start in stride(from: 0, to: count, by: 2000) { try await models.append(Array(drafts[start..<start + 2000])) }
    try await models.settle()
    // As after a crash: the personal tables are filled from the first event on, in chunks of 5,000.
    try await models.execute("SELECT pg_stat_reset(); DROP SCHEMA personal CASCADE")
    _ = try await eventually("the loss is noticed", within: .seconds(120), every: .milliseconds(10)) { () -> Bool? in
      await models.projections.status().allSatisfy { $0.state == .running } ? nil : true
    }
    try await models.settle()
    #expect(try await models.rows("SELECT count(*) FROM personal.users") == [[String(count)]])
    let walked = try await models.rows(
      """
      SELECT coalesce(sum(seq_tup_read), 0) < 5 * \(count) FROM pg_stat_user_tables
      WHERE relname = 'users' AND schemaname IN ('daybook', 'personal')
      """)
    #expect(walked == [["t"]])
    try await models.close()
  }

  @Test func `a rebuild is stopped by what others made on top of a table`() async throws {
    let models = try await filled(60)
    try await models.execute("CREATE SCHEMA mine; CREATE VIEW mine.active AS SELECT id FROM daybook.pipelines")
    let error = await #expect(throws: ProjectionError.self) { try await models.projections.rebuild(nil) }
    #expect(error?.code == .dependents)
    #expect(error?.message.contains("view mine.active") == true)
    try await models.execute("DROP VIEW mine.active")
    // It goes on with what it had filled.
    #expect(
      try await models.rows("SELECT count(*) FROM daybook_next.audit_trail") == [[String(models.log.head.position)]])
    #expect(try await models.projections.rebuild(nil).isSwapped)
    try await models.close()
  }

  @Test func `a changed file is rebuilt beside the old table at the next start`() async throws {
    let models = try await filled()
    // Chance may have made no measurement, or have deleted the runs of all.
    var measured = EventDraft(
      event: "run.measured", type: "run", resource: Identifier.version7(at: .now), actor: "local:0")
    measured.organization = Identifier.version7(at: .now)
    measured.data = ["node_id": "n", "at": .string(Timestamp.now.text), "rows_input": 1]
    try await models.append([measured])
    try await models.settle()
    try await models.stopProjector()
    let folder = models.folder.path + "/projections"
    try FileManager.default.copyItem(atPath: Repository.projections, toPath: folder)
    let file = folder + "/run_metrics.sql"
    let text = try String(contentsOfFile: file, encoding: .utf8)
      .replacingOccurrences(of: "  metadata         jsonb,\n", with: "  metadata         jsonb,\n  rows_all bigint,\n")
      .replacingOccurrences(of: "cpu_percent, metadata)", with: "cpu_percent, metadata, rows_all)")
      .replacingOccurrences(of: "nullif(e.data -> 'metadata', 'null')", with: "nullif(e.data -> 'metadata', 'null'), 7")
      .replacingOccurrences(
        of: "  data_size_bytes, duration_seconds, memory_peak_mb, cpu_percent, metadata)",
        with: "  data_size_bytes, duration_seconds, memory_peak_mb, cpu_percent, metadata, rows_all)")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let service = try models.anotherService(projections: folder)
    let task = Task { try await service.run() }
    _ = try await eventually("all read models run", within: .seconds(120)) { () -> Bool? in
      await service.status().allSatisfy { $0.state == .running } ? true : nil
    }
    let counts = try await models.rows("SELECT count(*) > 0, bool_and(rows_all = 7) FROM daybook.run_metrics")
    #expect(counts == [["t", "t"]])
    task.cancel()
    try await task.value
    try await models.close()
  }

  @Test func `other words and another layout cost no rebuild, and the comments are said anew`() async throws {
    let models = try await filled(60)
    let tables = "SELECT 'daybook.alerts'::regclass::oid, 'personal.users'::regclass::oid"
    let before = try await models.rows(tables)
    try await models.stopProjector()
    let folder = models.folder.path + "/projections"
    try FileManager.default.copyItem(atPath: Repository.projections, toPath: folder)
    for (file, old, new) in [
      ("alerts.sql", "metadata in Django ETL.", "What''s around it; more."),
      ("alerts.sql", "CREATE INDEX alerts_severity ON", "-- For a list.\nCREATE INDEX alerts_severity\n  ON"),
      ("users.sql", "-- summary: A person.", "-- summary: Somebody."),
    ] {
      let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
      #expect(text.contains(old))
      try text.replacing(old, with: new).write(toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
    }
    let service = try models.anotherService(projections: folder)
    let task = Task { try await service.run() }
    try await service.wait(for: models.log.head.position, projections: [], timeoutMilliseconds: 60_000)
    #expect(await service.status().allSatisfy { $0.state == .running })
    #expect(try await models.rows(tables) == before)
    let said = """
      SELECT col_description(attrelid, attnum) FROM pg_attribute
      WHERE attrelid = 'daybook.alerts'::regclass AND attname = 'context'
      """
    #expect(try await models.rows(said) == [["What's around it; more."]])
    let wording = "SELECT count(DISTINCT wording) FROM projector.checkpoints WHERE projection IN ('alerts', 'tools')"
    #expect(try await models.rows(wording) == [["2"]])
    task.cancel()
    try await task.value
    try await models.close()
  }
}
