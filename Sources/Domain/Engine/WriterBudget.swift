import EventLog
import Refusals

/// What one command, or one batch of them, may cost the log's writer, for whom everybody else waits.
///
/// It counts what the time grows with, not the time: a command is refused on every machine or on none.
package struct WriterBudget: Sendable {
  /// Bytes of the events' bodies. One event has at most some twelve million: what was set, and what was there before.
  package var recordedBytes = 32 << 20
  /// Records that are read to find the way back to an earlier version.
  package var historyRecords = 20_000
  /// Bytes of these records' bodies.
  package var historyBytes = 128 << 20
  /// Alert rules that measurements are held against.
  package var rulesAsked = 20_000
  /// Alerts that rules raise.
  package var alertsRaised = 500

  /// The budget in force.
  package init() {}

  /// Refuses what has become too much.
  /// - Throws: ``Refusal`` `too_large`, with the limit that was met.
  func check(_ work: DecisionWork) throws {
    if work.recordedBytes > recordedBytes {
      throw Refusal.tooLarge(
        limit: Int64(recordedBytes), "This would record more than \(recordedBytes) bytes at once; do it in parts.")
    }
    if work.historyRecords > historyRecords {
      throw Refusal.tooLarge(
        limit: Int64(historyRecords),
        "The way back to that version leads over more than \(historyRecords) events; do it in parts.")
    }
    if work.historyBytes > historyBytes {
      throw Refusal.tooLarge(
        limit: Int64(historyBytes),
        "The way back to that version leads over more than \(historyBytes) bytes of events; do it in parts.")
    }
    if work.searched > rulesAsked {
      throw Refusal.tooLarge(
        limit: Int64(rulesAsked),
        "What this measures would be held against more than \(rulesAsked) alert rules; send it in parts, or delete rules."
      )
    }
    if work.consequences > alertsRaised {
      throw Refusal.tooLarge(
        limit: Int64(alertsRaised),
        "This would raise more than \(alertsRaised) alerts at once; send it in parts, or delete rules that say the same."
      )
    }
  }
}
