import BasicTypes
import CanonicalJSON
import EventLog
import Refusals

/// What events cause: further events, decided in the same transaction as the command that recorded the first, by the
/// actor `server`, each with the id of the event that caused it.
///
/// They are part of the command: counted among its events, listed in its answer, thrown away by a dry run, and refused
/// with it.
enum Reactions {
  /// An event whose effect is to be decided.
  struct Cause {
    let event: AppendedEvent
    /// What it set, and what that was before.
    let set: JSONObject
    let was: JSONObject
    /// Its facts, sealed ones sealed.
    let data: JSONObject
  }

  typealias Reaction = @Sendable (Cause, Decision) throws -> Void

  /// What follows from which events.
  private static let table: [String: Reaction] = [
    "run.finished": RunReactions.ended,
    "run.reported": RunReactions.ended,
    "alert.raised": AlertReactions.raised,
    "alert.escalated": AlertReactions.escalated,
    "alert.escalated_by_policy": AlertReactions.escalated,
    "alert.resolved": AlertReactions.ended,
    "alert.closed": AlertReactions.ended,
    "alert.deleted": AlertReactions.ended,
  ]

  /// The longest chain of events that cause each other.
  private static let longestChain = 8

  /// Whether anything could follow from an event of that name.
  static func follow(from event: String) -> Bool { table[event] != nil }

  /// Decides what follows from the events that a decision has recorded, and what follows from that, until nothing does.
  static func settle(_ decision: Decision) throws {
    var length = 0
    var causes = decision.takeCauses()
    while !causes.isEmpty {
      length += 1
      guard length <= longestChain else {
        throw Refusal.internalError("Reactions to \(causes[0].event.event) cause each other without end.")
      }
      for cause in causes {
        guard let reaction = table[cause.event.event] else { continue }
        try decision.reacting(to: cause.event.id) { try reaction(cause, $0) }
      }
      causes = decision.takeCauses()
    }
  }
}

extension Decision {
  /// Decides what the server does because of an event: whatever is recorded inside the body names that event as its
  /// cause, and nobody's reason or address.
  func reacting(to cause: Identifier, _ body: (Decision) throws -> Void) throws {
    let reaction = Decision(reactingTo: cause, in: self)
    try body(reaction)
    adopt(reaction)
  }
}
