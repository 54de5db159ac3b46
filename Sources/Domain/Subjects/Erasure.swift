import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// What the erasure of a person does to the log's states, found before anything is recorded.
struct Erasure {
  private let person: ResourceState
  /// What goes with the account, and what loses its reference to it.
  private let plan: DeletionPlan
  /// The API keys that the person made.
  private let keys: [Identifier]
  private let memberships: [ResourceState]

  /// Finds it.
  /// - Throws: ``Refusal`` `held` where a legal hold keeps the person, or anything that would go with them. One of an
  ///   older log that brought an erased person back holds nobody: nothing of theirs is left to be kept.
  init(of person: ResourceState, _ decision: Decision) throws {
    self.person = person
    decision.passesHolds = decision.engine.vault.isErased(.subject(person.id))
    memberships = try decision.transaction.memberships(of: person.id)
    if person.isDeleted {
      // The account is gone, with what went with it; what was sealed for the person is not.
      try decision.refuseIfHeld(person.id)
      plan = DeletionPlan()
      keys = []
    } else {
      plan = try decision.erasurePlan(of: person, try decision.model.type("user"))
      keys = try KeyBehaviours.keys(madeBy: person.id, decision)
    }
  }

  /// Ends what the person could do, releases what only one can have, and takes the account away.
  func carryOut(_ decision: Decision, causation: Identifier) throws {
    guard !person.isDeleted else { return }
    let type = try decision.model.type("user")
    try KeyBehaviours.revoke(keys, decision, causation: causation)
    try decision.edit(
      try decision.transaction.state(person.id) ?? person, type, event: type.updatedEvent,
      values: [
        "is_active": false, "email_verified": false, "password_hash": .null, "preferences": .null,
        "last_login_at": .null,
      ], causation: causation)
    try tellOrganizations(decision, causation: causation)
    try decision.carryOut(plan, causation: causation)
    // Of a person whose key is gone already (a backup brought the account back) no value tells its key in the index.
    if decision.engine.vault.isErased(.subject(person.id)) {
      for constraint in type.unique {
        for key in try decision.transaction.keys(constraint: constraint.name, heldBy: person.id) {
          try decision.transaction.release(constraint: constraint.name, key: key)
        }
      }
    }
    decision.closings.append(SignInClosing(user: person.id, except: nil))
  }

  /// Records in each organization of the person that they were erased, by whom and by which decision: each answers for
  /// the person's data, and an officer of one may decide for all. Why, only those are told who see the decision.
  private func tellOrganizations(_ decision: Decision, causation: Identifier) throws {
    let type = try decision.model.type("organization")
    for organization in memberships.compactMap(\.organization) {
      guard try decision.transaction.living(organization, type: type.name) != nil else { continue }
      var draft = EventDraft(
        event: "organization.member_erased", type: type.name, resource: organization,
        actor: decision.principal.actor, schema: decision.model.catalog.revision, at: decision.now)
      draft.organization = organization
      draft.causation = causation
      draft.data = ["person_id": .string(person.id.text)]
      try decision.append(draft, type: type)
    }
  }

  /// What goes, what stays on which ground, and what expires when; no value of the person's among it.
  func facts(_ inventory: ErasureInventory, _ decision: Decision) throws -> JSONObject {
    let organizations = memberships.compactMap(\.organization)
    var deleted: [String: Int] = [:]
    for step in plan.deletions where step.state.id != person.id { deleted[step.type.name, default: 0] += 1 }
    var cleared: [String: Int] = [:]
    for clearing in plan.clearings where !plan.contains(clearing.referrer.id) {
      cleared[clearing.type.name, default: 0] += 1
    }
    var referring: [String: Int] = [:]
    for (referrer, type) in plan.restricting where !plan.contains(referrer.id) {
      referring[type.name, default: 0] += 1
    }
    let kept = referring.sorted { $0.key < $1.key }.map { name, count -> JSON in
      [
        "what": "references", "resource_type": .string(name), "count": .integer(Int64(count)),
        "ground": .string(Erasure.accountability),
      ]
    }
    var facts: JSONObject = [
      "erased": inventory.json,
      "deleted": Erasure.counts(deleted),
      "cleared": Erasure.counts(cleared),
      "revoked_api_keys": .integer(Int64(keys.count)),
      "organizations": .array(organizations.map { .string($0.text) }),
      "left_without_owner": .array(try leftWithoutOwner(decision).map { .string($0.text) }),
      "kept": .array(kept + Erasure.alwaysKept),
      "expires": .array(try expiring(organizations, decision)),
    ]
    if let exports = inventory.exports { facts["exports"] = .array(exports) }
    return facts
  }

  /// What no erasure takes, and why.
  private static let alwaysKept: [JSON] = [
    [
      "what": "the person's id as the actor of events, and in references",
      "ground": .string(accountability),
    ],
    [
      "what":
        "text that somebody wrote into resources without naming the person as its subject, such as names and descriptions",
      "ground":
        "not sealed for the person; it is changed by editing the resource, and earlier versions stay in the log",
    ],
    [
      "what": "reasons and addresses of other persons' acts",
      "ground": "personal data of those persons, unless the act or the reason was about this one",
    ],
    [
      "what": "the ground that was given for this erasure",
      "ground": "proof that it was ordered, and why: it names an article of the law and tells no story",
    ],
    [
      "what": "earlier exports of keys, exports and backups outside of this server",
      "ground": "out of reach: delete each export of keys that is older than this receipt",
    ],
  ]

  private static let accountability =
    "legal obligation and legal claims (GDPR Art. 17(3)(b) and (e)): who did what, by an id that names nobody"

  private static func counts(_ counts: [String: Int]) -> JSON {
    .object(
      JSONObject(members: counts.sorted { $0.key < $1.key }.map { (key: $0.key, value: .integer(Int64($0.value))) }))
  }

  /// The organizations whose only owner the person is.
  private func leftWithoutOwner(_ decision: Decision) throws -> [Identifier] {
    try memberships.filter { $0.fields["role"] == "owner" }.compactMap(\.organization).filter { organization in
      try !decision.transaction.referrers(of: organization, type: "membership", limit: .max).contains { link in
        guard let other = try decision.transaction.living(link.id, type: "membership") else { return false }
        return other.fields["role"] == "owner" && other.reference("user_id") != person.id
      }
    }
  }

  /// Payloads of the person's organizations that may name the person, and are sealed for a month: when each class is
  /// gone by the rules of today.
  private func expiring(_ organizations: [Identifier], _ decision: Decision) throws -> [JSON] {
    let known = decision.engine.vault.expiringKeys()
    var result: [JSON] = []
    for organization in organizations {
      for retentionClass in RetentionClass.allCases where retentionClass.isSealed {
        let months = known.filter {
          $0.organization == organization && $0.retentionClass == retentionClass.rawValue
        }.map(\.month)
        guard let last = months.max(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }),
          let end = CalendarMonth.end(of: last)
        else { continue }
        let rule = try RetentionPolicies.rule(
          retentionClass, organization: organization, in: decision.transaction,
          decision.engine.retentionDocuments)
        result.append([
          "organization_id": .string(organization.text), "class": .string(retentionClass.rawValue),
          "months": .integer(Int64(months.count)),
          // Null for what nothing lets go by itself.
          "gone_by": rule.hours.map { .string(min(.maximum, end.adding(seconds: $0 * 3600)).text) } ?? .null,
        ])
      }
    }
    return result
  }
}
