import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// What a decision hands to its completion.
struct Decided: Sendable {
  let result: CommandResult
  /// The epoch of principals that it began, where it changed any.
  let epoch: UInt64?
  /// Whether keys are to be destroyed before it is answered.
  var destroysKeys = false
  /// The persons whose erasure is to be completed before it is answered.
  var erases: [Identifier] = []
  /// The persons whose values are to be hidden, or shown again, before it is answered.
  var restricts: [Identifier] = []
  /// Whether redactions are to be completed before it is answered.
  var redacts = false
}

extension CommandEngine {
  /// Decides a command inside the write transaction. May run more than once for one
  /// submission: all its effects are the transaction's.
  func decide(_ prepared: PreparedCommand, in transaction: LogTransaction) throws -> Decided {
    let principal = try principals.current(prepared.principal, in: transaction)
    let isDryRun = prepared.common.isDryRun
    let commandID = prepared.common.commandID.map { storedCommandID($0, of: principal.actor) }
    if let commandID, !isDryRun, let stored = try transaction.storedCommand(actor: principal.actor, id: commandID) {
      return Decided(result: try replay(stored, of: prepared), epoch: nil)
    }
    let answer: Answer
    switch prepared.content {
    case .single(let command, let preparation):
      let decision = try run(
        prepared, command, preparation, principal: principal, in: transaction, isDryRun: isDryRun, eventsBefore: 0)
      answer = try Answer(decision, isDryRun: isDryRun)
    case .batch(let commands):
      answer = try decideBatch(commands, principal: principal, in: transaction, isDryRun: isDryRun)
    }
    if isDryRun {
      transaction.discard()
    } else if answer.hasEvents, let commandID, let fingerprint = prepared.fingerprint {
      // What recorded nothing is kept nowhere: given again, it is decided again.
      var stored = answer.stored
      if let digest = fingerprint.personal, let event = answer.firstEvent,
        answer.subjects.count <= SharedDigest.mostShares
      {
        stored[CommandEngine.personalMember] = try SharedDigest.seal(
          digest, for: answer.subjects, organization: answer.organization, event: event, by: vault)
      }
      try transaction.storeCommand(
        actor: principal.actor, id: commandID,
        StoredCommand(fingerprint: fingerprint.open, result: stored.canonicalBytes))
    }
    return Decided(
      result: CommandResult(position: answer.position, resultBytes: answer.shown.canonicalBytes),
      epoch: answer.changesPrincipals && !isDryRun ? principals.advance(closing: answer.closings, by: prepared) : nil,
      destroysKeys: answer.destroysKeys && !isDryRun, erases: isDryRun ? [] : answer.erases,
      restricts: isDryRun ? [] : answer.restricts, redacts: answer.redacts && !isDryRun)
  }

  private func decideBatch(
    _ commands: [PreparedCommand], principal: Principal, in transaction: LogTransaction, isDryRun: Bool
  ) throws -> Answer {
    var principal = principal
    var answers: [Answer] = []
    answers.reserveCapacity(commands.count)
    var events = 0
    for (index, member) in commands.enumerated() {
      guard case .single(let command, let preparation) = member.content else {
        throw Refusal.internalError("A batch inside a batch got past its check.")
      }
      do {
        let decision = try run(
          member, command, preparation, principal: principal, in: transaction, isDryRun: isDryRun,
          eventsBefore: events)
        events += decision.events.count
        answers.append(try Answer(decision, isDryRun: isDryRun))
        // What a narrowed member has just made a workspace for is theirs to see.
        if decision.changesPrincipals, !principal.narrowings.isEmpty {
          principal =
            try PrincipalRegister.again(
              principal, from: transaction, now: transaction.now, epoch: principal.epoch) ?? principal
        }
      } catch let error as EventLogError where error.code == .overloaded || error.code == .clockSetBack {
        throw error
      } catch let error as Refusal {
        throw error.atIndex(index)
      }
    }
    return Answer(batch: answers, head: transaction.headPosition, isDryRun: isDryRun)
  }

