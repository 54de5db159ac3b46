import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Foundation
import Logging
import Postgres
import Projections
import Vault

/// A log, a vault and read models of a test's own, in a folder and a database that nobody else has.
final class ReadModels: Sendable {
  let folder: String
  let url: String
  let log: EventLog
  let vault: Vault
  let catalog: Catalog
  let service: ProjectionService
  private let task: Task<Void, any Error>

  static let projectionsFolder = repository + "/projections"
  static let schemaFolder = repository + "/schema"

  /// The repository that this file lies in.
  static let repository: String = {
    var folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    while folder.path != "/", !FileManager.default.fileExists(atPath: folder.path + "/projections") {
      folder.deleteLastPathComponent()
    }
    return folder.path
  }()

  /// Opens a log and starts the projector on a database of its own, or on one that is given.
  init(url given: String? = nil, projections: String = ReadModels.projectionsFolder) async throws {
    var template = Array("/tmp/daybook-projections-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw PostgresError(.connectionFailed, message: "mkdtemp failed") }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if let given { url = given } else { url = try await ThrowawayPostgres.database() }
    catalog = try Catalog.load(folder: ReadModels.schemaFolder)
    vault = try Vault.open(folder: folder + "/vault", rootKeyFile: nil)
    var configuration = EventLogConfiguration(folder: folder + "/log")
    configuration.beforeCommit = { [vault] in try vault.persistPendingKeys() }
    log = try EventLog.open(configuration)
    service = try ReadModels.makeService(log, vault, catalog, url, projections)
    task = Task { [service] in try await service.run() }
  }

  /// Another service over the same log and database.
  func anotherService(projections: String = ReadModels.projectionsFolder) throws -> ProjectionService {
    try ReadModels.makeService(log, vault, catalog, url, projections)
  }

  private static func makeService(
    _ log: EventLog, _ vault: Vault, _ catalog: Catalog, _ url: String, _ projections: String
  ) throws -> ProjectionService {
    var logger = Logger(label: "projections")
    logger.logLevel = getenv("DAYBOOK_TEST_LOG") == nil ? .critical : .debug
    return try ProjectionService(
      log: log, vault: vault, catalog: catalog, folder: projections, database: .url(url), logger: logger)
  }

  /// Ends the projector, and everything else.
  func close() async throws {
    try await stopProjector()
    log.close()
    vault.close()
    try FileManager.default.removeItem(atPath: folder)
  }

  /// Ends the projector and waits for its end.
  func stopProjector() async throws {
    task.cancel()
    try await task.value
  }

  /// Waits until every read model has everything.
  func settle(_ names: [String] = []) async throws {
    try await ReadModels.settle(service, log.head.position, names)
  }

  static func settle(_ service: ProjectionService, _ position: UInt64, _ names: [String] = []) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(60)
    while true {
      do {
        return try await service.wait(for: position, projections: names, timeoutMilliseconds: 30_000)
      } catch let error as ProjectionError where error.code == .unavailable && clock.now < end {
        // Away for now; it comes back by itself.
        await Task.yield()
      }
    }
  }

  /// Rows of a query on a connection of its own.
  func rows(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> [[String?]] {
    let connection = try await PostgresConnection.connect(url)
    do {
      let rows = try await connection.query(sql, parameters).rows
      await connection.close()
      return rows
    } catch {
      await connection.close()
      throw error
    }
  }

  /// Runs SQL without parameters on a connection of its own.
  func execute(_ sql: String) async throws {
    let connection = try await PostgresConnection.connect(url)
    do {
      try await connection.execute(sql)
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
  }

  /// Records events in one decision.
  @discardableResult
  func append(_ drafts: [EventDraft]) async throws -> UInt64 {
    try await log.commit { transaction in
      for draft in drafts { try transaction.append(draft) }
    }.position
  }
}
