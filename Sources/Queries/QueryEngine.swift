import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Projections
import Records
import Refusals
import Vault

/// Answers every question: from the log where the log knows best (get, history, diff, versions, lineage, proofs),
/// from PostgreSQL where many resources must be searched (list, audit).
///
/// Safe to call from any task. What needs the log alone is answered while PostgreSQL is away; what needs PostgreSQL
/// then throws ``Refusal`` `unavailable`.
public final class QueryEngine: Sendable {
  /// Every query, as `rpc.discover` describes it.
  public let methods: [QueryMethod]

  let catalog: Catalog
  let log: EventLog
  let vault: Vault
  let projections: ProjectionService
  let view: StateView
  let rules: IndexRules
  let cursors: CursorSealer
  let clock: @Sendable () -> Timestamp
  private let names: Set<String>

  /// An engine over the parts that it asks.
  /// - Parameters:
  ///   - rules: What the log's indexes hold; states are shown by the same catalog and vault.
  ///   - clock: The time by which something has expired.
  public init(
    catalog: Catalog, log: EventLog, vault: Vault, projections: ProjectionService, rules: IndexRules,
    clock: @escaping @Sendable () -> Timestamp = { .now }
  ) {
    self.clock = clock
    self.catalog = catalog
    self.log = log
    self.vault = vault
    self.projections = projections
    self.rules = rules
    view = StateView(rules)
    cursors = CursorSealer(vault: vault)
    methods = QueryMethod.all(of: catalog)
    names = Set(methods.map(\.name))
  }

  /// Whether a method of that name is a query of this engine.
  public func isQuery(_ method: String) -> Bool { names.contains(method) }

  /// Answers one query: the canonical JSON of its result.
  /// - Parameters:
  ///   - atLeast: The position that a read model must have reached before it is asked; the log itself is never behind.
  ///   - timeoutMilliseconds: How long it may take to get there.
  /// - Throws: ``Refusal``; what it doesn't foresee (a damaged log, a lost connection) as the parts throw it.
  public func answer(
    method: String, params: JSONObject, principal: Principal, atLeast: UInt64 = 0, timeoutMilliseconds: Int = 5000
  ) async throws -> [UInt8] {
    let wait = ReadModelWait(position: atLeast, timeoutMilliseconds: timeoutMilliseconds)
    var parameters = QueryParameters(params)
    switch method {
    case "audit.search": return try await searchAudit(&parameters, principal, wait)
    case "system.logs": return try await systemLogs(&parameters, principal, wait)
    case "lineage.graph": return try await lineageGraph(&parameters, principal, wait)
    case "log.read": return try await readLog(&parameters, principal)
    case "log.head": return try head(&parameters)
    case "log.checkpoint": return try checkpoint(&parameters)
    case "log.proof": return try await proof(&parameters)
    case "projection.status": return try await projectionStatus(&parameters, principal)
    case "gdpr.records": return try recordsOfProcessing(&parameters, principal)
    default: return try await answer(method, about: &parameters, principal, wait)
    }
  }

  private func answer(
    _ method: String, about parameters: inout QueryParameters, _ principal: Principal, _ wait: ReadModelWait
  ) async throws -> [UInt8] {
    let parts = method.split(separator: ".", maxSplits: 1)
    guard parts.count == 2, names.contains(method), let type = catalog.type(String(parts[0])) else {
      throw Refusal.methodNotFound(method)
    }
    let access = Access(principal: principal, type: type)
    switch parts[1] {
    case "get": return try await get(&parameters, access)
    case "list": return try await list(&parameters, access, wait)
    case "history": return try await history(&parameters, access)
    case "diff": return try await diff(&parameters, access)
    case "versions": return try await versions(&parameters, access)
    case "next_runs": return try await nextRuns(&parameters, access)
    default:
      guard let records = Self.runRecords(String(parts[1]), of: type) else {
        throw Refusal.methodNotFound(method)
      }
      return try await runRecords(records, method: method, &parameters, access, wait)
    }
  }
}

/// What a read model must have reached before it is asked, and how long that may take.
struct ReadModelWait: Sendable {
  let position: UInt64
  let timeoutMilliseconds: Int
}

extension LogSnapshot {
  /// The position that a question about a moment is answered at.
  /// - Throws: ``Refusal`` `invalid_params` for a position that isn't written yet.
  func resolve(_ asOf: AsOf) throws -> UInt64 {
    switch asOf {
    case .time(let time): return try position(at: time)
    case .position(let position):
      guard position <= head.position else {
        throw Refusal.invalidParam("/as_of", "is beyond the last position, \(head.position)")
      }
      return position
    }
  }
}
