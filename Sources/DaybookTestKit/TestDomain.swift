import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EventLog
import Failpoints
import MerkleTree
import NIOConcurrencyHelpers
import Records
import Refusals
import TestBasics
import Testing
import Vault

/// A real log and vault in a folder of their own, with the real catalog, and an engine over them: commands go in,
/// states come out. It goes away with its folder.
package final class TestDomain: Sendable {
  // Where the catalog doesn't load, `init` fails every test with the reason.
  private static let loaded: Result<Catalog, CatalogError> = Result { () throws(CatalogError) -> Catalog in
    try Catalog.load(folder: Repository.schema, knownBehaviours: CommandEngine.knownBehaviours)
  }

  /// Whoever may do everything.
  package static let administrator = Principal.localAdministrator(uid: 0)

  /// The folder and the clock.
  package let files: TestLog
  package let catalog: Catalog
  package let vault: Vault
  package let log: EventLog
  package let engine: CommandEngine
  package let view: StateView
  private let isClosed = NIOLockedValueBox(false)

  /// Opens everything.
  /// - Parameters:
  ///   - catalog: another catalog than the repository's.
  ///   - data: a data folder that a server has left, which stays; a new one where nil.
  ///   - budget: what a command may cost, where it is not as in the server.
  ///   - failpoints: where the log fails.
  package init(
    catalog: Catalog? = nil, data: String? = nil, budget: WriterBudget = WriterBudget(), failpoints: Failpoints = .none
  ) throws {
    let files = try TestLog(mapSize: 1 << 27, data: data)
    self.files = files
    self.catalog = try catalog ?? TestDomain.loaded.get()
    let vault = try Vault.open(folder: files.dataFolder + "/vault")
    self.vault = vault
    if data != nil {
      // As a server does, before it opens a log.
      var configuration = files.configuration
      configuration.headFile = nil
      configuration.verifyHead = nil
      let catalog = self.catalog
      try EventLogUpgrade.run(configuration) {
        try IndexDerivation.recorded(in: $0, vault: vault, otherwise: catalog)
      }
    }
    let signer = try NoteSigner(name: "daybook/test", key: vault.signingKey)
    log = try files.open { configuration in
      configuration.beforeCommit = { try vault.persistPendingKeys() }
      configuration.beforeDecision = { vault.markKeys() }
      configuration.afterNothing = { vault.forgetUnmarkedKeys() }
      configuration.headFile = nil
      configuration.failpoints = failpoints
      configuration.verifyHead = nil
      configuration.signHead = { size, root in
        try signer.sign(Checkpoint(origin: "daybook/test", size: size, root: root)).serialized
      }
    }
    engine = try CommandEngine(catalog: self.catalog, log: log, vault: vault, clock: files.now, budget: budget)
    view = StateView(engine.rules)
  }

  deinit { close() }

  /// Closes the log and the vault, before this goes away by itself.
  package func close() {
    guard
      isClosed.withLockedValue({ isClosed in
        defer { isClosed = true }
        return !isClosed
      })
    else { return }
    log.close()
    vault.close()
  }

  /// The folder of everything.
  package var folder: TemporaryFolder { files.folder }
  /// What the clock says; nil for the system's time.
  package var clock: NIOLockedValueBox<Timestamp?> { files.clock }

  // MARK: - Commands

  /// Gives a command and returns its result.
  @discardableResult
  package func call(
    _ method: String, _ params: JSONObject, as principal: Principal = administrator, from origin: Origin = Origin()
  ) async throws -> JSONObject {
    let result = try await engine.apply(method: method, params: params, principal: principal, origin: origin)
    let json = try JSON.parse(result.resultBytes)
    #expect(json.canonicalBytes == result.resultBytes, "results are canonical JSON")
    return try #require(json.objectValue)
  }

  /// The error that a command is refused with; the log must not have grown.
  package func refusal(
    _ method: String, _ params: JSONObject, as principal: Principal = administrator,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Refusal {
    let before = log.head.position
    var refused: Refusal?
    do {
      _ = try await engine.apply(method: method, params: params, principal: principal)
    } catch let error as Refusal {
      refused = error
    }
    #expect(log.head.position == before, "a refused command records nothing", sourceLocation: sourceLocation)
    return try #require(refused, "\(method) was not refused", sourceLocation: sourceLocation)
  }

  /// Makes a resource of a type by its command `create`, and returns its id.
  @discardableResult
  package func make(
    _ type: String, _ params: JSONObject, as principal: Principal = administrator
  ) async throws -> String {
    try await make(by: "\(type).create", params, as: principal)
  }

  /// Makes a resource by any command, and returns its id.
  @discardableResult
  package func make(
    by method: String, _ params: JSONObject, as principal: Principal = administrator
  ) async throws -> String {
    try #require(try await call(method, params, as: principal)["id"]?.stringValue)
  }

  // MARK: - Who there is

  /// Makes an organization, named as its slug, and returns its id.
  @discardableResult
  package func organization(_ slug: String, platform: String? = nil, _ more: JSONObject = [:]) async throws -> String {
    var params: JSONObject = ["name": .string(slug), "slug": .string(slug)]
    if let platform { params["platform"] = .string(platform) }
    return try await make("organization", params.merging(more))
  }

  /// Makes a user with a membership, and returns who they are.
  @discardableResult
  package func member(
    _ name: String, of organization: String, role: String = "member", platformRole: String = "developer"
  ) async throws -> (id: String, principal: Principal) {
    let id = try await make(
      "user",
      [
        "email": .string("\(name)@example.org"), "role": .string(platformRole),
        "organization_id": .string(organization), "membership_role": .string(role),
      ])
    return (id, try principal(id))
  }

  /// The principal of a user, with the memberships that the user has by now.
  package func principal(_ user: String) throws -> Principal {
    let id = try #require(Identifier(user))
    return try #require(try engine.principal(forUser: id))
  }

  // MARK: - What is held

  /// What the log holds about a resource, sealed values sealed.
  package func state(_ id: String) throws -> ResourceState {
    let identifier = try #require(Identifier(id))
    return try #require(try log.read { try $0.state(identifier) })
  }

  /// A resource as the administrator sees it.
  package func item(_ id: String) throws -> JSONObject {
    try view.item(state(id))
  }

  /// Records events in one decision, without a command, and returns the position of the last.
  @discardableResult
  package func append(_ drafts: [EventDraft]) async throws -> UInt64 {
    try await log.commit { transaction in
      for draft in drafts { try transaction.append(draft) }
    }.position
  }
}

extension Refusal: CustomTestStringConvertible {
  /// All that there is to say where a test fails by it.
  public var testDescription: String { "\(self) \(JSON.object(data).canonicalString)" }
}
