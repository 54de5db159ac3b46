import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EventLog
import Foundation
import Logging
import NIOConcurrencyHelpers
import Postgres
import Projections
import TestBasics
import Testing
import Vault

/// A domain and its read models, in a folder and a database of real PostgreSQL that nobody else has, with the projector
/// running.
package final class TestReadModels: Sendable {
  package let domain: TestDomain
  /// The database, as its owner.
  package let url: String
  package let projections: ProjectionService
  private let projector: Task<Void, any Error>

  /// Opens everything, runs the body, and closes everything again.
  package static func with<R>(
    projections: String = Repository.projections, found: (data: String, url: String)? = nil,
    _ body: (TestReadModels) async throws -> R
  ) async throws -> R {
    let models = try await TestReadModels(url: found?.url, projections: projections, data: found?.data)
    return try await closing({ try await body(models) }, { try await models.close() })
  }

  /// Opens a log and starts the projector.
  /// - Parameters:
  ///   - given: a database; a new one where nil.
  ///   - projections: the folder of the read models' files.
  ///   - data: a data folder that a server has left, which stays; a new one where nil.
  package init(
    url given: String? = nil, projections: String = Repository.projections, data: String? = nil
  ) async throws {
    let domain = try TestDomain(data: data)
    self.domain = domain
    if let given { url = given } else { url = try await ThrowawayPostgres.database() }
    let service = try TestReadModels.makeService(domain, url, projections)
    self.projections = service
    projector = Task { try await service.run() }
  }

  /// The folder of everything but the database.
  package var folder: TemporaryFolder { domain.folder }
  package var log: EventLog { domain.log }
  package var vault: Vault { domain.vault }
  package var catalog: Catalog { domain.catalog }
  package var engine: CommandEngine { domain.engine }

  /// Another service over the same log and database, not yet running.
  package func anotherService(projections: String = Repository.projections) throws -> ProjectionService {
    try TestReadModels.makeService(domain, url, projections)
  }

  private static func makeService(
    _ domain: TestDomain, _ url: String, _ folder: String
  ) throws -> ProjectionService {
    var logger = Logger(label: "projections")
    logger.logLevel = ProcessInfo.processInfo.environment["DAYBOOK_TEST_LOG"] == nil ? .critical : .debug
    return try ProjectionService(
      log: domain.log, vault: domain.vault, catalog: domain.catalog, folder: folder, database: .url(url), logger: logger
    )
  }

  /// Ends the projector, and everything else.
  package func close() async throws {
    try await stopProjector()
    domain.close()
  }

  /// Ends the projector and waits for its end.
  package func stopProjector() async throws {
    projector.cancel()
    try await projector.value
  }

  /// Waits until the named read models, or all, have everything, and PostgreSQL's roles are as the log says.
  package func settle(_ names: [String] = []) async throws {
    try await projections.settle(at: log.head.position, names)
  }

  // MARK: - Commands

  /// Gives a command and returns its result.
  @discardableResult
  package func call(
    _ method: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator
  ) async throws -> JSONObject {
    try await domain.call(method, params, as: principal)
  }

  /// Makes a resource of a type by its command `create`, and returns its id.
  @discardableResult
  package func make(
    _ type: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator
  ) async throws -> String {
    try await domain.make(type, params, as: principal)
  }

  /// Records events in one decision, without a command, and returns the position of the last.
  @discardableResult
  package func append(_ drafts: [EventDraft]) async throws -> UInt64 { try await domain.append(drafts) }

  // MARK: - SQL

  /// Rows of a query as the database's owner, on a connection of its own.
  package func rows(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> [[String?]] {
    try await PostgresConnection.with(url) { try await $0.query(sql, parameters).rows }
  }

  /// Runs SQL without parameters as the database's owner, on a connection of its own.
  package func execute(_ sql: String) async throws {
    try await PostgresConnection.with(url) { try await $0.execute(sql) }
  }
}

extension PostgresConnection {
  /// Does something on a connection of its own to a URL, and closes it.
  package static func with<R: Sendable>(
    _ url: String, _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    let connection = try await PostgresConnection.connect(url)
    return try await closing({ try await body(connection) }, { await connection.close() })
  }
}

extension ProjectionService {
  /// Waits until the named read models, or all, have a position, and for PostgreSQL to come back where it is away.
  package func settle(at position: UInt64, _ names: [String] = []) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(90)
    while true {
      do {
        return try await wait(for: position, projections: names, timeoutMilliseconds: 60_000)
      } catch let error as ProjectionError where error.code == .unavailable && clock.now < end {
        // PostgreSQL comes back by itself. Asking without a pause would take a processor from it.
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }
}

/// The URL of a database for another role.
package func signingIn(to url: String, as role: String, password: String) -> String {
  let encoded = password.utf8.map { byte in "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  let rest = url.split(separator: "@", maxSplits: 1).last.map(String.init) ?? url
  if url.contains("@") { return "postgresql://\(role):\(encoded)@\(rest)" }
  return url + (url.contains("?") ? "&" : "?") + "user=\(role)&password=\(encoded)"
}
