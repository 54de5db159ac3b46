import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// How sources, destinations and clusters are reached.
///
/// At most one connection is the default of its owner, or, without an owner, of its organization.
enum ConnectionBehaviours {
  /// `connection.create`: its configuration must fit its type; a new default takes the place of the former one.
  static let create = Behaviour(
    check: { context in
      context.problems += ConnectionConfig.problems(
        context.fields["config"], type: context.fields["type"]?.stringValue ?? "",
        hasCredential: context.fields["credential_id"] != nil)
    },
    decide: { decision in
      let event = try decision.applyCreation()
      guard decision.fields["is_default"] == true, let state = try decision.transaction.state(event.resource) else {
        return
      }
      try clearOthers(beside: state, decision, causation: event.id)
    })

  /// `connection.edit`: as at creation. A default one that gets another owner stays the default only where that owner
  /// has none, or it is asked for.
  static let edit = Behaviour(decide: { decision in
    let state = try decision.target()
    var values = try decision.unmasked(
      decision.fields.merging(decision.constants()), of: state, decision.type)
    try checkConfig(of: decision.plain(state), changedBy: values)
    if values.contains("owner_id"), values["is_default"] == nil, state.fields["is_default"] == true {
      let owner = values["owner_id"]?.stringValue.flatMap { Identifier($0) }
      if owner != state.reference("owner_id"), try !defaults(of: owner, beside: state, decision).isEmpty {
        values["is_default"] = false
      }
    }
    guard
      let event = try decision.edit(state, decision.type, event: decision.command.event, values: values),
      values["is_default"] == true, let changed = try decision.transaction.state(state.id)
    else { return }
    try clearOthers(beside: changed, decision, causation: event.id)
  })

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

  /// `connection.set_default`: the former default no longer is.
  static let setDefault = Behaviour(decide: { decision in
    let state = try decision.target()
    guard
      let event = try decision.edit(
        state, decision.type, event: decision.command.event, values: ["is_default": true])
    else { return }
    try clearOthers(beside: state, decision, causation: event.id)
  })

  private static func checkConfig(of state: ResourceState, changedBy values: JSONObject) throws {
    guard ["config", "type", "credential_id"].contains(where: { values.contains($0) }) else { return }
    func value(_ name: String) -> JSON? { (values[name] ?? state.fields[name])?.unlessNull }
    let problems = ConnectionConfig.problems(
      value("config"), type: value("type")?.stringValue ?? "", hasCredential: value("credential_id") != nil)
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
  }

  /// The default connections of an owner, or, without one, of the organization, besides that one.
  private static func defaults(
    of owner: Identifier?, beside state: ResourceState, _ decision: Decision
  ) throws -> [ResourceState] {
    guard let holder = owner ?? state.organization else { return [] }
    return try decision.transaction.referrers(of: holder, type: decision.type.name, limit: .max).compactMap { link in
      guard link.id != state.id, let other = try decision.transaction.living(link.id, type: decision.type.name),
        other.fields["is_default"] == true, other.organization == state.organization,
        other.reference("owner_id") == owner
      else { return nil }
      return other
    }
  }

  private static func clearOthers(
    beside state: ResourceState, _ decision: Decision, causation: Identifier
  ) throws {
    for other in try defaults(of: state.reference("owner_id"), beside: state, decision) {
      try decision.edit(
        other, decision.type, event: decision.type.updatedEvent, values: ["is_default": false], causation: causation)
    }
  }
}
