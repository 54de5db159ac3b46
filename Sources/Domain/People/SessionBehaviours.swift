import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Vault

/// Sign-ins.
enum SessionBehaviours {
  /// `session.refuse`: refused attempts of one source within a minute, as a fact;
  /// each such event is a resource of its own. Whose accounts were tried, it says to who may know.
  static let refuse = Behaviour(decide: { decision in
    var draft = try decision.draft(
      decision.command.event, type: decision.type, resource: Identifier.version7(at: decision.now), organization: nil,
      fields: [:])
    draft.data = decision.parameters
    if let tried = draft.data.removeValue(forKey: AccessFacts.accounts) {
      let accounts = try accounts(of: tried, decision, &draft)
      if !accounts.isEmpty { draft.data[AccessFacts.accounts] = .array(accounts) }
    }
    decision.answered = draft.resource
    try decision.append(draft, type: decision.type)
  })

  /// The accounts that somebody has, each sealed for that person.
  ///
  /// They are looked up here, on the writer's thread, which the stranger's answer doesn't wait for: nothing that a
  /// stranger sees depends on whether there is such an account.
  private static func accounts(of tried: JSON, _ decision: Decision, _ draft: inout EventDraft) throws -> [JSON] {
    var attempts: [Identifier: Int64] = [:]
    for entry in tried.arrayValue ?? [] {
      guard let key = entry["key"]?.stringValue.flatMap({ Base64.decode($0) }), !key.isEmpty,
        let person = try decision.engine.holder(ofAccount: key, in: decision.transaction)
      else { continue }
      attempts[person, default: 0] += entry["attempts"]?.integerValue ?? 1
    }
    return try attempts.sorted { $0.key < $1.key }.compactMap { person, count in
      // Nothing is sealed for who was erased.
      guard !decision.engine.vault.isErased(.subject(person)) else { return nil }
      draft.note([person])
      return [
        "person": try decision.engine.vault.seal(
          .string(person.text), for: .subject(person),
          context: SealContext(
            eventID: draft.id, resourceID: draft.resource, field: "data/\(AccessFacts.accounts)")),
        "attempts": .integer(count),
      ]
    }
  }
}
