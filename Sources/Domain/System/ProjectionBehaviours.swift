import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals

/// What operators decide about read models.
enum ProjectionBehaviours {
  /// `projection.skip`: the projection passes over an event.
  static let skip = Behaviour(decide: { decision in
    try decision.authorize(in: nil)
    guard let name = decision.parameters["name"]?.stringValue,
      let position = decision.parameters["position"]?.integerValue
    else { throw Refusal.invalidParam("/name", "is required") }
    guard position <= Int64(decision.transaction.headPosition) else {
      throw Refusal.invalidParam("/position", "the log does not reach this position yet")
    }
    let (id, known) = try DerivedIdentifier.projection(name).resolve(decision.transaction.state)
    decision.answered = id
    guard let state = known else {
      try decision.checkVersion(0)
      try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: nil,
          values: ["name": .string(name), "skipped": [.integer(position)]], data: ["position": .integer(position)]))
      return
    }
    try decision.checkVersion(state.version)
    let skipped = state.fields["skipped"]?.arrayValue ?? []
    guard !skipped.contains(.integer(position)) else { return }
    try decision.edit(
      state, decision.type, event: decision.command.event, values: ["skipped": .array(skipped + [.integer(position)])],
      data: ["position": .integer(position)])
  })
}
