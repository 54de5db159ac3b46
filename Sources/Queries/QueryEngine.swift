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
  package let methods: [QueryMethod]

  let catalog: Catalog
  let log: EventLog
  let vault: Vault
  let projections: ProjectionService
  /// States as everybody may see them, nobody in particular.
  let view: StateView
  let rules: IndexRules
  let cursors: CursorSealer
  let clock: @Sendable () -> Timestamp
  private let byName: [String: QueryMethod]
  /// Who may see the resources of each type, by its name.
  private let conditions: [String: AudienceCondition]
  /// The personal fields of each type, by its name.
  private let personalFields: [String: [Field]]

  /// An engine over the parts that it asks.
  /// - Parameters:
  ///   - rules: What the log's indexes hold; states are shown by the same catalog and vault.
  ///   - additional: Queries besides those of ``QueryMethod/all(of:)``.
  ///   - clock: The time by which something has expired.
  package init(
    catalog: Catalog, log: EventLog, vault: Vault, projections: ProjectionService, rules: IndexRules,
    additional: [QueryMethod] = [], clock: @escaping @Sendable () -> Timestamp = { .now }
  ) {
    self.clock = clock
    self.catalog = catalog
    self.log = log
    self.vault = vault
    self.projections = projections
    self.rules = rules
    view = StateView(rules)
    cursors = CursorSealer(vault: vault)
    methods = QueryMethod.all(of: catalog) + additional
    byName = Dictionary(methods.map { ($0.signature.name, $0) }, uniquingKeysWith: { first, _ in first })
    conditions = Dictionary(catalog.types.map { ($0.name, AudienceCondition(Audience($0))) }) { first, _ in first }
    personalFields = Dictionary(
      catalog.types.map { ($0.name, $0.fields.filter { $0.personal != nil }) }
    ) { first, _ in first }
  }

  /// States as a caller is shown them.
  func view(for principal: Principal) -> StateView { view.reading(as: principal) }

  /// What a caller may read of a type.
  /// - Parameter note: Gets of whom values were shown.
  func access(
    to type: ResourceType, _ principal: Principal, note: @escaping @Sendable (ReadNote) -> Void = { _ in }
  ) -> Access {
    Access(
      principal: principal, type: type, condition: conditions[type.name] ?? AudienceCondition(Audience(type)),
      personal: personalFields[type.name] ?? [], note: note)
  }

  /// Whether a method of that name is a query of this engine.
  public func isQuery(_ method: String) -> Bool { byName[method] != nil }

  /// Answers one query by its name: the canonical JSON of its result. The server, which has looked the query up
  /// already, prepares and answers it itself.
  /// - Parameters:
  ///   - atLeast: The position that a read model must have reached before it is asked, unless the params say; the log
  ///     itself is never behind.
  ///   - timeoutMilliseconds: How long it may take to get there, unless the params say.
  ///   - note: Gets what the answer shows that is itself to be recorded.
  /// - Throws: ``Refusal``; what it doesn't foresee (a damaged log, a lost connection) as the parts throw it.
  package func answer(
    method: String, params: JSONObject, principal: Principal, atLeast: UInt64 = 0, timeoutMilliseconds: Int64 = 5000,
    note: @escaping @Sendable (ReadNote) -> Void = { _ in }
  ) async throws -> [UInt8] {
    guard let query = byName[method] else { throw Refusal.methodNotFound(method, among: byName.keys) }
    var params = params
    if params["timeout_ms"] == nil { params["timeout_ms"] = .integer(timeoutMilliseconds) }
    let prepared = try query.prepare(params)
    let wait = prepared.wait.with(position: prepared.wait.position ?? atLeast)
    return try await prepared.answer(QueryCall(engine: self, principal: principal, wait: wait, note: note))
  }
}
