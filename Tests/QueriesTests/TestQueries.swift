import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Projections
import Queries
import Records
import Refusals
import TestBasics
import Testing

/// Read models, and the engine that answers queries from them.
final class TestQueries: Sendable {
  let models: TestReadModels
  let queries: QueryEngine
  /// What the clock of queries says; nil for the system's time.
  let clock = NIOLockedValueBox<Timestamp?>(nil)
  /// What the answer to the last question of ``ask(_:_:as:)`` has shown that is to be recorded.
  let noted = NIOLockedValueBox<[ReadNote]>([])

  /// Opens everything, runs the body, and closes everything again.
  /// - Parameter url: A database; a new one of the throwaway PostgreSQL where nil.
  static func with(url: String? = nil, _ body: (TestQueries) async throws -> Void) async throws {
    let models = try await TestReadModels(url: url)
    try await closing(
      {
        // All suites make their tables at once: on a busy machine that takes longer than a question waits for them.
        try await models.projections.wait(for: 0, projections: [], timeoutMilliseconds: 120_000)
        try await body(TestQueries(models))
      }, { try await models.close() })
  }

  private init(_ models: TestReadModels) throws {
    self.models = models
    let clock = clock
    queries = QueryEngine(
      catalog: models.catalog, log: models.log, vault: models.vault, projections: models.projections,
      rules: models.engine.rules, clock: { clock.withLockedValue { $0 } ?? .now })
  }

  var log: EventLog { models.log }
  var engine: CommandEngine { models.engine }
  var projections: ProjectionService { models.projections }

  /// Gives a command and returns its result.
  @discardableResult
  func call(
    _ method: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator
  ) async throws -> JSONObject {
    try await models.call(method, params, as: principal)
  }

  /// Makes a resource of a type, and returns its id.
  func make(_ type: String, _ params: JSONObject) async throws -> String { try await models.make(type, params) }

  /// Asks a query, of read models that have everything that was told.
  func ask(
    _ method: String, _ params: JSONObject = [:], as principal: Principal = TestDomain.administrator
  ) async throws -> JSON {
    noted.withLockedValue { $0 = [] }
    let bytes = try await queries.answer(
      method: method, params: params, principal: principal, atLeast: log.head.position, timeoutMilliseconds: 30_000
    ) { [noted] note in noted.withLockedValue { $0.append(note) } }
    let json = try JSON.parse(bytes)
    #expect(json.canonicalBytes == bytes, "results are canonical JSON")
    return json
  }

  /// The error that a query is refused with.
  func refusal(
    _ method: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator,
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
  func list(
    _ type: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator
  ) async throws -> [String] {
    try await ask("\(type).list", params, as: principal).items.compactMap { $0["id"]?.stringValue }
  }

  /// A new organization.
  func organization(_ slug: String) async throws -> String { try await models.domain.organization(slug) }

  /// A user who is a member of an organization.
  func member(
    _ email: String, of organization: String, role: String = "viewer", membership: String = "member"
  ) async throws -> Principal {
    let id = try await make(
      "user",
      [
        "email": .string(email), "role": .string(role), "organization_id": .string(organization),
        "membership_role": .string(membership),
      ])
    return try models.domain.principal(id)
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
