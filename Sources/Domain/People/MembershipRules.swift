import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// What keeps an organization governed: nobody hands out more than they have, and the last owner stays.
enum MembershipRules {
  /// Refuses a membership that would give more rights than the caller has.
  /// - Parameter values: the membership's fields: `user_id` and `role`.
  static func checkGrant(_ values: JSONObject, in organization: Identifier?, by decision: Decision) throws {
    guard let organization, let user = values["user_id"]?.stringValue.flatMap({ Identifier($0) }) else { return }
    let platformRole = try decision.transaction.state(user)?.fields["role"]?.stringValue
    try checkGrant(
      role: values["role"]?.stringValue ?? "member", platformRole: platformRole, in: organization,
      by: decision.principal)
  }

  /// Whether somebody else could give such a membership.
  static func mayGrant(
    _ values: JSONObject, in organization: Identifier?, by principal: Principal, _ decision: Decision
  ) throws -> Bool {
    guard let organization, let user = values["user_id"]?.stringValue.flatMap({ Identifier($0) }) else { return false }
    let platformRole = try decision.transaction.state(user)?.fields["role"]?.stringValue
    return mayGrant(
      role: values["role"]?.stringValue ?? "member", platformRole: platformRole, in: organization, by: principal)
  }

  private static func mayGrant(
    role: String, platformRole: String?, in organization: Identifier, by principal: Principal
  ) -> Bool {
    if principal.isAdministrator { return true }
    return Principal.rank(of: role) <= principal.rank(in: organization)
      && principal.grantable(in: organization).isSuperset(
        of: Principal.permissions(role: role, platformRole: platformRole, plural: "*"))
  }

  static func checkGrant(
    role: String, platformRole: String?, in organization: Identifier, by principal: Principal
  ) throws {
    guard mayGrant(role: role, platformRole: platformRole, in: organization, by: principal) else {
      throw Refusal.forbidden(
        permission: "memberships:admin", "Nobody gives more rights than they have: this needs the role \(role) there.")
    }
  }

  /// Refuses to touch a membership of a higher rank than the caller's.
  static func checkRank(of membership: ResourceState, by principal: Principal) throws {
    guard let organization = membership.organization else { return }
    guard principal.rank(in: organization) >= Principal.rank(of: membership.fields["role"]?.stringValue) else {
      throw Refusal.forbidden(
        permission: "memberships:admin", "This membership ranks higher than yours.")
    }
  }

  /// Refuses a deletion by which an organization that stays would lose its last owner.
  static func checkOwners(leavingBy plan: DeletionPlan, in decision: Decision) throws {
    var checked: Set<Identifier> = []
    for step in plan.deletions where step.type.name == "membership" {
      guard step.state.fields["role"]?.stringValue == "owner", let organization = step.state.organization,
        !plan.contains(organization), checked.insert(organization).inserted
      else { continue }
      try requireOwner(of: organization, in: decision) { !plan.contains($0) }
    }
  }

  /// Refuses where an organization of an active user has no other owner who is active.
  static func checkOwners(without user: ResourceState, in decision: Decision) throws {
    guard user.fields["is_active"] != false else { return }
    for own in try decision.transaction.memberships(of: user.id) where own.fields["role"]?.stringValue == "owner" {
      guard let organization = own.organization else { continue }
      try requireOwner(of: organization, in: decision, "be deactivated") { link in
        guard let other = try decision.transaction.living(link, type: "membership")?.reference("user_id"),
          other != user.id
        else { return false }
        return try decision.transaction.living(other, type: "user")?.fields["is_active"] != false
      }
    }
  }

  /// Refuses unless an owner whom `counts` accepts remains.
  static func requireOwner(
    of organization: Identifier, in decision: Decision, _ refused: String = "leave",
    _ counts: (Identifier) throws -> Bool
  ) throws {
    let transaction = decision.transaction
    for link in try transaction.referrers(of: organization, type: "membership", limit: .max) {
      if try counts(link.id), let other = try transaction.living(link.id, type: "membership"),
        other.organization == organization,
        other.fields["role"]?.stringValue == "owner"
      {
        return
      }
    }
    throw Refusal.conflict(
      reason: "state", "An organization's last owner can't \(refused); make somebody else an owner first.",
      ["from": "owner", "allowed": []])
  }
}
