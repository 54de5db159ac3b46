import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// People's layouts of widgets. A shared one may be read by its organization; it is changed by its user alone, and by
/// who administers dashboards there.
enum DashboardBehaviours {
  /// `dashboard.create`: the caller's own, where nobody else is named.
  static let create = Behaviour(
    check: { context in
      guard context.fields["user_id"] == nil, let subject = context.principal.subject else { return }
      context.fields["user_id"] = .string(subject.text)
    },
    decide: { decision in
      // Nobody else's is made, or becomes their default, but by who administers dashboards.
      if let user = decision.fields["user_id"]?.stringValue.flatMap({ Identifier($0) }), user != decision.actor {
        try decision.require(.admin, on: decision.type.plural, in: try decision.newOrganization())
      }
      let event = try decision.applyCreation()
      if decision.fields["is_default"] == true { try replaceDefault(by: event.resource, cause: event, decision) }
    })

  /// `dashboard.edit`: its user's.
  static let edit = Behaviour(decide: { decision in
    let state = try own(decision)
    let event = try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    if let event, decision.fields["is_default"] == true { try replaceDefault(by: state.id, cause: event, decision) }
  })

  /// `dashboard.delete`: its user's.
  static let delete = Behaviour(decide: { decision in
    try decision.delete(try own(decision), decision.type, event: decision.command.event)
  })

  /// `dashboard.rollback`: its user's.
  static let rollback = Behaviour<ContentVersions.Found?>(prepare: ContentVersions.prepare) { decision, found in
    _ = try own(decision)
    try VersionedBehaviours.rollback.decide(decision, found)
  }

  /// `dashboard.set_default`: one of a user's dashboards in an organization is the default; the former one no longer
  /// is.
  static let setDefault = Behaviour(decide: { decision in
    let state = try own(decision)
    guard
      let event = try decision.edit(
        state, decision.type, event: decision.command.event, values: ["is_default": true])
    else { return }
    try replaceDefault(by: state.id, cause: event, decision)
  })

  private static func own(_ decision: Decision) throws -> ResourceState {
    let state = try decision.target()
    if let user = state.reference("user_id"), user != decision.actor {
      try decision.require(.admin, on: decision.type.plural, in: state.organization)
    }
    return state
  }

  private static func replaceDefault(
    by id: Identifier, cause: AppendedEvent, _ decision: Decision
  ) throws {
    guard let state = try decision.transaction.living(id, type: decision.type.name) else { return }
    let user = state.reference("user_id")
    guard let holder = user ?? state.organization else { return }
    for link in try decision.transaction.referrers(of: holder, type: decision.type.name, limit: .max)
    where link.id != id {
      guard let other = try decision.transaction.living(link.id, type: decision.type.name),
        other.fields["is_default"] == true, other.organization == state.organization, other.reference("user_id") == user
      else { continue }
      try decision.edit(
        other, decision.type, event: decision.type.updatedEvent, values: ["is_default": false], causation: cause.id)
    }
  }
}
