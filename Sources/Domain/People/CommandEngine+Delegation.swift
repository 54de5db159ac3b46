import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Programs that act for people: an API key gives a command `on_behalf_of` somebody of its organization.
extension CommandEngine {
  /// Who gives a command, and its parameters with the id of the person whom they may name by e-mail address. Reads the
  /// log where a key acts for somebody: short, on the calling thread.
  /// - Throws: ``Refusal``: `forbidden` where the caller may act for nobody, `not_found` for a person of whom the key's
  ///   organization knows nothing, `conflict` for one who is deactivated.
  func acting(_ principal: Principal, _ params: JSONObject) throws -> (Principal, JSONObject) {
    guard let given = params[CommonParameter.onBehalfOf.rawValue]?.stringValue else { return (principal, params) }
    try PrincipalRegister.checkActsForPeople(principal)
    let epoch = principals.settledEpoch
    let keys = rules.keys(CommandEngine.userEmail, [.string(given)])
    let rules = rules
    return try reading { snapshot in
      let person: Identifier
      if let id = Identifier(given) {
        person = id
      } else if let id = try rules.holders(of: keys, CommandEngine.userEmail, in: snapshot).first {
        person = id
      } else {
        throw Refusal.nobodyToActFor(given)
      }
      guard
        let key = try PrincipalRegister.resolve(
          principal.kind, signIn: nil, from: snapshot, now: clock(), epoch: epoch)
      else { throw Refusal.unauthenticated() }
      let acting = try PrincipalRegister.delegate(key, to: person, named: given, from: snapshot)
      var named = params
      named[CommonParameter.onBehalfOf.rawValue] = .string(person.text)
      return (acting, named)
    }
  }
}

extension PrincipalRegister {
  /// Refuses who may act for nobody else.
  /// - Throws: ``Refusal`` `forbidden`.
  static func checkActsForPeople(_ principal: Principal) throws {
    if principal.actsForPeople { return }
    guard principal.keyPermissions != nil else {
      throw Refusal.forbidden(
        permission: actsForPeople, "Only an API key gives commands on behalf of people; leave on_behalf_of out.")
    }
    throw Refusal.forbidden(
      permission: actsForPeople,
      """
      The key \(principal.actor) may act for nobody: an owner or an admin of its organization gives it \
      acts_for_people, and whoever made it must still be one.
      """)
  }

  /// The right, as refusals name it.
  static let actsForPeople = "acts_for_people"

  /// A key as it acts for a person of its organization: with the rights that both have, as a key that the person had
  /// made.
  /// - Parameter given: How the caller named the person.
  /// - Throws: ``Refusal``, which says nothing of people whom the organization doesn't have.
  static func delegate(
    _ key: Principal, to person: Identifier, named given: String, from source: borrowing some StateSource & ~Copyable
  ) throws -> Principal {
    try checkActsForPeople(key)
    guard let organization = key.onlyOrganization, let user = try source.living(person, type: "user"),
      let membership = try source.memberships(of: person).first(where: { $0.organization == organization }),
      let given = membership.fields["role"]?.stringValue
    else { throw Refusal.nobodyToActFor(given) }
    guard user.fields["is_active"]?.boolValue != false else {
      throw Refusal.conflict(
        reason: "state",
        """
        The person user:\(person.text) is deactivated, so the key \(key.actor) can't act for them; reactivate them first.
        """,
        ["from": "deactivated", "allowed": ["active"]])
    }
    let role = PrincipalRegister.role(given, of: membership)
    let platformRole = user.fields["role"]?.stringValue
    let narrowing = Narrowing(
      role: role, platformRole: platformRole,
      platform: try source.state(organization)?.fields["platform"]?.stringValue)
    let placed: Set<Identifier> = role == Principal.guest || narrowing == .workspaces ? [organization] : []
    return Principal(
      kind: key.kind, organizations: key.organizations,
      workspaces: try workspaces(of: person, in: placed, from: source),
      narrowings: narrowing.map { [organization: $0] } ?? [:], keyPermissions: key.keyPermissions,
      bound: Principal.Bound(role: role, platformRole: platformRole), subject: person,
      actsForPeople: true, onBehalfOf: person, expiresAt: key.expiresAt, epoch: key.epoch)
  }
}

extension Refusal {
  /// There is no such person where the key is: whether there is one elsewhere isn't said, and no address is repeated.
  fileprivate static func nobodyToActFor(_ given: String) -> Refusal {
    let problem = "there is no person of this id or address in the key's organization"
    guard let id = Identifier(given) else {
      return Refusal(
        .notFound, "There is no user of this e-mail address in the key's organization.",
        ["resource_type": "user", "id": .null, "problems": [["path": "/on_behalf_of", "problem": .string(problem)]]])
    }
    return .missing("user", id, at: "/on_behalf_of")
  }
}

extension Decision {
  /// A refusal that names both who may not: the key, and the person for whom it acts.
  func namingBoth(_ refusal: Refusal) -> Refusal {
    guard let person = principal.onBehalfOf, refusal.code == .forbidden else { return refusal }
    var both = refusal
    both.data["actor"] = .string(principal.actor)
    both.data["on_behalf_of"] = .string(person.text)
    return Refusal(
      both.code,
      "\(refusal.message) The key \(principal.actor) asked on behalf of user:\(person.text): both need the right.",
      both.data)
  }
}
