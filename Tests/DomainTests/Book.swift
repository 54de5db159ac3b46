import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EventLog
import Foundation
import NIOConcurrencyHelpers
import Records
import Refusals
import Testing
import Vault

/// The repository of these tests.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
}

/// A real log and vault in a folder of their own, with the real catalog, and an engine over them.
final class Book: Sendable {
  // Where the catalog doesn't load, `init` fails every test with the reason.
  private static let loaded: Result<Catalog, CatalogError> = Result { () throws(CatalogError) -> Catalog in
    try Catalog.load(folder: Repository.root + "/schema", knownBehaviours: CommandEngine.knownBehaviours)
  }

  static let administrator = Principal.localAdministrator(uid: 0)

  let folder: String
  let catalog: Catalog
  let vault: Vault
  let log: EventLog
  let engine: CommandEngine
  let view: StateView
  /// What the clock says; nil for the system's time.
  let clock = NIOLockedValueBox<Timestamp?>(nil)

  init(catalog: Catalog? = nil) throws {
    folder = FileManager.default.temporaryDirectory.path + "/daybook-domain-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    self.catalog = try catalog ?? Book.loaded.get()
    let vault = try Vault.open(folder: folder + "/data/vault")
    self.vault = vault
    var configuration = EventLogConfiguration(folder: folder + "/data/log")
    configuration.mapSize = 1 << 26
    configuration.beforeCommit = { try vault.persistPendingKeys() }
    let clock = clock
    let time: @Sendable () -> Timestamp = { clock.withLockedValue { $0 } ?? .now }
    configuration.clock = time
    log = try EventLog.open(configuration)
    engine = try CommandEngine(catalog: self.catalog, log: log, vault: vault, clock: time)
    view = StateView(engine.rules)
  }

  deinit {
    log.close()
    vault.close()
    do {
      try FileManager.default.removeItem(atPath: folder)
    } catch {
      Issue.record("the folder of a test stays behind: \(error)")
    }
  }

  // MARK: - Commands

  @discardableResult
  func call(
    _ method: String, _ params: JSONObject, as principal: Principal = Book.administrator, from origin: Origin = Origin()
  ) async throws -> JSONObject {
    let result = try await engine.apply(method: method, params: params, principal: principal, origin: origin)
    let json = try JSON.parse(result.resultBytes)
    #expect(json.canonicalBytes == result.resultBytes, "results are canonical JSON")
    return try #require(json.objectValue)
  }

  /// The error that a command is refused with; the log must not have grown.
  func refusal(
    _ method: String, _ params: JSONObject, as principal: Principal = Book.administrator,
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

  /// Makes something and answers its id.
  @discardableResult
  func make(_ method: String, _ params: JSONObject, as principal: Principal = Book.administrator) async throws -> String
  {
    try #require(try await call(method, params, as: principal)["id"]?.stringValue)
  }

  @discardableResult
  func organization(_ slug: String, platform: String? = nil) async throws -> String {
    var params: JSONObject = ["name": .string(slug), "slug": .string(slug)]
    if let platform { params["platform"] = .string(platform) }
    return try await make("organization.create", params)
  }

  /// A user with a membership, and who they are.
  @discardableResult
  func member(
    _ name: String, of organization: String, role: String = "member", platformRole: String = "developer"
  ) async throws -> (id: String, principal: Principal) {
    let id = try await make(
      "user.create",
      [
        "email": .string("\(name)@example.org"), "role": .string(platformRole),
        "organization_id": .string(organization), "membership_role": .string(role),
      ])
    return (id, try principal(id))
  }

  func principal(_ user: String) throws -> Principal {
    let id = try #require(Identifier(user))
    return try #require(try engine.principal(forUser: id))
  }

  /// An API key with that permission map, and whom it stands for.
  func key(
    _ permissions: JSON, in organization: String, as principal: Principal = Book.administrator
  ) async throws -> (id: String, text: String, principal: Principal) {
    let result = try await call(
      "api_key.create",
      ["name": "key", "organization_id": .string(organization), "permissions": permissions], as: principal)
    let text = try #require(result["api_key"]?.stringValue)
    let id = try #require(result["id"]?.stringValue)
    return (id, text, try #require(try engine.principal(forKey: text)))
  }

  // MARK: - What is held

  func state(_ id: String) throws -> ResourceState {
    let identifier = try #require(Identifier(id))
    return try #require(try log.read { try $0.state(identifier) })
  }

  func item(_ id: String) throws -> JSONObject {
    try view.item(state(id), principal: Book.administrator)
  }

  /// The records of a resource, oldest first.
  func records(of id: String) throws -> [(header: EventHeader, body: EventBody)] {
    let identifier = try #require(Identifier(id))
    return try log.read { try $0.history(of: identifier, versions: 1...Int64.max) }.map {
      (try $0.parsedHeader(), try $0.parsedBody())
    }
  }

  /// Everything stored in headers and bodies, as one text.
  func everything() throws -> String {
    try log.read { snapshot in
      try snapshot.records(from: 1, limit: .max, maximumBytes: .max)
        .map { String(decoding: $0.header + $0.body, as: UTF8.self) }.joined(separator: "\n")
    }
  }

  /// The indexes that must be there, by the rules, for every living resource, are; and nothing else is.
  func checkIndexes(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let rules = IndexRules(catalog: catalog, vault: vault)
    try log.read { snapshot in
      var unique: UInt64 = 0
      var links: UInt64 = 0
      for record in try snapshot.records(from: 1, limit: .max, maximumBytes: .max) {
        let header = try record.parsedHeader()
        guard header.version == 1, let state = try snapshot.state(header.resource) else { continue }
        let entries = try rules.entries(for: state) {
          try snapshot.state($0)?.fields["platform"]?.stringValue
        }
        for (constraint, key) in entries.unique {
          #expect(try snapshot.holder(constraint: constraint, key: key) == state.id, sourceLocation: sourceLocation)
        }
        for target in entries.links {
          let referrers = try snapshot.referrers(of: target, type: state.type, limit: .max)
          #expect(referrers.contains { $0.id == state.id }, sourceLocation: sourceLocation)
        }
        unique += UInt64(entries.unique.count)
        links += UInt64(entries.links.count)
      }
      #expect(try snapshot.entryCount("unique") == unique, sourceLocation: sourceLocation)
      #expect(try snapshot.entryCount("links") == links, sourceLocation: sourceLocation)
    }
  }
}

extension Refusal {
  /// The paths of all faults.
  var paths: [String] {
    (data["problems"]?.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
  }

  var reason: String? { data["reason"]?.stringValue }
}

extension JSONObject {
  /// The names of the events that a result lists.
  var eventNames: [String] {
    (self["events"]?.arrayValue ?? []).compactMap { $0["event"]?.stringValue }
  }
}
