import BasicTypes
import DaybookTestKit
import EventLog
import NIOConcurrencyHelpers
import Postgres
import Projections
import TestBasics
import Testing

/// Whoever reads a table for long keeps nobody else waiting.
@Suite struct ReaderTests {
  @Test(.timeLimit(.minutes(3)))
  func `a rebuild waits for a session that holds a table, and neither events nor other readers wait for the rebuild`()
    async throws
  {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 51, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(100))
    try await models.settle()
    let holder = try await PostgresConnection.connect(models.url)
    try await holder.execute("BEGIN; SELECT count(*) FROM daybook.pipelines")
    let reached = NIOLockedValueBox(false)
    let rebuild = Task {
      try await models.projections.rebuild(["pipelines", "runs"]) { progress in
        if progress.phase == .indexing { reached.withLockedValue { $0 = true } }
      }
    }
    _ = try await eventually("the rebuild makes indexes", within: .seconds(120)) {
      reached.withLockedValue { $0 } ? true : nil
    }
    let clock = ContinuousClock()
    let began = clock.now
    var rounds = 0
    // Each round would last as long as the holder reads, which is until the rounds are over.
    while rounds < 5 || clock.now - began < .seconds(4) {
      try await models.append(try source.events(5))
      try await models.settle()
      _ = try await models.rows("SELECT count(*) FROM daybook.pipelines")
      rounds += 1
    }
    #expect(await models.projections.status().first { $0.name == "pipelines" }?.state == .rebuilding)
    try await holder.execute("COMMIT")
    await holder.close()
    let report = try await rebuild.value
    #expect(report.isSwapped && report.differences == [])
    try await models.append(try source.events(20))
    try await models.settle()
    try await models.close()
  }

  @Test(.timeLimit(.minutes(3)))
  func `a start that has to change a table tries again until its reader has ended`() async throws {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 52, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(50))
    try await models.settle()
    try await models.stopProjector()
    // Whoever may see the rows has changed, as a new catalog would have it: the policy is made anew.
    try await models.execute("COMMENT ON POLICY tenant ON daybook.pipelines IS 'another'")
    let holder = try await PostgresConnection.connect(models.url)
    try await holder.execute("BEGIN; SELECT count(*) FROM daybook.pipelines")
    let service = try models.anotherService()
    let task = Task { try await service.run() }
    // It says what it waits for, and other readers don't wait behind it.
    _ = try await eventually("it says that it waits for a lock", within: .seconds(120)) { () -> Bool? in
      await service.status().first?.error?.message.contains("lock") == true ? true : nil
    }
    #expect(try await models.rows("SELECT count(*) FROM daybook.pipelines").count == 1)
    await holder.close()
    try await service.settle(at: models.log.head.position)
    let comment = try await models.rows(
      "SELECT obj_description(oid, 'pg_policy') FROM pg_policy WHERE polrelid = 'daybook.pipelines'::regclass")
    #expect(comment != [["another"]])
    task.cancel()
    try await task.value
    try await models.close()
  }
}
