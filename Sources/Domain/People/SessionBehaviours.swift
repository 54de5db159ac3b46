import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// Sign-ins.
enum SessionBehaviours {
  /// `session.refuse`: refused attempts of one source within a minute, as a fact;
  /// each such event is a resource of its own.
  static let refuse = Behaviour(decide: { decision in
    var draft = try decision.draft(
      decision.command.event, type: decision.type, resource: Identifier.version7(at: decision.now), organization: nil,
      fields: [:])
    draft.data = decision.parameters
    decision.answered = draft.resource
    try decision.append(draft, type: decision.type)
  })
}
