import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Vault

/// Turns commands into events: checks them, decides them inside the log's write
/// transaction, and answers what was recorded.
///
/// Safe to use from any thread. ``prepare(method:params:principal:origin:)`` never touches the log; everything that
/// depends on its state is decided on the writer's thread, so that of racing commands exactly one wins.
public final class CommandEngine: Sendable {
  /// The method that applies several commands all or none.
  public static let batchMethod = "batch.apply"
  /// The most commands of one batch.
  public static let batchLimit = 10_000
  /// The most events of one command or batch.
  public static let eventLimit = 100_000
  /// The most bytes of one event, and of one resource's fields together, as the log keeps them.
  public static let sizeLimit = 16 << 20
  /// Who counts as the maker of what the local administrator and the server create.
  public static let systemUser = Identifier.systemUser
  /// The behaviours that a catalog may name.
  public static var knownBehaviours: Set<String> { Set(Behaviours.table.keys) }

  let model: CatalogModel
  /// Commands by method name, internal ones included.
  let commands: [String: CommandModel]
  let log: EventLog
  let vault: Vault
  let sealer: Sealer
  /// What the log's indexes must hold, by this engine's catalog and vault.
  public let rules: IndexRules
  let platformRules: PlatformRules
  /// What the platforms' documents say is to go after a time.
  let retentionDocuments: RetentionDocuments
  let principals: PrincipalRegister
  let passwords = PasswordWorkers()
  /// Wrong present passwords, of those who want another one.
  let wrongPasswords = Attempts(limit: 5, interval: 15 * 60, what: "The present password was wrong")
  /// Values that people asked for and that are taken where they can't see.
  let collisions = Attempts(limit: 10, interval: 60 * 60, what: "A value was asked for that is taken")
  let retention = RetentionKeeper()
  /// At which positions a read model has stopped; set while there are read models.
  let stoppedAt = NIOLockedValueBox<(@Sendable (String) -> [UInt64]?)?>(nil)
  let erasures = ErasureKeeper()
  let redactions = RedactionKeeper()
  let keyUses = KeyUses()
  /// Every command that the socket may give.
  package let methods: [CommandMethod]
  private let batchParameters = CommandParameters(
    batch: CommandEngine.batchMethod, limit: CommandEngine.batchLimit)
  let clock: @Sendable () -> Timestamp
  let budget: WriterBudget
  /// The slug of the organization for an administrator's OpenLineage events that no rule speaks of; nil for one that is
  /// made for them.
  let reportOrganization: String?

  /// An engine over an open log and vault.
  /// - Parameters:
  ///   - reportOrganization: the slug of the organization for OpenLineage events of administrators who name none, where
  ///     no rule speaks of their namespace; it is made with the first one. Nil for one that is made for them.
  ///   - clock: the time by which an API key's expiry is judged outside of commands.
  /// - Throws: ``Refusal`` where the catalog names a behaviour that this version doesn't have.
  public convenience init(
    catalog: Catalog, log: EventLog, vault: Vault, reportOrganization: String? = nil,
    clock: @escaping @Sendable () -> Timestamp = { .now }
  ) throws {
    try self.init(
      catalog: catalog, log: log, vault: vault, reportOrganization: reportOrganization, clock: clock,
      budget: WriterBudget())
  }

  /// The same, with another budget.
  package init(
    catalog: Catalog, log: EventLog, vault: Vault, reportOrganization: String? = nil,
    clock: @escaping @Sendable () -> Timestamp, budget: WriterBudget
  ) throws {
    self.budget = budget
    self.reportOrganization = reportOrganization
    model = CatalogModel(catalog: catalog)
    commands = try CommandModel.table(model)
    self.log = log
    log.stateDefaults = try CommandEngine.recordedDefaults(log)
    try CommandEngine.resumeClock(log)
    self.vault = vault
    self.clock = clock
    sealer = Sealer(vault: vault)
    rules = IndexRules(model: model, sealer: sealer)
    platformRules = PlatformRules(catalog: catalog)
    retentionDocuments = RetentionDocuments(catalog: catalog)
    principals = PrincipalRegister()
    let callable = commands.values.filter { !$0.command.isInternal }.sorted { $0.method < $1.method }
    methods = callable.map { CommandMethod($0) } + [CommandMethod(batch: batchParameters)]
    try recallRestrictions()
  }

  /// The catalog in force.
  public var catalog: Catalog { model.catalog }

