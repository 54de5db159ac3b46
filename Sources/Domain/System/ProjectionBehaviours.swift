import BasicTypes
import CanonicalJSON
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals

/// What operators decide about read models.
enum ProjectionBehaviours {
  /// `projection.skip`: the projection passes over the event that it stopped at.
  static let skip = Behaviour<[UInt64]?>(
    alsoRefuses: [.conflict],
    prepare: { context in
      guard let name = context.parameters["name"]?.stringValue else { return .ready(nil) }
      // Where it stands changes by itself; once recorded, a command that is repeated has its answer all the same.
      return .background { engine, _ in engine.stoppedAt.withLockedValue { $0 }?(name) }
    },
    decide: { decision, stops in
      let (name, position) = try parameters(decision)
      guard position <= Int64(decision.transaction.headPosition) else {
        throw Refusal.invalidParam("/position", "the log does not reach this position yet")
      }
      let (id, known) = try DerivedIdentifier.projection(name).resolve(decision.transaction.state)
      decision.answered = id
      let skipped = known?.fields["skipped"]?.arrayValue ?? []
      guard !skipped.contains(.integer(position)) else { return }
      if let stops, decision.parameters["force"] != true, !stops.contains(UInt64(position)) {
        let place = stops.isEmpty ? "nowhere" : "at position \(stops.map { "\($0)" }.joined(separator: " and "))"
        throw Refusal.conflict(
          reason: "state",
          "\(name) has stopped \(place), so passing over position \(position) would only take from its rows. "
            + "The parameter force (on the command line --force) does it all the same.",
          ["stopped_at": .array(stops.map { JSON(position: $0) })])
      }
      guard let state = known else {
        try decision.checkVersion(0)
        try decision.create(
          Decision.Creation(
            type: decision.type, event: decision.command.event, id: id, organization: nil,
            values: ["name": .string(name), "skipped": [.integer(position)]], data: ["position": .integer(position)]))
        return
      }
      try decision.checkVersion(state.version)
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: ["skipped": .array(skipped + [.integer(position)])], data: ["position": .integer(position)])
    })

  /// `projection.unskip`: the projection takes the event again, from its next rebuild on.
  static let unskip = Behaviour(
    alsoRefuses: [.conflict],
    decide: { decision in
      let (name, position) = try parameters(decision)
      let (id, known) = try DerivedIdentifier.projection(name).resolve(decision.transaction.state)
      decision.answered = id
      let skipped = known?.fields["skipped"]?.arrayValue ?? []
      guard let state = known, skipped.contains(.integer(position)) else {
        throw Refusal.conflict(reason: "state", "\(name) doesn't pass over position \(position).")
      }
      try decision.checkVersion(state.version)
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: ["skipped": .array(skipped.filter { $0 != .integer(position) })],
        data: ["position": .integer(position)])
    })

  private static func parameters(_ decision: Decision) throws -> (name: String, position: Int64) {
    try decision.authorize(in: nil)
    guard let name = decision.parameters["name"]?.stringValue,
      let position = decision.parameters["position"]?.integerValue
    else { throw Refusal.invalidParam("/name", "is required") }
    return (name, position)
  }
}

extension CommandEngine {
  /// Says how it is found out at which positions a read model has stopped; nil from it where nobody knows.
  package func findStops(by find: @escaping @Sendable (_ readModel: String) -> [UInt64]?) {
    stoppedAt.withLockedValue { $0 = find }
  }
}
