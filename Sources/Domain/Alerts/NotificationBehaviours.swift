import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// What people were told, and what they have read of it.
enum NotificationBehaviours {
  /// `notification.mark_read`: by the one it is addressed to; what is addressed to all of an organization, by anyone of
  /// it. Nothing where it is read already.
  static let markRead = Behaviour(decide: { decision in
    let state = try decision.target()
    if let addressee = state.reference("user_id"), addressee != decision.actor, decision.principal.isResolved {
      throw Refusal.forbidden(
        permission: "notifications:read", "Only the one to whom it is addressed marks a notification as read.")
    }
    guard state.fields["is_read"] != true else { return }
    try decision.edit(state, decision.type, event: decision.command.event, values: decision.constants())
  })

  /// How many of a person's notifications are looked through, the newest first.
  private static let lookedThrough = 10_000

  /// `notification.mark_all_read`: every unread one that is addressed to the caller, in one organization or in all.
  static let markAllRead = Behaviour(
    findsOrganization: true,
    decide: { decision in
      guard let reader = decision.actor else {
        throw Refusal.forbidden(
          permission: "notifications:read", "Only a person has notifications of their own to mark as read.")
      }
      let organization = try decision.prepared.organization.map { organization in
        guard decision.principal.canSee(organization: organization) else {
          throw Refusal.missing("organization", organization, at: "/organization_id")
        }
        return organization
      }
      if let organization { try decision.authorize(in: organization) }
      // Ids are in the order of time.
      let links = try decision.transaction.referrers(of: reader, type: decision.type.name, limit: .max)
        .sorted { $1.id.bytes.lexicographicallyPrecedes($0.id.bytes) }
      var marked: Int64 = 0
      for link in links.prefix(lookedThrough) {
        guard let state = try decision.transaction.living(link.id, type: decision.type.name),
          state.reference("user_id") == reader, state.fields["is_read"] != true,
          organization == nil || state.organization == organization,
          decision.principal.allows(.read, on: decision.type.plural, organization: state.organization)
        else { continue }
        try decision.edit(
          state, decision.type, event: decision.command.event,
          values: ["is_read": true, "read_at": .string(decision.now.text)])
        marked += 1
      }
      decision.members["marked"] = .integer(marked)
    })
}
