import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EmbeddedPostgres
import EventLog
import Foundation
import Logging
import Postgres
import Projections
import TestBasics
import Testing
import Vault

/// PostgreSQL ends in every way it can.
@Suite struct CrashTests {
  /// A server of the test's own, which it may kill.
  private func ownServer() throws -> (server: EmbeddedPostgres, folder: TemporaryFolder) {
    let folder = try TemporaryFolder()
    var logger = Logger(label: "crash-postgres")
    logger.logLevel = .warning
    let server = EmbeddedPostgres(
      dataFolder: folder.path + "/postgres", socketFolder: folder.path + "/s", logger: logger)
    return (server, folder)
  }

  @Test(.timeLimit(.minutes(3)))
  func `a crash empties the personal tables, and they are refilled`() async throws {
    let (server, folder) = try ownServer()
    let url = try await server.start()
    let models = try await TestReadModels(url: url)
    var source = try EventSource(seed: 41, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(400))
    try await models.settle()
    let before = try await models.projections.digests()
    let connection = try await PostgresConnection.connect(url)
    let backend = try await connection.query("SELECT pg_backend_pid()")[0, 0].flatMap { Int32($0) } ?? 0
    let bystander = try await PostgresConnection.connect(url)
    #expect(kill(backend, SIGKILL) == 0)
    await connection.close()
    // The server ends all its other connections before it recovers.
    await #expect(throws: PostgresError.self) { while true { try await bystander.query("SELECT 1") } }
    await bystander.close()
    // The refill is over once every table holds again what it held; until then it refuses.
    _ = try await eventually("every table holds again what it held", within: .seconds(120)) { () -> Bool? in
      do { return try await models.projections.digests() == before ? true : nil } catch is ProjectionError {
        return nil
      }
    }
    #expect(try await models.rows("SELECT bool_or(refilling_to > 0) FROM projector.checkpoints") == [["t"]])
    try await models.append(try source.events(50))
    try await models.settle()
    #expect(try await models.projections.rebuild(nil, check: true).differences == [])
    try await models.close()
    await server.stop()
    try await folder.destroy()
  }

  @Test(.timeLimit(.minutes(3)))
  func `read models catch up by themselves when PostgreSQL comes back`() async throws {
    let (server, folder) = try ownServer()
    let models = try await TestReadModels(url: try await server.start())
    var source = try EventSource(seed: 43, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(200))
    try await models.settle()
    await server.stop()
    _ = try await eventually("all read models are unavailable", within: .seconds(120)) { () -> Bool? in
      await models.projections.status().allSatisfy { $0.state == .unavailable } ? true : nil
    }
    let error = await #expect(throws: ProjectionError.self) { try await models.projections.digests() }
    #expect(error?.code == .unavailable)
    try await models.append(try source.events(200))
    try await server.start()
    try await models.settle()
    #expect(try await models.rows("SELECT count(*) FROM daybook.audit_trail") == [["400"]])
    #expect(try await models.projections.rebuild(nil, check: true).differences == [])
    try await models.close()
    await server.stop()
    try await folder.destroy()
  }

  @Test(.timeLimit(.minutes(3)))
  func `no personal value reaches the write-ahead log, the statistics or a temporary file`() async throws {
    let (server, folder) = try ownServer()
    let models = try await TestReadModels(url: try await server.start())
    var source = try EventSource(seed: 47, catalog: models.catalog, vault: models.vault)
    try await models.append(try source.events(200))
    let marker = "Zk7Qx9marker"
    var drafts: [EventDraft] = []
    for number in 0..<300 {
      var user = EventDraft(event: "user.created", type: "user", resource: .version7(at: .now), actor: "local:0")
      for field in ["email", "username", "full_name"] {
        user.set[field] = try models.vault.seal(
          .string("\(marker)\(field)\(number)@example.org"), for: .subject(user.resource),
          context: .init(eventID: user.id, resourceID: user.resource, field: field))
      }
      user.reason = try models.vault.seal(
        .string("\(marker)reason\(number)"), for: .subject(user.resource),
        context: .init(eventID: user.id, resourceID: user.resource, field: "reason"))
      var log = EventDraft(event: "run.logged", type: "run", resource: .version7(at: .now), actor: "local:0")
      log.data = ["lines": try source.sealLines([["message": .string("\(marker)line\(number)")]], log)]
      drafts += [user, log]
    }
    try await models.append(drafts)
    try await models.settle()
    _ = try await models.projections.rebuild(nil)
    // The values are there to be read, and statistics are made as autovacuum would.
    #expect(try await models.rows("SELECT count(*) FROM personal.users WHERE email LIKE '\(marker)%'") == [["300"]])
    #expect(
      try await models.rows("SELECT count(*) FROM personal.run_logs WHERE message LIKE '\(marker)%'") == [["300"]])
    #expect(
      try await models.rows("SELECT count(*) FROM personal.audit_trail WHERE reason LIKE '\(marker)%'") == [["300"]])
    try await models.execute("ANALYZE; CHECKPOINT")
    let cluster = try #require(await server.clusterFolder)
    let logFile = try #require(await server.logFile)
    try await models.close()
    await server.stop()
    var files = try Self.files(cluster + "/pg_wal") + [logFile]
    files += try Self.files(cluster + "/base").filter { $0.contains("pgsql_tmp") }
    #expect(files.count >= 2)
    for file in files {
      #expect(try !Self.holds(file, marker) && !Self.holds(file, marker.lowercased()), "\(file)")
    }
    // The search finds what there is to find: the tables themselves hold the values.
    let tables = try Self.files(cluster + "/base")
    #expect(try tables.contains { try Self.holds($0, marker) })
    try await folder.destroy()
  }

  private static func files(_ folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).map { folder + "/" + $0 }.filter { path in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
    }
  }

  private static func holds(_ file: String, _ text: String) throws -> Bool {
    try Data(contentsOf: URL(fileURLWithPath: file)).range(of: Data(text.utf8)) != nil
  }
}
