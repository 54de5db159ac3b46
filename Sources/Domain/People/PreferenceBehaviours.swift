import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Schedules

/// How people like things shown: everybody's own, and besides only for who administers their organization.
enum PreferenceBehaviours {
  /// `user_preferences.create`: for who asks, where no user is named.
  static let create = Behaviour(
    check: { context in
      checkZone(&context)
      guard context.fields["user_id"] == nil else { return }
      if let actor = context.principal.subject {
        context.fields["user_id"] = .string(actor.text)
      } else {
        context.refuse("/user_id", "is required: say whose they are")
      }
    },
    decide: { decision in
      let organization = try decision.newOrganization()
      try requireRight(decision, user: decision.fields["user_id"], in: organization)
      try decision.checkVersion(0)
      let created = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: decision.prepared.id, organization: organization,
          values: decision.fields.merging(decision.constants())))
      decision.answered = created.resource
    })

  /// `user_preferences.edit`.
  static let edit = Behaviour(
    check: { context in checkZone(&context) },
    authorizesItself: true,
    decide: { decision in
      let state = try decision.target()
      try requireRight(decision, user: state.fields["user_id"], in: state.organization)
      try checkRecipient(decision, of: state)
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    })

  /// `user_preferences.delete`: the defaults hold again.
  static let delete = Behaviour(
    authorizesItself: true,
    decide: { decision in
      let state = try decision.target()
      try requireRight(decision, user: state.fields["user_id"], in: state.organization)
      try decision.delete(state, decision.type, event: decision.command.event)
    })

  /// A time zone is one by name, as a schedule's is.
  @Sendable private static func checkZone(_ context: inout CheckContext) {
    guard let name = context.fields["timezone"]?.stringValue else { return }
    if let problem = Schedule.problem(ofZone: name) { context.refuse("/timezone", problem) }
  }

  /// Whoever isn't shown a personal field doesn't change it either: an edit that changes nothing would tell what it is.
  private static func checkRecipient(_ decision: Decision, of state: ResourceState) throws {
    let disclosure = Disclosure(
      to: decision.principal, of: decision.type.plural, subject: state.reference("user_id"),
      organizations: state.organization.map { [$0] } ?? [])
    for name in decision.fields.keys {
      guard let record = decision.type.field(name)?.field.personal, !disclosure.reaches(record.recipients) else {
        continue
      }
      throw Refusal.forbidden(
        permission: "recipient", "\(name) is for the person alone, and for administrators: others don't change it.")
    }
  }

  /// One's own need no more than a place in the organization, which seeing them
  /// proves; a key needs its permission for them.
  private static func requireRight(_ decision: Decision, user: JSON?, in organization: Identifier?) throws {
    let owner = user?.stringValue.flatMap { Identifier($0) }
    if let owner, decision.principal.kind == .user(owner) { return }
    let isOwn = owner != nil && owner == decision.actor
    try decision.require(isOwn ? .write : .admin, on: decision.type.plural, in: organization)
  }
}
