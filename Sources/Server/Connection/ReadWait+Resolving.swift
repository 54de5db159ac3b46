import EventLog
import Queries
import Refusals

extension ReadWait {
  /// The position that must be there: the one asked for, or that of the commands sent before, once they are answered.
  /// - Throws: ``Refusal`` `stale` where the log itself isn't there in time.
  func resolve(after commandsBefore: UInt64, of commands: CommandTracker, log: EventLog) async throws -> UInt64 {
    if let position {
      guard log.head.position < position else { return position }
      _ = try await waiting(log, position) { try await log.waitForEvents(after: position - 1) }
      return position
    }
    if let position = commands.position(after: commandsBefore) { return position }
    return try await waiting(log, log.head.position + 1) { try await commands.wait(for: commandsBefore) }
  }

  private func waiting(
    _ log: EventLog, _ position: UInt64, _ body: @escaping @Sendable () async throws -> UInt64
  ) async throws -> UInt64 {
    let milliseconds = timeoutMilliseconds
    return try await withThrowingTaskGroup(of: UInt64?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(for: .milliseconds(milliseconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let reached = first else {
        throw Refusal.stale(position: log.head.position, atLeast: position)
      }
      return reached
    }
  }
}
