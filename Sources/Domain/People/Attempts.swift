import BasicTypes
import CanonicalJSON
import NIOConcurrencyHelpers
import Refusals

/// Counts what each person tries in vain, so that nobody finds out by trying what they may not know.
///
/// Kept in memory, for as long as the process lives. Safe to use from any thread.
final class Attempts: Sendable {
  /// Beyond so many persons, the half whose first attempt is longest ago is forgotten.
  private static let capacity = 10_000
  /// How many attempts a person has within the time.
  private let limit: Int
  /// The time, in seconds from the first attempt on.
  private let interval: Int64
  /// What was tried, as the refusal calls it.
  private let what: String
  private let counts = NIOLockedValueBox<[Identifier: (count: Int, since: Timestamp)]>([:])

  init(limit: Int, interval: Int64, what: String) {
    self.limit = limit
    self.interval = interval
    self.what = what
  }

  /// Refuses whoever has used up their attempts.
  /// - Throws: ``Refusal`` `overloaded`, with the time until there are attempts again.
  func check(_ person: Identifier, now: Timestamp) throws {
    let first: Timestamp? = counts.withLockedValue { counts in
      guard !counts.isEmpty, let found = counts[person], found.count >= limit else { return nil }
      return found.since
    }
    guard let first, now.isWithin(interval, of: first) else { return }
    let wait = max(1, (first.adding(seconds: interval).microseconds - now.microseconds) / 1000)
    throw Refusal(
      .overloaded, "\(what) too often; try again later, or ask an administrator of the service.",
      ["retry_after_ms": .integer(wait)])
  }

  /// Counts an attempt in vain.
  func count(_ person: Identifier, now: Timestamp) {
    counts.withLockedValue { counts in
      if let found = counts[person], now.isWithin(interval, of: found.since) {
        counts[person] = (found.count + 1, found.since)
        return
      }
      if counts.count >= Attempts.capacity { Attempts.forget(&counts) }
      counts[person] = (1, now)
    }
  }

  private static func forget(_ counts: inout [Identifier: (count: Int, since: Timestamp)]) {
    let oldest = counts.sorted { $0.value.since < $1.value.since }.prefix(capacity / 2)
    for (person, _) in oldest { counts[person] = nil }
  }
}
