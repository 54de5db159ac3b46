import BasicTypes
import CanonicalJSON
import EventLog

/// How sources and destinations are reached.
enum ConnectionBehaviours {
  /// `connection.test`: keeps what a test came to.
  static let test = Behaviour(decide: { decision in
    let state = try decision.target()
    try decision.edit(
      state, decision.type, event: decision.command.event,
      values: [
        "last_tested_at": .string(decision.now.text),
        "last_test_status": decision.parameters["status"] ?? .null,
        "last_test_message": decision.parameters["message"] ?? .null,
      ], isForced: true)
  })

  /// `connection.set_default`: one connection is the default of its owner, or, without an owner, of its organization; the former one no longer is.
  static let setDefault = Behaviour(decide: { decision in
    let state = try decision.target()
    guard
      let event = try decision.edit(
        state, decision.type, event: decision.command.event, values: ["is_default": true])
    else { return }
    let owner = state.reference("owner_id")
    guard let holder = owner ?? state.organization else { return }
    let candidates = try decision.transaction.referrers(of: holder, type: decision.type.name, limit: .max)
    for link in candidates where link.id != state.id {
      guard let other = try decision.transaction.living(link.id, type: decision.type.name),
        other.fields["is_default"] == true, other.organization == state.organization,
        other.reference("owner_id") == owner
      else { continue }
      try decision.edit(
        other, decision.type, event: decision.type.updatedEvent, values: ["is_default": false], causation: event.id)
    }
  })
}
