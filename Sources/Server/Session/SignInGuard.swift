import NIOConcurrencyHelpers
import NIOCore

/// Slows down those who guess: every failed sign-in makes the next one of the same source wait longer, and once a
/// minute what failed is told, with a count.
///
/// A source's attempts take turns, over however many connections they come; other
/// sources, and everything but signing in, aren't delayed.
final class SignInGuard: Sendable {
  /// What one source has done lately.
  private struct Source {
    var failures = 0
    var lastFailure: NIODeadline
    /// When its next attempt may begin.
    var nextAttempt: NIODeadline
    var unrecorded = 0
    /// When a record may be written again.
    var nextRecord: NIODeadline
  }

  /// What an attempt comes to before it begins.
  enum Admission: Sendable, Equatable {
    /// It may begin after this time.
    case after(TimeAmount)
    /// Too many of the source wait already; it may ask again after this time.
    case refused(TimeAmount)
  }

  /// How many sources are remembered; beyond that, those that have been quiet longest are forgotten.
  static let maximumSources = 10_000
  /// How long an attempt is made to wait before it is refused instead.
  static let longestWait = TimeAmount.seconds(30)
  /// A source is forgiven after so long without a failure.
  static let memory = TimeAmount.minutes(10)

  private let sources = NIOLockedValueBox<[String: Source]>([:])

  /// The delay that so many failures bring: 100 ms, doubling up to 10 s.
  static func delay(failures: Int) -> TimeAmount {
    failures == 0 ? .zero : .milliseconds(min(10_000, 100 << Int64(min(failures - 1, 10))))
  }

  /// Takes a place for an attempt.
  func admit(_ name: String, now: NIODeadline = .now()) -> Admission {
    sources.withLockedValue { sources in
      guard var source = sources[name] else { return .after(.zero) }
      if now - source.lastFailure > Self.memory {
        source.failures = 0
        sources[name] = source
        return .after(.zero)
      }
      let begin = max(now, source.nextAttempt)
      let wait = begin - now
      if wait > Self.longestWait { return .refused(wait - Self.longestWait) }
      source.nextAttempt = begin + Self.delay(failures: source.failures)
      sources[name] = source
      return .after(wait)
    }
  }

  /// Notes a failure. Returns how many are to be recorded now, or nil where a record
  /// of this source was written less than a minute ago.
  func failed(_ name: String, now: NIODeadline = .now()) -> Int? {
    sources.withLockedValue { sources in
      if sources[name] == nil, sources.count >= Self.maximumSources { Self.forget(&sources, now) }
      var source = sources[name] ?? Source(lastFailure: now, nextAttempt: now, nextRecord: now)
      source.failures += 1
      source.lastFailure = now
      source.nextAttempt = max(source.nextAttempt, now + Self.delay(failures: source.failures))
      source.unrecorded += 1
      defer { sources[name] = source }
      guard now >= source.nextRecord else { return nil }
      defer {
        source.unrecorded = 0
        source.nextRecord = now + .minutes(1)
      }
      return source.unrecorded
    }
  }

  /// What failed since the last record of each source, where that is a minute ago: to be recorded now.
  func due(now: NIODeadline = .now(), all: Bool = false) -> [(source: String, attempts: Int)] {
    sources.withLockedValue { sources in
      var due: [(source: String, attempts: Int)] = []
      for (name, source) in sources where source.unrecorded > 0 && (all || now >= source.nextRecord) {
        due.append((name, source.unrecorded))
        sources[name]?.unrecorded = 0
        sources[name]?.nextRecord = now + .minutes(1)
      }
      return due
    }
  }

  /// Makes room: first for what is forgiven anyway, else the half that has been quiet longest.
  private static func forget(_ sources: inout [String: Source], _ now: NIODeadline) {
    sources = sources.filter { now - $0.value.lastFailure <= memory }
    guard sources.count >= maximumSources else { return }
    let quietest = sources.sorted { $0.value.lastFailure < $1.value.lastFailure }.prefix(maximumSources / 2)
    for (name, _) in quietest { sources[name] = nil }
  }
}