  private func run(
    _ prepared: PreparedCommand, _ command: CommandModel, _ preparation: Preparation<Deciding>, principal: Principal,
    in transaction: LogTransaction, isDryRun: Bool, eventsBefore: Int
  ) throws -> Decision {
    guard case .ready(let decide) = preparation else {
      throw Refusal.internalError("\(prepared.method) was submitted before it was prepared.")
    }
    let decision = Decision(
      engine: self, transaction: transaction, prepared: prepared, command: command, principal: principal,
      isDryRun: isDryRun, eventsBefore: eventsBefore)
    do {
      try decision.checkOffice()
      if !prepared.common.about.isEmpty { try decision.checkAbout() }
      try decide(decision)
      try Reactions.settle(decision)
    } catch let refusal as Refusal {
      throw decision.namingBoth(refusal)
    }
    return decision
  }

  private func replay(_ stored: StoredCommand, of prepared: PreparedCommand) throws -> CommandResult {
    guard var result = try JSON.parse(stored.result).objectValue else {
      throw Refusal.internalError("The stored result of a command is no object.")
    }
    let shares = result.removeValue(forKey: CommandEngine.personalMember)
    guard try isSame(stored.fingerprint, shares, prepared.fingerprint) else {
      throw Refusal.conflict(
        reason: "command", "This command_id was used before, with other parameters.",
        ["command_id": .string(prepared.common.commandID ?? "")])
    }
    result["replayed"] = true
    let position = result["position"]?.integerValue.flatMap { UInt64(exactly: $0) } ?? 0
    return CommandResult(position: position, resultBytes: result.canonicalBytes)
  }

  /// Whether a request is the one that was answered, as far as can be told: of whoever was erased, nothing can.
  private func isSame(_ open: [UInt8], _ shares: JSON?, _ given: RequestFingerprint?) throws -> Bool {
    if open == RequestFingerprint.unknown { return true }
    guard let given, given.open == open else { return false }
    // That the same personal values were given is told by the first part.
    guard let shares, let digest = try SharedDigest.open(shares, by: vault) else { return true }
    return digest == given.personal
  }

  /// Where a stored answer has the sealed part of the request's fingerprint.
  private static let personalMember = "$personal"
}

/// The answer to a command: as it is shown now, and as it may be kept.
private struct Answer {
  let shown: JSONObject
  /// Without what is shown only once.
  let stored: JSONObject
  let position: UInt64
  let hasEvents: Bool
  let changesPrincipals: Bool
  let destroysKeys: Bool
  let erases: [Identifier]
  let restricts: [Identifier]
  let redacts: Bool
  let closings: [SignInClosing]
  /// The first event that was recorded, and for whom and in which organization something was sealed.
  let firstEvent: Identifier?
  let subjects: [Identifier]
  let organization: Identifier?

  init(_ decision: Decision, isDryRun: Bool) throws {
    let position = decision.events.last?.position ?? decision.transaction.headPosition
    var object = decision.members
    object["events"] = .array(
      decision.events.map { event in
        .object(
          JSONObject(members: [
            (key: "event", value: .string(event.event)), (key: "id", value: .string(event.id.text)),
            (key: "position", value: isDryRun ? .null : .integer(Int64(event.position))),
          ]))
      })
    if let answered = decision.answered {
      object["id"] = .string(answered.text)
      let version =
        try decision.events.last { $0.resource == answered }?.version
        ?? decision.transaction.state(answered)?.version
      if let version { object["version"] = .integer(version) }
    }
    object["position"] = isDryRun ? .null : .integer(Int64(position))
    if isDryRun { object["dry_run"] = true }
    stored =
      decision.secretMembers.isEmpty
      ? object : object.merging(decision.secretMembers.mapValues { _ in ["shown_once": true] })
    shown = isDryRun || decision.secretMembers.isEmpty ? object : object.merging(decision.secretMembers)
    self.position = position
    hasEvents = !decision.events.isEmpty
    changesPrincipals = decision.changesPrincipals
    destroysKeys = decision.destroysKeys
    erases = decision.erases
    restricts = decision.restricts
    redacts = decision.redacts
    closings = decision.closings
    firstEvent = decision.events.first?.id
    subjects = decision.subjects
    organization = decision.organization
  }

