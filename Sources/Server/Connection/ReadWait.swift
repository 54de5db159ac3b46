import CanonicalJSON
import Domain
import EventLog
import Refusals

/// What a query's `at_least` and `timeout_ms` say: the position that it waits for, and how long.
struct ReadWait: Sendable {
  let atLeast: UInt64?
  let timeoutMilliseconds: Int

  /// Takes both out of the params.
  /// - Throws: ``Refusal`` `invalid_params`.
  init(taking params: inout JSONObject) throws {
    var parameters = CallParameters(params)
    let position = parameters.integer("at_least", in: 0...Int64.max)
    let timeout = parameters.integer("timeout_ms", in: 0...600_000)
    try parameters.finishKnown()
    params.removeValue(forKey: "at_least")
    params.removeValue(forKey: "timeout_ms")
    atLeast = position.map(UInt64.init)
    timeoutMilliseconds = timeout.map(Int.init) ?? 5000
  }

  /// The position that a read model must have reached: the one asked for, or that of the commands sent before, once they are answered.
  /// - Throws: ``Refusal`` `stale` where the log itself isn't there in time.
  func resolve(after commandsBefore: UInt64, of commands: CommandTracker, log: EventLog) async throws -> UInt64 {
    if let atLeast {
      guard log.head.position < atLeast else { return atLeast }
      _ = try await waiting(log, atLeast) { try await log.waitForEvents(after: atLeast - 1) }
      return atLeast
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
