import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// Programs' keys.
enum KeyBehaviours {
  /// How many characters of a key are kept to tell keys apart: `dbk_` and eight more.
  static let prefixLength = 12

  /// `api_key.create`: makes the key, shows it this once, keeps its SHA-256.
  static let create = Behaviour(
    check: checkPermissions,
    decide: { decision in
      try checkGrant(decision, decision.fields["permissions"] ?? [:])
      try checkDelegation(decision, before: nil)
      try checkExpiry(decision)
      let key = SecretToken.make(prefix: "dbk_")
      var values: JSONObject = [
        "key_hash": .string(SecretToken.sha256Hex(key)), "key_prefix": .string(String(key.prefix(prefixLength))),
      ]
      if let actor = decision.actor { values["user_id"] = .string(actor.text) }
      try decision.applyCreation(values)
      decision.secretMembers["api_key"] = .string(key)
    })

  /// `api_key.edit`: name, permissions, expiry.
  static let edit = Behaviour(
    check: checkPermissions,
    decide: { decision in
      let state = try decision.target()
      try checkGrant(decision, state.fields["permissions"] ?? [:])
      if let wanted = decision.fields["permissions"] { try checkGrant(decision, wanted) }
      try checkDelegation(decision, before: state)
      try checkExpiry(decision)
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    })

  /// `api_key.mark_used`: when it was used last, at most once a minute; nothing for a key that is gone meanwhile.
  static let markUsed = Behaviour(
    keepsPrincipals: true,
    decide: { decision in
      guard let id = decision.prepared.id, let state = try decision.transaction.living(id, type: "api_key") else {
        return
      }
      if let last = state.fields["last_used_at"]?.stringValue.flatMap({ Timestamp($0) }),
        decision.now.isWithin(KeyUses.interval, of: last)
      {
        return
      }
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.constants())
    })

  /// The keys in force that somebody made, in one organization or in all.
  static func keys(
    madeBy user: Identifier, in organization: Identifier? = nil, _ decision: Decision
  ) throws -> [Identifier] {
    try decision.transaction.referrers(of: user, type: "api_key", limit: .max).compactMap { link in
      guard let key = try decision.transaction.living(link.id, type: "api_key"), key.reference("user_id") == user,
        key.fields["is_active"]?.boolValue == true, organization == nil || key.organization == organization
      else { return nil }
      return key.id
    }
  }

  /// Revokes keys because of an event, which the history of each names as the cause.
  static func revoke(_ keys: [Identifier], _ decision: Decision, causation: Identifier) throws {
    let type = try decision.model.type("api_key")
    for id in keys {
      guard let key = try decision.transaction.living(id, type: "api_key") else { continue }
      try decision.edit(key, type, event: "api_key.revoked", values: ["is_active": false], causation: causation)
    }
  }

  @Sendable private static func checkPermissions(_ context: inout CheckContext) {
    guard let permissions = context.fields["permissions"], !permissions.isNull else { return }
    context.problems += KeyPermissions.problems(permissions, plurals: context.model.plurals, path: "/permissions")
  }

  /// The right to act for people is given by a person, and no key changes a key that has it.
  private static func checkDelegation(_ decision: Decision, before: ResourceState?) throws {
    let has = before?.fields["acts_for_people"] == true
    guard has || decision.fields["acts_for_people"] == true, decision.principal.keyPermissions != nil else { return }
    throw Refusal.forbidden(
      permission: "api_keys:admin",
      "Only a person, an owner or an admin of the organization, makes or changes a key that acts for people.")
  }

  /// A key makes no key, and touches none, that may do more than itself.
  private static func checkGrant(_ decision: Decision, _ permissions: JSON) throws {
    guard let own = decision.principal.keyPermissions else { return }
    guard KeyPermissions.covers(own: own, wanted: KeyPermissions.read(permissions)) else {
      throw Refusal.forbidden(permission: "api_keys:admin", "A key can't hand out more than it may do itself.")
    }
  }

  private static func checkExpiry(_ decision: Decision) throws {
    guard let text = decision.fields["expires_at"]?.stringValue, let expiry = Timestamp(text), expiry <= decision.now
    else { return }
    throw Refusal.invalidParam("/expires_at", "must be in the future; api_key.revoke ends a key now")
  }
}