  init(batch answers: [Answer], head: UInt64, isDryRun: Bool) {
    func object(_ results: [JSONObject]) -> JSONObject {
      var object: JSONObject = [
        "results": .array(results.map(JSON.object)), "position": isDryRun ? .null : .integer(Int64(head)),
      ]
      if isDryRun { object["dry_run"] = true }
      return object
    }
    shown = object(answers.map(\.shown))
    stored = object(answers.map(\.stored))
    position = head
    hasEvents = answers.contains { $0.hasEvents }
    changesPrincipals = answers.contains { $0.changesPrincipals }
    destroysKeys = answers.contains { $0.destroysKeys }
    erases = answers.flatMap(\.erases)
    restricts = answers.flatMap(\.restricts)
    redacts = answers.contains { $0.redacts }
    closings = answers.flatMap(\.closings)
    firstEvent = answers.lazy.compactMap(\.firstEvent).first
    var all: [Identifier] = []
    for answer in answers { SharedDigest.add(answer.subjects, to: &all) }
    subjects = all
    organization = answers.lazy.compactMap(\.organization).first
  }
}

extension Decision {
  /// Decides a command that the catalog says everything about.
  func applyCatalog() throws {
    switch command.command.effect {
    case .create: try applyCreation()
    case .edit:
      try edit(target(), type, event: command.event, values: fields.merging(constants()))
    case .delete: try delete(target(), type, event: command.event)
    case .transition: try applyTransition()
    case .behaviour:
      throw Refusal.internalError("The catalog names no behaviour for \(command.method).")
    }
  }

  /// Makes the resource that the parameters describe.
  /// - Parameter values: what a behaviour sets besides.
  @discardableResult
  func applyCreation(_ values: JSONObject = [:]) throws -> AppendedEvent {
    let organization = try newOrganization()
    try authorize(in: organization)
    try checkVersion(0)
    let all = fields.merging(constants()).merging(values)
    if type.name == "membership" { try MembershipRules.checkGrant(all, in: organization, by: self) }
    let event = try create(
      Creation(type: type, event: command.event, id: prepared.id, organization: organization, values: all))
    answered = event.resource
    return event
  }

  private func applyTransition() throws {
    let state = try target()
    var values = constants()
    // A parameter that is named like a field sets it.
    for (name, value) in parameters where type.field(name) != nil { values[name] = value }
    if let lifecycle = type.lifecycle {
      try checkLifecycle(state, allowed: command.command.from)
      if let to = command.command.to { values[lifecycle.field] = .string(to) }
    }
    try edit(state, type, event: command.event, values: values)
  }

  /// Refuses where the resource isn't in one of some states; an empty list allows any.
  func checkLifecycle(_ state: ResourceState, allowed: [String]) throws {
    guard let lifecycle = type.lifecycle, !allowed.isEmpty else { return }
    let present = state.fields[lifecycle.field]?.stringValue ?? lifecycle.initial
    guard !allowed.contains(present) else { return }
    throw Decision.wrongState(command.method, present: present, allowed: allowed)
  }

  static func wrongState(_ method: String, present: String, allowed: [String]) -> Refusal {
    .conflict(
      reason: "state",
      "\(method) needs the state \(allowed.joined(separator: " or ")); it is \(present).",
      ["from": .string(present), "allowed": .array(allowed.map(JSON.string))])
  }
}
