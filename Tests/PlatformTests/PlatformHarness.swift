import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Logging
import Postgres
import Projections
import Refusals
import Testing
import Vault

/// A real log, vault and PostgreSQL with the real catalog and read models, and the engine over them: commands go in, rows of
/// the platforms' schemas come out.
final class PlatformHarness: Sendable {
  static let administrator = Principal.localAdministrator(uid: 0)
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  let folder: String
  let url: String
  let catalog: Catalog
  let vault: Vault
  let log: EventLog
  let engine: CommandEngine
  let projections: ProjectionService
  private let isFolderMine: Bool
  private let projector: Task<Void, any Error>

  /// Opens everything, runs the body, and closes everything again.
  /// - Parameter found: a data folder that a server has left, and the database that it filled; without it, both are new and gone afterwards.
  static func with(
    projections: String = PlatformHarness.repository + "/projections", found: (data: String, url: String)? = nil,
    _ body: (PlatformHarness) async throws -> Void
  ) async throws {
    let harness = try await PlatformHarness(projections: projections, found: found)
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(harness)) } catch { outcome = .failure(error) }
    try await harness.close()
    try outcome.get()
  }

  private init(projections projectionsFolder: String, found: (data: String, url: String)?) async throws {
    isFolderMine = found == nil
    folder = FileManager.default.temporaryDirectory.path + "/daybook-platforms-" + UUID().uuidString
    let data = found?.data ?? folder + "/data"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    catalog = try Catalog.load(
      folder: PlatformHarness.repository + "/schema", knownBehaviours: CommandEngine.knownBehaviours)
    let vault = try Vault.open(folder: data + "/vault")
    self.vault = vault
    var configuration = EventLogConfiguration(folder: data + "/log")
    configuration.mapSize = 1 << 27
    configuration.beforeCommit = { try vault.persistPendingKeys() }
    log = try EventLog.open(configuration)
    engine = try CommandEngine(catalog: catalog, log: log, vault: vault)
    if let found { url = found.url } else { url = try await ThrowawayPostgres.database() }
    let projections = try PlatformHarness.makeService(log, vault, catalog, url, projectionsFolder)
    self.projections = projections
    projector = Task { try await projections.run() }
  }

  private static func makeService(
    _ log: EventLog, _ vault: Vault, _ catalog: Catalog, _ url: String, _ folder: String
  ) throws -> ProjectionService {
    var logger = Logger(label: "platform-tests")
    logger.logLevel = getenv("DAYBOOK_TEST_LOG") == nil ? .critical : .debug
    return try ProjectionService(
      log: log, vault: vault, catalog: catalog, folder: folder, database: .url(url), logger: logger)
  }

  /// Another service over the same log and database, not yet running.
  func anotherService(projections: String) throws -> ProjectionService {
    try PlatformHarness.makeService(log, vault, catalog, url, projections)
  }

  /// Ends the projector and waits for its end.
  func stopProjector() async throws {
    projector.cancel()
    try await projector.value
  }

  private func close() async throws {
    projector.cancel()
    _ = await projector.result
    log.close()
    vault.close()
    if isFolderMine { try FileManager.default.removeItem(atPath: folder) }
  }

  /// Gives a command and answers its result.
  @discardableResult
  func tell(_ method: String, _ params: JSONObject, as principal: Principal = administrator) async throws -> JSON {
    do {
      return try JSON.parse(
        try await engine.apply(method: method, params: params, principal: principal).resultBytes)
    } catch let error as Refusal {
      throw Refused(method: method, error: error)
    }
  }

  /// A command that was refused, and why: says both where a test fails by it.
  struct Refused: Error, CustomStringConvertible {
    let method: String
    let error: Refusal
    var description: String { "\(method): \(error) \(JSON.object(error.data).canonicalString)" }
  }

  /// The error that a command is refused with.
  func refusal(
    _ method: String, _ params: JSONObject, as principal: Principal = administrator,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Refusal {
    var refused: Refusal?
    do { _ = try await tell(method, params, as: principal) } catch let error as Refused { refused = error.error }
    return try #require(refused, "\(method) was not refused", sourceLocation: sourceLocation)
  }

  /// Makes something and answers its id.
  func make(_ type: String, _ params: JSONObject, as principal: Principal = administrator) async throws -> String {
    try #require(try await tell("\(type).create", params, as: principal)["id"]?.stringValue)
  }

  /// A new organization of a platform.
  func organization(_ slug: String, platform: String, _ more: JSONObject = [:]) async throws -> String {
    try await make(
      "organization",
      more.merging(["name": .string("Organization \(slug)"), "slug": .string(slug), "platform": .string(platform)]))
  }

  /// The principal of a user, with the memberships that the user has by now.
  func principal(of user: String) throws -> Principal {
    let identifier = try #require(Identifier(user))
    return try #require(try engine.principal(forUser: identifier))
  }

  /// What the log holds about a resource, sealed values sealed.
  func state(_ id: String) throws -> ResourceState {
    let identifier = try #require(Identifier(id))
    return try #require(try log.read { try $0.state(identifier) })
  }

  /// Waits until every read model has everything, and PostgreSQL roles are as the log says.
  func settle() async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(90)
    while true {
      do {
        return try await projections.wait(for: log.head.position, projections: [], timeoutMilliseconds: 60_000)
      } catch let error as ProjectionError where error.code == .unavailable && clock.now < end {
        // Away for now; it comes back by itself.
        await Task.yield()
      }
    }
  }

  /// Rows of a query as the databases' owner, after every read model has everything.
  func rows(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> [[String?]] {
    try await settle()
    return try await onConnection(url) { try await $0.query(sql, parameters).rows }
  }

  /// Rows of a query as objects, column names as keys: as `row_to_json` writes them.
  func objects(_ sql: String) async throws -> [JSON] {
    try await rows("SELECT to_jsonb(x)::text FROM (\(sql)) AS x").map { row in
      try JSON.parse(row.first.flatMap { $0 } ?? "null")
    }
  }

  /// The one row of a relation with that id.
  func row(_ relation: String, _ id: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> JSON {
    let found = try await objects("SELECT * FROM \(relation) WHERE id::text = '\(id)'")
    #expect(found.count == 1, "\(relation) \(id)", sourceLocation: sourceLocation)
    return try #require(found.first, "\(relation) has no row \(id)", sourceLocation: sourceLocation)
  }

  /// Runs SQL without parameters as the database's owner.
  func execute(_ sql: String) async throws {
    try await onConnection(url) { try await $0.execute(sql) }
  }

  /// Makes a restricted SQL role of an organization with a password, and answers its URL.
  func role(of organization: String, personal: Bool) async throws -> String {
    let name = "reader_\(UInt32.random(in: 0...UInt32.max))"
    _ = try await make(
      "sql_role",
      ["name": .string(name), "organization_id": .string(organization), "personal": .bool(personal)])
    try await settle()
    // Roles are made right after the commit of the chunk; what comes next comes behind that.
    try await tell("organization.edit", ["id": .string(organization), "settings": ["role": .string(name)]])
    try await settle()
    try await projections.setPassword(role: name, password: "hunter2")
    let rest = url.split(separator: "@", maxSplits: 1).last.map(String.init) ?? url
    if url.contains("@") { return "postgresql://\(name):hunter2@\(rest)" }
    return url + (url.contains("?") ? "&" : "?") + "user=\(name)&password=hunter2"
  }

  /// Does something on a connection of its own to a URL, and closes it.
  func onConnection<R: Sendable>(_ url: String, _ body: (PostgresConnection) async throws -> R) async throws -> R {
    let connection = try await PostgresConnection.connect(url)
    do {
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }
}
