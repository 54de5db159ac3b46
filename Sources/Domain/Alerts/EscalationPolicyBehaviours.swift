import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Who is told when an alert stays open.
enum EscalationPolicyBehaviours {
  /// `escalation_policy.create`: those to be told must be there.
  static let create = Behaviour(
    check: { checkLevels(&$0) },
    decide: { decision in
      try checkPeople(decision, in: try decision.newOrganization())
      try decision.applyCreation()
    })

  /// `escalation_policy.edit`: those to be told must be there.
  static let edit = Behaviour(
    check: { checkLevels(&$0) },
    decide: { decision in
      let state = try decision.target()
      try checkPeople(decision, in: state.organization)
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    })

  /// Ids in their normal form; at least one level.
  private static func checkLevels(_ context: inout CheckContext) {
    guard var levels = context.fields["levels"]?.arrayValue else { return }
    if levels.isEmpty { context.refuse("/levels", "must hold at least one level") }
    for (index, level) in levels.enumerated() {
      guard var object = level.objectValue, let ids = object["notify_user_ids"]?.arrayValue else { continue }
      let normal = ids.enumerated().map { place, value -> JSON in
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else {
          context.refuse("/levels/\(index)/notify_user_ids/\(place)", "must be a UUID of 36 characters")
          return value
        }
        return .string(id.text)
      }
      object["notify_user_ids"] = .array(normal)
      levels[index] = .object(object)
    }
    context.fields["levels"] = .array(levels)
  }

  private static func checkPeople(_ decision: Decision, in organization: Identifier?) throws {
    for (index, level) in (decision.fields["levels"]?.arrayValue ?? []).enumerated() {
      for (place, value) in (level["notify_user_ids"]?.arrayValue ?? []).enumerated() {
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else { continue }
        guard try Addressee.isReachable(id, in: organization, decision) else {
          throw Refusal.missing(
            "user", id, at: "/levels/\(index)/notify_user_ids/\(place)",
            "there is no active user of this id in the organization")
        }
      }
    }
  }
}