  /// Whether that is a command which the socket may give.
  public func isCommand(_ method: String) -> Bool {
    if let command = commands[method] { return !command.command.isInternal }
    return method == CommandEngine.batchMethod
  }

  /// Checks and normalizes a command's parameters. Fast, and never blocks: fit for an event loop.
  /// - Throws: ``Refusal`` `invalid_params` with every fault that can be seen without the log.
  package func prepare(
    _ command: CommandMethod, params: JSONObject, principal: Principal, origin: Origin
  ) throws -> PreparedCommand {
    let (principal, params) = try acting(principal, params)
    switch command.kind {
    case .single(let model):
      var reader = ParameterReader(command: model, principal: principal)
      return try reader.read(params, origin: origin, engine: self)
    case .batch: return try prepareBatch(params, principal: principal, origin: origin)
    }
  }

  /// The same for a command by its name, which the server itself may also give those of that are no methods of the
  /// socket.
  /// - Throws: ``Refusal``: `method_not_found`, or `invalid_params`.
  public func prepare(
    method: String, params: JSONObject, principal: Principal, origin: Origin
  ) throws -> PreparedCommand {
    let (principal, params) = try acting(principal, params)
    if method == CommandEngine.batchMethod {
      return try prepareBatch(params, principal: principal, origin: origin)
    }
    return try prepareOwn(method: method, params: params, principal: principal, origin: origin)
  }

  /// The same for one command of a caller that may act for somebody already.
  private func prepareOwn(
    method: String, params: JSONObject, principal: Principal, origin: Origin
  ) throws -> PreparedCommand {
    guard let command = commands[method], !command.command.isInternal || principal.kind == .server else {
      throw Refusal.methodNotFound(method, among: methods.lazy.map(\.signature.name))
    }
    var reader = ParameterReader(command: command, principal: principal)
    return try reader.read(params, origin: origin, engine: self)
  }

  /// Does what is slow, off the event loop and off the writer, for a command that needs it; answers any other as it is.
  /// - Returns: the command, ready to be submitted.
  /// - Throws: ``Refusal``: `invalid_params` for a password that can't be hashed, `overloaded` where too many wait.
  public func prepareInBackground(_ command: PreparedCommand) async throws -> PreparedCommand {
    // What the commands of a batch read counts together.
    if ContentVersions.Tally.current == nil {
      return try await ContentVersions.Tally.$current.withValue(ContentVersions.Tally()) {
        try await prepareInBackground(command)
      }
    }
    switch command.content {
    case .single(let model, .background(let work)):
      return command.with(.single(model, .ready(try await work(self, command))))
    case .single:
      return command
    case .batch(let members):
      var ready: [PreparedCommand] = []
      ready.reserveCapacity(members.count)
      for (index, member) in members.enumerated() {
        do {
          ready.append(member.needsBackground ? try await prepareInBackground(member) : member)
        } catch let error as Refusal {
          throw error.atIndex(index)
        }
      }
      return command.with(.batch(ready))
    }
  }

  /// Hands a prepared command to the writer. The completion runs on the writer's thread after the events are on the
  /// disk (of a sweep that destroys keys: on another one, once they are gone), or at once where the command was refused
  /// before; keep it short. Commands on one account are decided in the order of these calls.
  ///
  /// - Parameter account: On whose account the writer's time is taken, as a caller's `tenant` says. Who promises an
  ///   order gives the same one for all commands that are to keep it.
  public func submit(
    _ command: PreparedCommand, on account: Identifier?,
    completion: @escaping @Sendable (Result<CommandResult, Refusal>) -> Void
  ) {
    log.submit(for: account) { transaction in
      try self.decide(command, in: transaction)
    } completion: { result in
      switch result {
      case .success(let committed):
        if let epoch = committed.value.epoch { self.principals.settle(epoch) }
        let result = committed.value.result
        if !committed.value.erases.isEmpty || !committed.value.restricts.isEmpty {
          return self.completeSubjects(of: committed.value, then: completion)
        }
        if committed.value.redacts { return self.completeRedactions(result, then: completion) }
        guard committed.value.destroysKeys else { return completion(.success(result)) }
        self.destroySweptKeys { failure in completion(failure.map { .failure($0) } ?? .success(result)) }
      case .failure(let error):
        switch error {
        case let refusal as Refusal:
          self.principals.drop(command)
          if refusal.tellsOfHidden { self.recordCollision(of: command) }
        // It was never decided, and this may be the thread of who submitted it.
        case let error as EventLogError where error.code == .overloaded || error.code == .closed: break
        // Whatever this batch had changed about principals may not have happened.
        default: self.principals.invalidate(command)
        }
        completion(.failure(Refusal(causedBy: error)))
      }
    }
  }

