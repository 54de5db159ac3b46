import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Logging
import MerkleTree
import NIOConcurrencyHelpers
import Projections
import Queries
import Records
import Refusals
import Testing
import Vault

/// The repository of these tests.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
}

/// A real log, vault and PostgreSQL with the real catalog and read models, and the engines over them.
final class Library: Sendable {
  static let administrator = Principal.localAdministrator(uid: 0)

  let folder: String
  let vault: Vault
  let log: EventLog
  let engine: CommandEngine
  let projections: ProjectionService
  let queries: QueryEngine
  /// What the clock of queries says; nil for the system's time.
  let clock = NIOLockedValueBox<Timestamp?>(nil)
  private let projector: Task<Void, any Error>

  /// Opens everything, runs the body, and closes everything again.
  static func withLibrary(_ body: (Library) async throws -> Void) async throws {
    let library = try await Library()
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(library)) } catch { outcome = .failure(error) }
    try await library.close()
    try outcome.get()
  }

  private init() async throws {
    folder = FileManager.default.temporaryDirectory.path + "/daybook-queries-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let catalog = try Catalog.load(folder: Repository.root + "/schema", knownBehaviours: CommandEngine.knownBehaviours)
    let vault = try Vault.open(folder: folder + "/data/vault")
    self.vault = vault
    var configuration = EventLogConfiguration(folder: folder + "/data/log")
    configuration.mapSize = 1 << 26
    configuration.beforeCommit = { try vault.persistPendingKeys() }
    let signer = try NoteSigner(name: "daybook/test", key: vault.signingKey)
    configuration.signHead = { size, root in
      try signer.sign(Checkpoint(origin: "daybook/test", size: size, root: root)).serialized
    }
    let log = try EventLog.open(configuration)
    self.log = log
    engine = try CommandEngine(catalog: catalog, log: log, vault: vault)
    var logger = Logger(label: "queries-tests")
    logger.logLevel = .warning
    let projections = try ProjectionService(
      log: log, vault: vault, catalog: catalog, folder: Repository.root + "/projections",
      database: .url(try await ThrowawayPostgres.database()), logger: logger)
    self.projections = projections
    let clock = clock
    queries = QueryEngine(
      catalog: catalog, log: log, vault: vault, projections: projections, rules: engine.rules,
      clock: { clock.withLockedValue { $0 } ?? .now })
    projector = Task { try await projections.run() }
  }

  private func close() async throws {
    projector.cancel()
    _ = await projector.result
    log.close()
    vault.close()
    try FileManager.default.removeItem(atPath: folder)
  }

  /// Gives a command and answers its result.
  @discardableResult
  func tell(_ method: String, _ params: JSONObject, as principal: Principal = administrator) async throws -> JSON {
    try JSON.parse(try await engine.apply(method: method, params: params, principal: principal).resultBytes)
  }

  /// Makes something and answers its id.
  func make(_ type: String, _ params: JSONObject) async throws -> String {
    try #require(try await tell("\(type).create", params)["id"]?.stringValue)
  }

  /// Asks a query, of read models that have everything that was told.
  func ask(_ method: String, _ params: JSONObject = [:], as principal: Principal = administrator) async throws -> JSON {
    let bytes = try await queries.answer(
      method: method, params: params, principal: principal, atLeast: log.head.position, timeoutMilliseconds: 30_000)
    let json = try JSON.parse(bytes)
    #expect(json.canonicalBytes == bytes, "results are canonical JSON")
    return json
  }

  /// The error that a query is refused with.
  func refusal(
    _ method: String, _ params: JSONObject, as principal: Principal = administrator,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Refusal {
    var refused: Refusal?
    do {
      _ = try await ask(method, params, as: principal)
    } catch let error as Refusal {
      refused = error
    }
    return try #require(refused, "\(method) was not refused", sourceLocation: sourceLocation)
  }

  /// The ids of a list's items, in its order.
  func list(_ type: String, _ params: JSONObject, as principal: Principal = administrator) async throws -> [String] {
    try await ask("\(type).list", params, as: principal).items.compactMap { $0["id"]?.stringValue }
  }

  /// A new organization.
  func organization(_ slug: String) async throws -> String {
    try await make("organization", ["name": .string(slug), "slug": .string(slug)])
  }

  /// A user who is a member of an organization.
  func member(_ email: String, of organization: String, role: String = "viewer", membership: String = "member")
    async throws -> Principal
  {
    let id = try await make(
      "user",
      [
        "email": .string(email), "role": .string(role), "organization_id": .string(organization),
        "membership_role": .string(membership),
      ])
    let identifier = try #require(Identifier(id))
    return try #require(try engine.principal(forUser: identifier))
  }
}

extension JSON {
  /// The items of a page.
  var items: [JSON] { self["items"]?.arrayValue ?? [] }

  /// The member of that key as text.
  func text(_ key: String) -> String { self[key]?.stringValue ?? "" }

  /// The member of that key as an integer.
  func integer(_ key: String) -> Int64 { self[key]?.integerValue ?? -1 }
}
