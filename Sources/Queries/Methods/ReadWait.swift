import CanonicalJSON
import Catalog

/// What a call waits for before it reads: the position that must be there, and how long that may take. Every call that
/// reads takes both as `at_least` and `timeout_ms`.
package struct ReadWait: Sendable {
  /// The position; nil for that of the commands sent before on the same connection.
  package let position: UInt64?
  /// How long to wait for it.
  package let timeoutMilliseconds: Int
  /// When that time is over, whatever is waited for one after the other.
  package let deadline: ContinuousClock.Instant

  /// The parameters that say so.
  package static let fields: [Field] = [
    .count(
      "at_least", "Wait for this position; by default, for the last command sent before on this connection.",
      in: 0...Int64.max),
    .count("timeout_ms", "How long to wait.", in: 0...600_000, default: 5000),
  ]

  /// A wait for a position.
  package init(position: UInt64?, timeoutMilliseconds: Int) {
    self.init(position, timeoutMilliseconds, until: .now + .milliseconds(timeoutMilliseconds))
  }

  private init(_ position: UInt64?, _ timeoutMilliseconds: Int, until deadline: ContinuousClock.Instant) {
    self.position = position
    self.timeoutMilliseconds = timeoutMilliseconds
    self.deadline = deadline
  }

  /// What a call's params say; its time begins now.
  package init(_ arguments: Arguments) {
    self.init(position: arguments.position("at_least"), timeoutMilliseconds: arguments.count("timeout_ms"))
  }

  /// The same for a position that is known by now.
  package func with(position: UInt64) -> ReadWait { ReadWait(position, timeoutMilliseconds, until: deadline) }

  /// The same for a question about a moment too: what is read must have come that far at least.
  func reaching(_ moment: UInt64) -> ReadWait { with(position: max(position ?? 0, moment)) }
}
