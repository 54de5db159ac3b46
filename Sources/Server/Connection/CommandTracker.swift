import Waiting

/// How far the commands of one connection have come, so that a query can wait for those that were sent before it.
final class CommandTracker: Sendable {
  private struct Progress: Sendable {
    /// All commands up to this one, counted from 1 in the order sent, are answered.
    var answered: UInt64 = 0
    /// Commands beyond ``answered`` that are answered already: those that were refused before they reached the writer.
    var early: Set<UInt64> = []
    /// The last position that one of them was told.
    var position: UInt64 = 0
  }

  private let progress = Awaited(Progress())

  /// Notes that a command is answered; `position` is nil where it was refused. Any thread.
  func complete(_ command: UInt64, position: UInt64?) {
    progress.update { progress in
      if let position { progress.position = max(progress.position, position) }
      guard command == progress.answered + 1 else {
        progress.early.insert(command)
        return
      }
      progress.answered = command
      while !progress.early.isEmpty, progress.early.remove(progress.answered + 1) != nil { progress.answered += 1 }
    }
  }

  /// Whether the first `command` commands are all answered.
  func areAnswered(through command: UInt64) -> Bool { progress.read { $0.answered >= command } }

  /// The last position told once the first `command` commands are all answered; nil while they aren't.
  func position(after command: UInt64) -> UInt64? {
    progress.read { $0.answered >= command ? $0.position : nil }
  }

  /// Waits until the first `command` commands are answered, and returns the last position told.
  /// - Throws: `CancellationError`.
  func wait(for command: UInt64) async throws -> UInt64 {
    try await progress.wait(until: { $0.answered >= command ? .success($0.position) : nil })
  }
}
