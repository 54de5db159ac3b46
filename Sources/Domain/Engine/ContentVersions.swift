import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals

/// The versions of a resource's content: numbered 1, 2, 3 …, a new one only where the canonical content of the fields
/// that the catalog calls versioned differs.
enum ContentVersions {
  /// The number of the present version.
  static func number(of state: ResourceState) -> Int64 {
    state.fields["version_number"]?.integerValue ?? 1
  }

  /// Whether values differ from what a resource holds in a versioned field; both in the clear.
  static func differ(_ values: JSONObject, from state: ResourceState, _ type: ResourceModel) -> Bool {
    values.contains { name, value in type.versioned.contains(name) && value.unlessNull != state.fields[name] }
  }

  /// The values that bring the content of an earlier version back, in the clear; empty where it is there already.
  /// - Throws: ``Refusal``: `invalid_params` where there is no such version, `conflict` where it lacks what is required
  ///   by now, or the history no longer holds it.
  static func rollback(
    of state: ResourceState, _ type: ResourceModel, to wanted: Int64, found: Found?, in decision: Decision
  ) throws -> JSONObject {
    let latest = number(of: state)
    guard wanted <= latest else { throw missing("/to_version", wanted, latest: latest) }
    let content =
      if let found, found.resource == state.id, found.number == wanted, wanted < latest {
        decision.transaction.defaults.values(of: state.type).merging(found.fields)
      } else {
        try content(of: state, version: wanted, in: decision)
      }
    let former = try decision.engine.sealer.plain(content, of: type, resource: state.id)
    let present = try decision.plain(state).fields
    var values = JSONObject()
    for name in type.versioned { values[name] = former[name] ?? .null }
    values = values.filter { $0.value.unlessNull != present[$0.key] }
    for (name, value) in values where value.isNull && type.field(name)?.field.isRequired == true {
      throw Refusal.conflict(
        reason: "state", "That version has no \(name), which the catalog requires by now.", ["allowed": []])
    }
    return values
  }

  /// The refusal of a version number that there isn't.
  static func missing(_ path: String, _ number: Int64, latest: Int64) -> Refusal {
    .invalidParam(path, "there is no version \(number); the latest is \(latest)")
  }

  /// The fields of a resource as they were last at a version number, by undoing its events from the last one on.
  /// - Throws: ``Refusal`` where the history doesn't reach back to it.
  static func content(
    of state: ResourceState, version wanted: Int64, in decision: Decision
  ) throws -> JSONObject {
    let defaults = decision.transaction.defaults.values(of: state.type)
    return defaults.merging(try recordedContent(of: state, version: wanted, in: decision))
  }

  private static func recordedContent(
    of state: ResourceState, version wanted: Int64, in decision: Decision
  ) throws -> JSONObject {
    var walk = WayBack(from: state, to: wanted)
    while let versions = walk.next {
      let records = try decision.transaction.history(of: state.id, versions: versions)
      try decision.checkBudget()
      try walk.undo(records)
    }
    return try walk.fields(of: state)
  }

  // MARK: - Before the decision

  /// The fields of a resource as they were last at an earlier version number: what was, stays, so it is read before the
  /// decision, where nobody waits for it.
  struct Found: Sendable {
    let resource: Identifier
    let number: Int64
    let fields: JSONObject
  }

  /// What a command and those of one batch with it have read, in records and bytes.
  final class Tally: Sendable {
    private let work = NIOLockedValueBox(DecisionWork())

    func add(_ records: [LogRecord], budget: WriterBudget) throws {
      let sum = work.withLockedValue { work in
        work.add(history: records)
        return work
      }
      try budget.check(sum)
    }

    /// That of the command that is being prepared.
    @TaskLocal static var current: Tally?
  }

  /// The preparation of every rollback.
  @Sendable
  static func prepare(_ context: inout CheckContext) -> Preparation<Found?> {
    context.problems.isEmpty ? .background(find) : .ready(nil)
  }

  /// Finds an earlier version's content for `to_version`; nil where the decision has to look itself, or to refuse: the
  /// version isn't an earlier one yet, or the caller may not.
  /// - Throws: ``Refusal`` `too_large` where the way back is too far, `conflict` where the history doesn't reach there.
  static func find(_ engine: CommandEngine, _ command: PreparedCommand) async throws -> Found? {
    guard let id = command.id, let wanted = command.parameters["to_version"]?.integerValue,
      case .single(let model, _) = command.content
    else { return nil }
    let state = try engine.reading { snapshot -> ResourceState? in
      guard let state = try snapshot.living(id, type: model.type.name), wanted < number(of: state),
        try model.type.audience.permits(.reads, to: command.principal, on: state, in: snapshot)
      else { return nil }
      return state
    }
    guard let state else { return nil }
    let tally = Tally.current ?? Tally()
    var walk = WayBack(from: state, to: wanted)
    while let versions = walk.next {
      // Read on this thread, which is the caller's turn, and in parts that let others take theirs.
      let records = try engine.reading { try $0.history(of: id, versions: versions) }
      try tally.add(records, budget: engine.budget)
      try walk.undo(records)
      await Task.yield()
    }
    return Found(resource: id, number: wanted, fields: try walk.fields(of: state))
  }

  /// Undoes a resource's events from the last one on, until an earlier version of its content is there.
  private struct WayBack {
    private let wanted: Int64
    private var fields: JSONObject
    private var upper: Int64

    init(from state: ResourceState, to wanted: Int64) {
      self.wanted = wanted
      fields = state.fields
      upper = state.version
    }

    private var number: Int64 { fields["version_number"]?.integerValue ?? 1 }

    /// The versions whose records are to be undone next; nil where none are.
    var next: ClosedRange<Int64>? {
      number > wanted && upper >= 1 ? max(1, upper - 63)...upper : nil
    }

    /// Undoes the records of these versions, the oldest of which come first.
    mutating func undo(_ records: [LogRecord]) throws {
      guard let versions = next else { return }
      for record in records.reversed() where number > wanted {
        for (name, value) in try record.parsedBody().was { fields[name] = value.unlessNull }
      }
      upper = versions.lowerBound - 1
    }

    /// What is there at the end.
    /// - Throws: ``Refusal`` where the history doesn't reach back so far.
    func fields(of state: ResourceState) throws -> JSONObject {
      guard number <= wanted, fields["version_number"] == nil || number == wanted else { throw lost(state) }
      return fields
    }

    private func lost(_ state: ResourceState) -> Refusal {
      Refusal.conflict(
        reason: "state", "The history of this \(Refusal.spoken(state.type)) no longer holds version \(wanted).",
        ["allowed": []])
    }
  }
}

/// Versions of whatever the catalog calls versioned.
enum VersionedBehaviours {
  /// `versioned.rollback`: the content of an earlier version again, as a new
  /// version; nothing where it is there already.
  static let rollback = Behaviour<ContentVersions.Found?>(prepare: ContentVersions.prepare) { decision, found in
    let state = try decision.target()
    try TemplateRules.checkBuiltin(state, decision)
    guard let wanted = decision.parameters["to_version"]?.integerValue else {
      throw Refusal.invalidParam("/to_version", "is required")
    }
    let values = try ContentVersions.rollback(of: state, decision.type, to: wanted, found: found, in: decision)
    guard !values.isEmpty else { return }
    try decision.edit(
      state, decision.type, event: decision.command.event, values: values, data: ["rolled_back_to": .integer(wanted)])
  }
}