  /// Prepares, submits and waits: for callers that are not in a hurry.
  /// - Throws: ``Refusal``.
  public func apply(
    method: String, params: JSONObject, principal: Principal, origin: Origin = Origin()
  ) async throws -> CommandResult {
    let prepared = try await prepareInBackground(
      prepare(method: method, params: params, principal: principal, origin: origin))
    return try await withCheckedThrowingContinuation { continuation in
      submit(prepared, on: prepared.principal.tenant) { continuation.resume(with: $0) }
    }
  }

  private func prepareBatch(_ params: JSONObject, principal: Principal, origin: Origin) throws -> PreparedCommand {
    var problems: [ValueProblem] = []
    var common = CommonParameters()
    var given: JSON?
    batchParameters.list.read(params, problems: &problems) { index, value, _ in
      if case .common(let parameter) = batchParameters.roles[index] {
        common.take(value, as: parameter)
      } else {
        given = value
      }
    }
    if let given, given.arrayValue == nil {
      problems.append(ValueProblem(path: "/commands", problem: "must be an array of {method, params}"))
    }
    common.check(&problems)
    let commands = given?.arrayValue ?? []
    guard commands.count <= CommandEngine.batchLimit else {
      throw Refusal.tooLarge(
        limit: Int64(CommandEngine.batchLimit), "A batch holds at most \(CommandEngine.batchLimit) commands.")
    }
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
    let origin = common.origin(by: origin)
    var parts: RequestParts?
    if common.commandID != nil {
      var rest = params
      rest.removeValue(forKey: "commands")
      parts = RequestParts()
      parts?.add(batch: CommandEngine.batchMethod, rest)
    }
    let prepared = try commands.enumerated().map { index, json in
      do {
        let member = try prepareMember(json, of: common, principal: principal, origin: origin)
        if parts != nil, case .single(let command, _) = member.content {
          parts?.add(member.method, json["params"]?.objectValue ?? [:], command)
        }
        return member
      } catch let error as Refusal {
        throw error.atIndex(index)
      }
    }
    return PreparedCommand(
      method: CommandEngine.batchMethod, content: .batch(prepared), principal: principal, origin: origin,
      common: common, fingerprint: parts?.fingerprint(by: vault))
  }

  private func prepareMember(
    _ json: JSON, of batch: CommonParameters, principal: Principal, origin: Origin
  ) throws -> PreparedCommand {
    guard let object = json.objectValue, let method = object["method"]?.stringValue,
      object.allSatisfy({ $0.key == "method" || $0.key == "params" })
    else { throw Refusal.invalidParam("/commands", "must hold objects of a method and its params") }
    guard var given = (object["params"] ?? .object([:])).objectValue else {
      throw Refusal.invalidParam("/params", "must be an object")
    }
    guard method != CommandEngine.batchMethod else {
      throw Refusal.invalidParam("/method", "must not be another batch")
    }
    for name in CommandEngine.ofBatches where given.contains(name) {
      throw Refusal.invalidParam("/\(name)", "belongs to the batch as a whole")
    }
    if given["reason"] == nil, let reason = batch.reason {
      given["reason"] = .string(reason)
      if given["about"] == nil, !batch.about.isEmpty {
        given["about"] = .array(batch.about.map { .string($0.text) })
      }
    }
    if given["correlation_id"] == nil, let correlation = batch.correlation {
      given["correlation_id"] = .string(correlation)
    }
    return try prepareOwn(method: method, params: given, principal: principal, origin: origin)
  }

  /// The common parameters that the commands of a batch don't take.
  private static let ofBatches = [CommonParameter.commandID, .dryRun, .onBehalfOf, .origin].map(\.rawValue)

  /// By what a repeated command id is known to mean the same request; nil without a command id.
  func fingerprint(_ common: CommonParameters, _ command: CommandModel, params: JSONObject) -> RequestFingerprint? {
    guard common.commandID != nil else { return nil }
    var parts = RequestParts()
    parts.add(command.method, params, command)
    return parts.fingerprint(by: vault)
  }
}
