import NIOConcurrencyHelpers

/// How far the commands of one connection have come, so that a query can wait for those that were sent before it.
final class CommandTracker: Sendable {
  private struct State {
    /// All commands up to this one, counted from 1 in the order sent, are answered.
    var answered: UInt64 = 0
    /// Commands beyond ``answered`` that are answered already: those that were refused before they reached the writer.
    var early: Set<UInt64> = []
    /// The last position that one of them was told.
    var position: UInt64 = 0
    var nextTicket: UInt64 = 0
    var waiting: [UInt64: (command: UInt64, continuation: CheckedContinuation<UInt64, any Error>)] = [:]
  }

  private let state = NIOLockedValueBox(State())

  /// Notes that a command is answered; `position` is nil where it was refused. Any thread.
  func complete(_ command: UInt64, position: UInt64?) {
    let ready: [CheckedContinuation<UInt64, any Error>]
    let reached: UInt64
    (ready, reached) = state.withLockedValue { state in
      if let position { state.position = max(state.position, position) }
      guard command == state.answered + 1 else {
        state.early.insert(command)
        return ([], 0)
      }
      state.answered = command
      while !state.early.isEmpty, state.early.remove(state.answered + 1) != nil { state.answered += 1 }
      guard !state.waiting.isEmpty else { return ([], 0) }
      let answered = state.answered
      let tickets = state.waiting.filter { $0.value.command <= answered }.keys
      return (tickets.compactMap { state.waiting.removeValue(forKey: $0)?.continuation }, state.position)
    }
    for continuation in ready { continuation.resume(returning: reached) }
  }

  /// The last position told once the first `command` commands are all answered; nil while they aren't.
  func position(after command: UInt64) -> UInt64? {
    state.withLockedValue { $0.answered >= command ? $0.position : nil }
  }

  /// Waits until the first `command` commands are answered, and returns the last position told.
  /// - Throws: `CancellationError`.
  func wait(for command: UInt64) async throws -> UInt64 {
    let ticket = state.withLockedValue { state in
      state.nextTicket += 1
      return state.nextTicket
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let outcome: Result<UInt64, any Error>? = state.withLockedValue { state in
          if state.answered >= command { return .success(state.position) }
          if Task.isCancelled { return .failure(CancellationError()) }
          state.waiting[ticket] = (command, continuation)
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      let waiting = state.withLockedValue { $0.waiting.removeValue(forKey: ticket) }
      waiting?.continuation.resume(throwing: CancellationError())
    }
  }
}
