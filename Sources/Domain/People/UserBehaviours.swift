import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Vault

/// People's accounts.
enum UserBehaviours {
  /// `user.create`: with a password's hash, and a first membership where an organization is named.
  static let create = Behaviour<String?>(
    normalize: withMembershipRole,
    prepare: { context in
      if !context.principal.isAdministrator, !context.parameters.contains("organization_id"),
        let only = context.principal.onlyOrganization
      {
        context.parameters["organization_id"] = .string(only.text)
      }
      if context.parameters.contains("membership_role"), !context.parameters.contains("organization_id") {
        context.refuse("/organization_id", "is required with membership_role")
      }
      guard let password = password(&context) else { return .ready(nil) }
      let organization = context.parameters["organization_id"]?.stringValue.flatMap { Identifier($0) }
      // Hashing takes long: not for who may not do this anyway, which the decision says.
      guard context.principal.allows(.admin, on: "users", organization: organization) else { return .ready(nil) }
      return .background { engine, _ in try await engine.passwords.hash(password) }
    },
    decide: { decision, passwordHash in
      let organization = decision.parameters["organization_id"]?.stringValue.flatMap { Identifier($0) }
      let role = decision.parameters["membership_role"]?.stringValue ?? "member"
      let principal = decision.principal
      if let organization {
        guard principal.canSee(organization: organization),
          try decision.transaction.living(organization, type: "organization") != nil
        else { throw Refusal.missing("organization", organization, at: "/organization_id") }
      }
      try decision.require(.admin, on: "users", in: organization)
      try UserRules.checkPlatformRights(decision.fields, before: nil, by: principal)
      var values = decision.fields.merging(decision.constants())
      values["is_active"] = values["is_active"] ?? true
      if let passwordHash {
        values["password_hash"] = .string(passwordHash)
      } else if decision.parameters["password"]?.stringValue != nil {
        throw rightsChanged
      }
      try decision.checkVersion(0)
      let created = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: decision.prepared.id, organization: nil,
          values: values))
      decision.answered = created.resource
      guard let organization else { return }
      try decision.require(.admin, on: "memberships", in: organization)
      try MembershipRules.checkGrant(
        role: role, platformRole: values["role"]?.stringValue, in: organization, by: principal)
      let membership = try decision.model.type("membership")
      try decision.create(
        Decision.Creation(
          type: membership, event: "membership.created", organization: organization,
          values: [
            "user_id": .string(created.resource.text), "role": .string(role), "joined_at": .string(decision.now.text),
          ], causation: created.id, checksReferences: false))
    })

  /// `user.edit`: one's own profile, or that of somebody in an organization that one administers.
  static let edit = Behaviour(decide: { decision in
    let state = try decision.target()
    try UserRules.checkPlatformRights(decision.fields, before: state, by: decision.principal)
    if decision.fields.contains("keycloak_id"), decision.principal.kind == .user(state.id),
      !decision.principal.isAdministrator
    {
      throw Refusal.forbidden(
        permission: "users:admin", "Whom an identity provider's account stands for is not the person's own to say.")
    }
    if decision.fields.contains(where: { UserRules.accountFields.contains($0.key) }) {
      try UserRules.requireGovernance(
        of: state, memberships: decision.transaction.memberships(of: state.id), by: decision.principal)
    }
    var values = decision.fields.merging(decision.constants())
    // Nobody has verified another address yet, whoever gives it.
    if let email = values["email"], state.fields["email_verified"] == true,
      try decision.differs(email, from: "email", of: state)
    {
      values["email_verified"] = false
    }
    try decision.edit(state, decision.type, event: decision.command.event, values: values)
  })

  /// A new password, hashed.
  struct NewPassword {
    let hash: String
    /// The hash of the present one, where the caller has proved that they know it.
    var replaced: String?
  }

  /// How long a sign-in proves who somebody is, in seconds: to change their own password without the present one.
  private static let freshness: Int64 = 15 * 60

  /// `user.set_password`: by the person, who gives the present one or has just signed in; or by who governs the
  /// account.
  static let setPassword = Behaviour<NewPassword?>(
    prepare: { context in
      guard let password = password(&context) else { return .ready(nil) }
      // Nobody's key tries their password.
      let isOwn = context.id.map { context.principal.kind == .user($0) } ?? false
      let current = isOwn ? context.parameters["current_password"]?.stringValue : nil
      let principal = context.principal
      // Hashing takes long: not for who may not do this anyway, which the decision says.
      guard
        isOwn || principal.isAdministrator
          || principal.organizations.keys.contains(where: {
            principal.allows(.admin, on: "users", organization: $0)
          })
      else { return .ready(nil) }
      return .background { engine, command in
        var replaced: String?
        if let current, let id = command.id { replaced = try await engine.presentHash(of: id, provedBy: current) }
        return NewPassword(hash: try await engine.passwords.hash(password), replaced: replaced)
      }
    },
    decide: { decision, password in
      let state = try decision.target()
      guard let password else { throw rightsChanged }
      if decision.principal.subject == state.id { try checkProof(password, state, decision) }
      try decision.edit(
        state, decision.type, event: decision.command.event, values: ["password_hash": .string(password.hash)])
      // Whoever else knew the old one is out; the person's own connection goes on.
      let isOwn = decision.principal.kind == .user(state.id)
      decision.closings.append(SignInClosing(user: state.id, except: isOwn ? decision.principal.signIn?.number : nil))
    })

  /// Refuses whoever has taken over a connection, and knows nothing that only the person does.
  private static func checkProof(_ password: NewPassword, _ user: ResourceState, _ decision: Decision) throws {
    if let replaced = password.replaced, try decision.engine.passwordHash(of: user) == replaced { return }
    if let signIn = decision.principal.signIn, decision.now < signIn.at.adding(seconds: freshness) { return }
    throw Refusal.invalidParam(
      "/current_password", "is required: send the present password, or sign in again and do this within 15 minutes")
  }

  /// For the moment between the check before the hashing and the decision.
  private static let rightsChanged = Refusal.forbidden(
    permission: "users:admin", "Your rights have changed just now; give the command again.")

  /// `user.deactivate`: ends the person's sessions, and revokes the keys they made, in one transaction;
  /// `user.reactivate` brings neither back. Only an administrator deactivates an organization's last owner.
  static let deactivate = Behaviour(decide: { decision in
    let state = try decision.target()
    if !decision.principal.isAdministrator { try MembershipRules.checkOwners(without: state, in: decision) }
    let keys = try KeyBehaviours.keys(madeBy: state.id, decision)
    guard
      let event = try decision.edit(
        state, decision.type, event: decision.command.event, values: decision.constants())
    else { return }
    try KeyBehaviours.revoke(keys, decision, causation: event.id)
    decision.closings.append(SignInClosing(user: state.id, except: nil))
  })

  /// `user.delete`: the same, for good.
  static let delete = Behaviour(decide: { decision in
    let state = try decision.target()
    let keys = try KeyBehaviours.keys(madeBy: state.id, decision)
    try decision.delete(state, decision.type, event: decision.command.event)
    guard let event = decision.events.first(where: { $0.resource == state.id }) else { return }
    try KeyBehaviours.revoke(keys, decision, causation: event.id)
  })

  /// `user.record_login`: when and from where somebody signed in last, at most once a minute.
  static let recordLogin = Behaviour(
    authorizesItself: true,
    keepsPrincipals: true,
    decide: { decision in
      let state = try decision.target()
      if let last = try lastLogin(of: state, decision), decision.now.isWithin(60, of: last) { return }
      var values = decision.constants()
      values["last_login_ip"] = decision.parameters["ip"] ?? .null
      try decision.edit(state, decision.type, event: decision.command.event, values: values)
    })

  private static func lastLogin(of user: ResourceState, _ decision: Decision) throws -> Timestamp? {
    let name = "last_login_at"
    guard let stored = user.fields[name],
      case .value(let time) = try decision.engine.sealer.open(stored, resource: user.id, field: name)
    else { return nil }
    return time.stringValue.flatMap { Timestamp($0) }
  }

  /// A role of organizations that is given with one, and without `membership_role`, is that of the membership.
  @Sendable private static func withMembershipRole(_ given: JSONObject) -> JSONObject {
    guard given["organization_id"]?.unlessNull != nil, given["membership_role"]?.unlessNull == nil,
      let role = given["role"]?.stringValue, ["owner", "admin", "member"].contains(role)
    else { return given }
    var params = given
    params["role"] = "viewer"
    params["membership_role"] = .string(role)
    return params
  }

  /// The parameter `password`, prepared and checked; nil where none is given.
  private static func password(_ context: inout CheckContext) -> String? {
    guard let given = context.parameters["password"]?.stringValue else { return nil }
    let password: String
    do {
      password = try OpaqueString.prepare(given)
    } catch {
      context.refuse("/password", error.text)
      return given
    }
    if password.unicodeScalars.count < 8 { context.refuse("/password", "must have at least 8 characters") }
    if password.utf8.count > 72 { context.refuse("/password", "must be at most 72 bytes") }
    return password
  }
}
