import Dispatch
import NIOConcurrencyHelpers

/// How what is done by the clock comes along: when each job was due, and how its turns ended. Any thread.
final class TimerBoard: Sendable {
  /// One job.
  struct Job: Sendable {
    let name: String
    /// When it is due, in nanoseconds of the clock that never jumps.
    fileprivate(set) var due: UInt64
    fileprivate(set) var done: UInt64 = 0
    fileprivate(set) var failed: UInt64 = 0
    /// Seconds of its last turn; nil before the first.
    fileprivate(set) var lastSeconds: Double?

    /// How long it has been due, in seconds.
    func lateness(at now: UInt64 = TimerBoard.now) -> Double { now > due ? Double(now - due) / 1e9 : 0 }
  }

  private let state = NIOLockedValueBox<[Job]>([])

  /// All of them, in the order of their names.
  var jobs: [Job] { state.withLockedValue { $0 } }

  /// Notes which jobs there are, all of them due after that time.
  func begin(_ names: [String], dueAfter pause: Duration, now: UInt64 = TimerBoard.now) {
    let due = now + Self.nanoseconds(pause)
    state.withLockedValue { $0 = names.sorted().map { Job(name: $0, due: due) } }
  }

  /// Notes that a turn of a job ended, and when it is due again; one that failed stays due.
  func ended(_ name: String, began: UInt64, failed: Bool, dueAfter pause: Duration, now: UInt64 = TimerBoard.now) {
    state.withLockedValue { jobs in
      guard let index = jobs.firstIndex(where: { $0.name == name }) else { return }
      jobs[index].lastSeconds = Double(now - began) / 1e9
      if failed {
        jobs[index].failed += 1
      } else {
        jobs[index].done += 1
        jobs[index].due = now + Self.nanoseconds(pause)
      }
    }
  }

  /// Nanoseconds of the clock that never jumps.
  static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    let parts = duration.components
    return UInt64(max(0, parts.seconds)) * 1_000_000_000 + UInt64(max(0, parts.attoseconds) / 1_000_000_000)
  }
}
