import BasicTypes
import NIOConcurrencyHelpers

/// How the backups went that were tried since the start, by the clock or by a command. Any thread.
final class BackupBoard: Sendable {
  /// What is known of them.
  struct State: Sendable {
    fileprivate(set) var running = 0
    fileprivate(set) var made: UInt64 = 0
    fileprivate(set) var failed: UInt64 = 0
    /// When the last one ended, good or not; nil where none did.
    fileprivate(set) var lastTry: (at: Timestamp, isGood: Bool)?
    /// When the last good one ended.
    fileprivate(set) var lastGood: Timestamp?
  }

  private let box = NIOLockedValueBox(State())

  /// What is known now.
  var state: State { box.withLockedValue { $0 } }

  /// Counts what a closure makes.
  func counting<Result: Sendable>(_ clock: @Sendable () -> Timestamp, _ make: @Sendable () async throws -> Result)
    async throws -> Result
  {
    box.withLockedValue { $0.running += 1 }
    do {
      let result = try await make()
      ended(at: clock(), isGood: true)
      return result
    } catch {
      ended(at: clock(), isGood: false)
      throw error
    }
  }

  private func ended(at now: Timestamp, isGood: Bool) {
    box.withLockedValue { state in
      state.running -= 1
      if isGood { state.made += 1 } else { state.failed += 1 }
      state.lastTry = (now, isGood)
      if isGood { state.lastGood = now }
    }
  }
}
