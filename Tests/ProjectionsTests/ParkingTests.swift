import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Projections
import TestBasics
import Testing

/// Nothing is skipped silently, and one read model's trouble is not the others'.
@Suite struct ParkingTests {
  /// A log with an event in the middle that the table of runs can't take.
  private func broken() async throws -> (models: TestReadModels, position: UInt64) {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 11, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(40))
    var drafts = try source.events(200)
    let broken = try source.create("run", setting: ["rows_processed": "not a number, and secret"])
    drafts.append(broken)
    // A later value of the same field, in the same chunk, would hide it.
    let after = try source.events(200).filter { $0.resource != broken.resource }
    drafts += after
    try await models.stopProjector()
    let head = try await models.append(drafts)
    return (models, head - UInt64(after.count))
  }

  private func waitFor(
    _ service: ProjectionService, _ name: String, _ isReached: (ProjectionStatus) -> Bool
  ) async throws -> ProjectionStatus {
    try await eventually("\(name) is where it is waited for", within: .seconds(120)) {
      await service.status().first { $0.name == name && isReached($0) }
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a read model stops at the event that it can't apply, and the others go on`() async throws {
    let (models, position) = try await broken()
    let service = try models.anotherService()
    let task = Task { try await service.run() }
    let status = try await waitFor(service, "runs") { $0.state == .parked }
    #expect(status.error?.position == position)
    #expect(status.position == position - 1)
    #expect(status.error?.message.contains("secret") == false)
    let others = service.definitions.map(\.name).filter { $0 != "runs" }
    try await service.settle(at: models.log.head.position, others)
    let error = await #expect(throws: ProjectionError.self) {
      try await service.wait(for: models.log.head.position, projections: ["runs"], timeoutMilliseconds: 60_000)
    }
    #expect(error?.code == .stale(position: position - 1))
    // Taken up again, it stops at the same event.
    try await service.retry("runs")
    #expect(try await waitFor(service, "runs") { $0.state == .parked }.error?.position == position)
    // Told to pass the event over, it goes on, and so does a rebuild.
    // The name-based identifier under which projection.skip keeps what was decided about runs.
    let decisions = try #require(Identifier("d76232b8-ed67-5425-be15-0eb8b5ab6e7f"))
    var skip = EventDraft(
      event: "projection.skipped", type: "projection", resource: decisions, actor: "local:0")
    skip.set = ["name": "runs", "skipped": [.integer(Int64(position))]]
    let head = try await models.append([skip])
    _ = try await waitFor(service, "runs") { $0.state == .running && $0.position == head }
    try await service.settle(at: head)
    #expect(await service.status().allSatisfy { $0.state == .running && $0.lagEvents == 0 })
    let before = try await service.digests()
    #expect(try await service.rebuild(nil).differences == [])
    #expect(try await service.digests() == before)
    // The decision is taken back: a rebuild comes to the event again.
    var unskip = EventDraft(
      event: "projection.unskipped", type: "projection", resource: decisions, actor: "local:0")
    unskip.set = ["skipped": []]
    let later = try await models.append([unskip])
    try await service.settle(at: later)
    #expect(try await models.rows("SELECT count(*) FROM projector.skipped") == [["0"]])
    task.cancel()
    try await task.value
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `an event that can't even be staged stops only the read models that it is for`() async throws {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 12, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(40))
    var drafts = try source.events(100)
    // No command takes U+0000; PostgreSQL refuses it in the COPY that all read models of the chunk share.
    drafts.append(try source.create("pipeline", setting: ["config": ["text": "a\u{0}b"]]))
    drafts += try source.events(100)
    let head = try await models.append(drafts)
    let position = head - 100
    let status = try await waitFor(models.projections, "pipelines") { $0.state == .parked }
    #expect(status.error?.position == position && status.position == position - 1)
    let parked = ["pipelines", "pipeline_versions", "audit_trail"]
    let others = models.projections.definitions.map(\.name).filter { !parked.contains($0) }
    try await models.settle(others)
    let states = await models.projections.status().filter { !parked.contains($0.name) }.map(\.state)
    #expect(states.allSatisfy { $0 == .running })
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)), arguments: ["53200", "53400", "54000", "55000"])
  func `an event at which PostgreSQL runs out of something stops only the read model that it is for`(state: String)
    async throws
  {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 13, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(20))
    try await models.settle()
    try await models.execute(
      """
      CREATE FUNCTION public.lack() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.code = 'too much' THEN RAISE EXCEPTION 'out of it' USING ERRCODE = '\(state)'; END IF;
          RETURN NEW;
        END $$;
      CREATE TRIGGER lack BEFORE INSERT OR UPDATE ON daybook.runs FOR EACH ROW EXECUTE FUNCTION public.lack()
      """)
    var drafts = try source.events(30)
    drafts.append(try source.create("run", setting: ["code": "too much"]))
    drafts += try source.events(30)
    let head = try await models.append(drafts)
    let status = try await waitFor(models.projections, "runs") { $0.state == .parked }
    #expect(status.error?.position == head - 30 && status.position == head - 31)
    try await models.settle(models.projections.definitions.map(\.name).filter { $0 != "runs" })
    try await models.close()
  }

  @Test func `a wait that times out says how far the read models are`() async throws {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 3, catalog: models.catalog, vault: models.vault)
    let head = try await models.append(try source.events(10))
    try await models.settle()
    let error = await #expect(throws: ProjectionError.self) {
      try await models.projections.wait(for: head + 1, projections: [], timeoutMilliseconds: 1)
    }
    #expect(error?.code == .stale(position: head))
    let unknown = await #expect(throws: ProjectionError.self) {
      try await models.projections.wait(for: 1, projections: ["nothing"], timeoutMilliseconds: 1)
    }
    #expect(unknown?.code == .unknown)
    try await models.close()
    let away = await #expect(throws: ProjectionError.self) {
      try await models.projections.wait(for: 1, projections: [], timeoutMilliseconds: 1)
    }
    #expect(away?.code == .unavailable)
  }

  @Test(.timeLimit(.minutes(2)))
  func `a second projector deposes the first, and nothing is applied twice`() async throws {
    let models = try await TestReadModels()
    var source = try EventSource(seed: 5, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(100))
    try await models.settle()
    let second = try models.anotherService()
    let task = Task { try await second.run() }
    try await second.settle(at: models.log.head.position)
    for _ in 0..<20 { try await models.append(try source.events(20)) }
    try await second.settle(at: models.log.head.position)
    let deposed = try await waitFor(models.projections, "users") { $0.state == .unavailable }
    #expect(deposed.error?.message.contains("Another projector") == true)
    let audit = try await models.rows("SELECT count(*), max(id) FROM daybook.audit_trail")
    #expect(audit == [[String(models.log.head.position), String(models.log.head.position)]])
    // Told to, the first takes the database back.
    try await models.projections.retry("users")
    try await models.append(try source.events(20))
    try await models.settle()
    #expect(try await models.projections.rebuild(nil, check: true).differences == [])
    task.cancel()
    try await task.value
    try await models.close()
  }

  @Test func `read models of another log are filled anew`() async throws {
    let first = try await TestReadModels()
    var source = try EventSource(seed: 21, catalog: first.catalog, vault: first.vault)
    try await first.append(try source.events(60))
    try await first.settle()
    try await first.stopProjector()
    let second = try await TestReadModels(url: first.url)
    var other = try EventSource(seed: 22, catalog: second.catalog, vault: second.vault)
    try await second.append(try other.events(30))
    try await second.settle()
    #expect(try await second.rows("SELECT count(*) FROM daybook.audit_trail") == [["30"]])
    try await second.close()
    try await first.close()
  }
}
