import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Logging
import NIOConcurrencyHelpers
import Postgres
import Projections
import Queries
import Records
import Testing
import Vault

/// What a sweep takes away from the read models.
@Suite struct SweepTests {
  @Test(.timeLimit(.minutes(3)))
  func aSweepTakesTheRowsAndARebuildDoesNotBringThemBack() async throws {
    let models = try await SweptModels()
    let engine = models.engine
    func call(_ method: String, _ params: JSONObject) async throws -> JSON {
      let result = try await engine.apply(method: method, params: params, principal: .localAdministrator(uid: 0))
      return try JSON.parse(result.resultBytes)
    }
    try models.at("2026-01-15T10:00:00Z")
    let acme = try #require(try await call("organization.create", ["name": "a", "slug": "a"])["id"])
    let other = try #require(try await call("organization.create", ["name": "b", "slug": "b"])["id"])
    try await call("retention_policy.create", ["organization_id": other, "class": "logs", "keep_hours": 87_600])
      .isDone()
    for organization in [acme, other] {
      let run = try #require(
        try await call("run.create", ["organization_id": organization, "code": "1", "language": "sql"])["id"])
      try await call("run.log", ["id": run, "lines": [["message": "one"], ["message": "two"]]]).isDone()
      try await call("run.measure", ["id": run, "node_id": "n"]).isDone()
      try await call("run.preview", ["id": run, "node_id": "n", "sample_data": [["a": 1]]]).isDone()
      try await call("run.cancel", ["id": run]).isDone()
    }
    try await call("system.log", ["organization_id": acme, "message": "said"]).isDone()
    try await call("system.log", ["message": "said by the service"]).isDone()
    try await models.refuseSomebody()
    try await models.settle()
    func counts() async throws -> [[String?]] {
      try await models.rows(
        """
        SELECT (SELECT count(*) FROM daybook.run_logs), (SELECT count(*) FROM personal.run_logs),
          (SELECT count(*) FROM daybook.data_previews), (SELECT count(*) FROM personal.data_previews),
          (SELECT count(*) FROM daybook.run_metrics), (SELECT count(*) FROM daybook.runs WHERE deleted_at IS NULL),
          (SELECT count(*) FROM personal.audit_trail WHERE ip IS NOT NULL),
          (SELECT count(*) FROM daybook.system_logs), (SELECT count(*) FROM personal.system_logs)
        """)
    }
    #expect(try await counts() == [["4", "4", "2", "2", "2", "2", "1", "2", "2"]])
    func sweep() async throws {
      try await engine.sweepRetention()
      try await models.settle()
      let before = try await models.service.digests()
      #expect(try await models.service.rebuild(nil, check: true).differences == [])
      #expect(try await models.service.digests() == before)
    }
    try models.at("2026-01-16T11:00:00Z")
    try await sweep()
    #expect(try await counts() == [["4", "4", "0", "0", "2", "2", "1", "2", "2"]], "previews after a day")
    try models.at("2026-02-16T00:00:00Z")
    try await sweep()
    #expect(
      try await counts() == [["2", "2", "0", "0", "2", "2", "1", "0", "0"]], "logs after a month, but by its own policy"
    )
    try models.at("2026-03-04T00:00:00Z")
    try await sweep()
    #expect(try await counts() == [["2", "2", "0", "0", "2", "2", "1", "0", "0"]], "a destroyed key changes no row")
    try models.at("2026-05-10T00:00:00Z")
    try await sweep()
    #expect(
      try await counts() == [["0", "0", "0", "0", "0", "0", "0", "0", "0"]],
      "runs after three months, with all that is theirs")
    let events = try await models.rows("SELECT count(*), max(id) FROM daybook.audit_trail")
    let position = String(models.log.head.position)
    #expect(events == [[position, position]], "nothing of the audit trail is lost")
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func whatIsArchivedIsSearchedOnlyWhereItIsAskedFor() async throws {
    let models = try await SweptModels()
    let administrator = Principal.localAdministrator(uid: 0)
    try models.at("2026-01-15T10:00:00Z")
    _ = try await models.engine.apply(
      method: "organization.create", params: ["name": "a", "slug": "a"], principal: administrator)
    func events(_ params: JSONObject) async throws -> [JSON?] {
      let bytes = try await models.queries.answer(
        method: "audit.search", params: params, principal: administrator, atLeast: models.log.head.position,
        timeoutMilliseconds: 30_000)
      return try JSON.parse(bytes)["items"]?.arrayValue?.map { $0["event"] } ?? []
    }
    #expect(try await events([:]) == ["organization.created"])
    try models.at("2026-07-15T00:00:00Z")
    try await models.engine.sweepRetention()
    #expect(try await events([:]) == ["retention.swept"])
    #expect(try await events(["include_archived": true]) == ["retention.swept", "organization.created"])
    try await models.close()
  }
}

extension JSON {
  /// For a result that only had to come.
  fileprivate func isDone() { #expect(self["position"] != nil) }
}

/// Read models over a log whose commands an engine decides, with a clock that a test moves.
private final class SweptModels: Sendable {
  let folder: String
  let url: String
  let log: EventLog
  let vault: Vault
  let engine: CommandEngine
  let service: ProjectionService
  let queries: QueryEngine
  private let clock: NIOLockedValueBox<Timestamp>
  private let task: Task<Void, any Error>

  init() async throws {
    folder = FileManager.default.temporaryDirectory.path + "/daybook-swept-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    url = try await ThrowawayPostgres.database()
    let catalog = try Catalog.load(folder: Repository.root + "/schema", knownBehaviours: CommandEngine.knownBehaviours)
    let vault = try Vault.open(folder: folder + "/data/vault")
    let clock = NIOLockedValueBox(Timestamp(microseconds: 0))
    var configuration = EventLogConfiguration(folder: folder + "/data/log")
    configuration.mapSize = 1 << 26
    configuration.beforeCommit = { try vault.persistPendingKeys() }
    configuration.clock = { clock.withLockedValue { $0 } }
    log = try EventLog.open(configuration)
    self.vault = vault
    self.clock = clock
    engine = try CommandEngine(catalog: catalog, log: log, vault: vault, clock: { clock.withLockedValue { $0 } })
    var logger = Logger(label: "projections")
    logger.logLevel = .critical
    let service = try ProjectionService(
      log: log, vault: vault, catalog: catalog, folder: Repository.root + "/projections", database: .url(url),
      logger: logger)
    self.service = service
    queries = QueryEngine(catalog: catalog, log: log, vault: vault, projections: service, rules: engine.rules)
    task = Task { try await service.run() }
  }

  func at(_ time: String) throws {
    let time = try #require(Timestamp(time))
    clock.withLockedValue { $0 = time }
  }

  /// A stranger whose address expires.
  func refuseSomebody() async throws {
    _ = try await engine.apply(
      method: "session.refuse", params: ["method": "password", "attempts": 1], principal: .server,
      origin: Origin(ip: "203.0.113.9"))
  }

  /// Waits until every read model has everything.
  func settle() async throws {
    try await service.wait(for: log.head.position, projections: [], timeoutMilliseconds: 60_000)
  }

  func rows(_ sql: String) async throws -> [[String?]] {
    let connection = try await PostgresConnection.connect(url)
    do {
      let rows = try await connection.query(sql).rows
      await connection.close()
      return rows
    } catch {
      await connection.close()
      throw error
    }
  }

  func close() async throws {
    task.cancel()
    try await task.value
    log.close()
    vault.close()
    try FileManager.default.removeItem(atPath: folder)
  }
}
