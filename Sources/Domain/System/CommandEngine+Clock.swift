import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension CommandEngine {
  /// Has the log go on from what it holds about the clock.
  static func resumeClock(_ log: EventLog) throws {
    do {
      let state = try log.read { snapshot in try ClockBehaviours.identifier.resolve { try snapshot.state($0) }.state }
      try log.resumeClock(
        isDoubted: state?.fields["is_doubted"]?.boolValue == true,
        overtaken: state?.fields["overtaken"]?.stringValue.flatMap { Timestamp($0) })
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// Whether what destroys or decides by the clock alone may be done now. Records as `clock.doubted` that the clock has
  /// begun to be ahead of what is explained, and as `clock.settled` that it is no longer so.
  /// - Throws: ``Refusal`` `unavailable` with what is wrong and what to do, or another where
  ///   it can't be recorded.
  public func checkClock() async throws {
    let reading = log.clock
    var isAhead = false
    if case .ahead = reading.standing { isAhead = true }
    let isRecorded = try await inBackground { snapshot in
      try ClockBehaviours.identifier.resolve { try snapshot.state($0) }.state?.fields["is_doubted"]?.boolValue == true
    }
    if isAhead != isRecorded { try await recordClock() }
    if !reading.isTrusted, let problem = reading.problem { throw Refusal.unavailable(component: "log", problem) }
  }

  private func recordClock() async throws {
    let schema = catalog.revision
    do {
      let recorded = try await log.commit { transaction -> String? in
        let (id, known) = try ClockBehaviours.identifier.resolve(transaction.state)
        let reading = transaction.clock
        var data: JSONObject = ["clock": .string(reading.clock.text)]
        var isAhead = false
        switch reading.standing {
        case .ahead(let expected):
          isAhead = true
          data["expected"] = .string(expected.text)
        // Nothing can be written meanwhile; whether it was ahead before is looked at again then.
        case .behind: return nil
        case .trusted, .overtaken, .told: break
        }
        guard (known?.fields["is_doubted"]?.boolValue == true) != isAhead else { return nil }
        var draft = EventDraft(
          event: isAhead ? "clock.doubted" : "clock.settled", type: "clock", resource: id,
          actor: Principal.server.actor, schema: schema, at: transaction.now)
        draft.set = ["is_doubted": .bool(isAhead)]
        if let known { draft.was = ["is_doubted": known.fields["is_doubted"] ?? .null] }
        draft.data = data
        try transaction.append(draft)
        return draft.event
      }.value
      if let event = recorded { log.noteClock(event) }
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// Whether this log is a demonstration's: a story was told in it.
  public func isDemonstration() async throws -> Bool {
    try await inBackground { snapshot in
      try ClockBehaviours.identifier.resolve { try snapshot.state($0) }.state?.fields["is_demo"]?.boolValue == true
    }
  }

  /// Goes on with the story of a demonstration, so many days before this day began, or where the log's last event is.
  /// - Returns: Whether it does; not where the story has been told to its end.
  /// - Throws: ``Refusal`` where the log has events and isn't a demonstration's.
  public func resumeStory(days: Int) async throws -> Bool {
    guard let story = log.story else { return false }
    let head = log.head
    let state = try await inBackground { snapshot in
      try ClockBehaviours.identifier.resolve { try snapshot.state($0) }.state
    }
    guard head.position == 0 || state?.fields["is_demo"]?.boolValue == true else {
      throw Refusal.conflict(
        reason: "not_a_demo",
        "This log has \(head.position) events that happened: a demonstration's time is told in a log of its own. "
          + "Choose a data folder that isn't there yet.")
    }
    let now = clock().microseconds
    let day: Int64 = 86_400_000_000
    let began = Timestamp(microseconds: now - now % day - Int64(days) * day)
    guard head.position > 0 else {
      story.tell(StoryClock.Stretch(from: began, to: began, duration: 0))
      return true
    }
    guard state?.fields["told_to"]?.stringValue != nil else { return false }
    let at = head.at ?? began
    story.tell(StoryClock.Stretch(from: at, to: at, duration: 0))
    return true
  }

  /// Refuses what destroys by the clock while that can't be believed.
  /// - Throws: ``Refusal`` `unavailable`.
  static func requireTrusted(_ clock: ClockReading) throws {
    if !clock.isTrusted, let problem = clock.problem { throw Refusal.unavailable(component: "log", problem) }
  }
}
