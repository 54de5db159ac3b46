import NIOConcurrencyHelpers
import NIOCore

/// Slows down those who guess passwords, and once a minute tells what failed, with a count.
///
/// Every failure makes the next attempt at the same account wait longer, and the next attempt from the same source; the
/// attempts take turns, over however many connections they come. An account with which somebody has signed in from a
/// source before is slowed from there by its own failures only, so nobody is kept out by what others guess. Keys and
/// tokens aren't guarded: nobody guesses 256 bits, or a signature.
///
/// Memory is bounded: beyond a number of each, those that have been quiet longest are forgotten.
final class SignInGuard: Sendable {
  /// What stands for an account: the bytes by which the log finds an e-mail address, whether or not anybody has it.
  typealias Account = [UInt8]

  /// What an attempt comes to before it begins.
  enum Admission: Sendable, Equatable {
    /// It may begin after this time.
    case after(TimeAmount)
    /// Too many wait already; it may ask again after this time.
    case refused(TimeAmount)
  }

  /// Failures that are to be recorded.
  struct Report: Sendable, Equatable {
    let source: Source
    /// The address that the last of them came from; nil on the Unix socket.
    let address: String?
    let attempts: Int
    /// How many of them were at which account, of those that were tried first.
    var accounts: [Account: Int] = [:]
  }

  /// Of so many accounts a report says how often they were tried.
  static let maximumAccountsOfReport = 16

  /// From how many sources an account may be known.
  static let maximumSourcesOfAccount = 16
  /// After so many failures in a row an account isn't known from a source any more.
  static let mistypedAtMost = 100
  /// How long an attempt is made to wait before it is refused instead.
  static let longestWait = TimeAmount.seconds(30)
  /// Failures are forgiven after so long without another.
  static let memory = TimeAmount.minutes(10)

  private struct Pair: Hashable {
    let source: Source
    let account: Account
  }

  /// The failures of a source that aren't recorded yet.
  private struct Unrecorded: Quieting {
    var attempts = 0
    var accounts: [Account: Int] = [:]
    var address: String?
    /// When a record may be written again.
    var next: NIODeadline
    var lastUse: NIODeadline
  }

  /// Where an account is known.
  private struct Known: Quieting {
    var turns: [Source: Turns] = [:]
    var lastUse: NIODeadline
  }

  private struct State {
    var sources: [Source: Turns] = [:]
    var accounts: [Account: Turns] = [:]
    /// What an account's owner mistyped is forgiven by a success, where it came from the same source.
    var tries: [Pair: Turns] = [:]
    var known: [Account: Known] = [:]
    var unrecorded: [Source: Unrecorded] = [:]
  }

  /// How many sources, accounts and pairs of them are remembered each.
  private let maximum: Int
  private let state = NIOLockedValueBox(State())

  /// - Parameter maximum: How many sources, accounts and pairs of them are remembered each.
  init(maximum: Int = 10_000) {
    self.maximum = maximum
  }

  /// The delay that so many failures bring: 100 ms, doubling up to 10 s.
  static func delay(failures: Int) -> TimeAmount {
    failures == 0 ? .zero : .milliseconds(min(10_000, 100 << Int64(min(failures - 1, 10))))
  }

  /// Takes a turn for an attempt at a password.
  func admit(_ account: Account, from source: Source, now: NIODeadline = .now()) -> Admission {
    state.withLockedValue { state in
      if state.known[account]?.turns[source] != nil {
        // Whoever is known there waits at most a second: it may be the owner who mistypes.
        let admission = Self.admission([state.known[account]?.turns[source]], now)
        if case .after = admission { state.known[account]?.turns[source]?.take(now, atMost: .seconds(1)) }
        return admission
      }
      let admission = Self.admission([state.sources[source], state.accounts[account]], now)
      if case .after = admission {
        state.sources[source]?.take(now, atMost: .seconds(10))
        state.accounts[account]?.take(now, atMost: .seconds(10))
      }
      return admission
    }
  }

  /// Notes an attempt at a password that failed. Returns what is to be recorded now, or nil where a record of this
  /// source was written less than a minute ago.
  func failed(
    _ account: Account, from source: Source, address: String?, now: NIODeadline = .now()
  ) -> Report? {
    state.withLockedValue { state in
      if let failures = state.known[account]?.turns[source]?.failures {
        state.known[account]?.turns[source]?.fail(now, atMost: .seconds(1))
        // Nobody mistypes so often: from now on it is guarded like any other.
        if failures + 1 >= Self.mistypedAtMost { state.known[account]?.turns[source] = nil }
      } else {
        state.sources.remember(source, atMost: maximum, now) { $0.fail(now, atMost: .seconds(10)) }
        state.accounts.remember(account, atMost: maximum, now) { $0.fail(now, atMost: .seconds(10)) }
        let pair = Pair(source: source, account: account)
        state.tries.remember(pair, atMost: maximum, now) { $0.fail(now, atMost: .zero) }
      }
      return record(source, address, account, &state, now)
    }
  }

  /// Notes something else that failed, which slows nobody.
  func failedElse(from source: Source, address: String?, now: NIODeadline = .now()) -> Report? {
    state.withLockedValue { record(source, address, nil, &$0, now) }
  }

  /// Notes that a password was right: what failed for the account from there is forgiven, and it is known there.
  func succeeded(_ account: Account, from source: Source, now: NIODeadline = .now()) {
    state.withLockedValue { state in
      if let mistyped = state.tries.removeValue(forKey: Pair(source: source, account: account))?.failures {
        state.sources[source]?.forgive(mistyped, now)
        state.accounts[account]?.forgive(mistyped, now)
      }
      state.known.remember(account, atMost: maximum, orElse: Known(lastUse: now)) { known in
        known.lastUse = now
        if known.turns[source] == nil, known.turns.count >= Self.maximumSourcesOfAccount {
          let quietest = known.turns.min { $0.value.lastUse < $1.value.lastUse }
          if let quietest { known.turns[quietest.key] = nil }
        }
        known.turns[source] = Turns(now)
      }
    }
  }

  /// What failed since the last record of each source, where that is a minute ago: to be recorded now.
  func due(now: NIODeadline = .now(), all: Bool = false) -> [Report] {
    state.withLockedValue { state in
      var due: [Report] = []
      for (source, found) in state.unrecorded where found.attempts > 0 && (all || now >= found.next) {
        due.append(
          Report(source: source, address: found.address, attempts: found.attempts, accounts: found.accounts))
        state.unrecorded[source]?.attempts = 0
        state.unrecorded[source]?.accounts = [:]
        state.unrecorded[source]?.next = now + .minutes(1)
      }
      return due
    }
  }

  private static func admission(_ turns: [Turns?], _ now: NIODeadline) -> Admission {
    let wait = turns.compactMap { $0?.wait(now) }.max() ?? .zero
    return wait > longestWait ? .refused(wait - longestWait) : .after(wait)
  }

  private func record(
    _ source: Source, _ address: String?, _ account: Account?, _ state: inout State, _ now: NIODeadline
  ) -> Report? {
    state.unrecorded.remember(source, atMost: maximum, orElse: Unrecorded(next: now, lastUse: now)) { found in
      found.lastUse = now
      found.address = address
      found.attempts += 1
      if let account, found.accounts[account] != nil || found.accounts.count < Self.maximumAccountsOfReport {
        found.accounts[account, default: 0] += 1
      }
      guard now >= found.next else { return nil }
      defer {
        found.attempts = 0
        found.accounts = [:]
        found.next = now + .minutes(1)
      }
      return Report(source: source, address: address, attempts: found.attempts, accounts: found.accounts)
    }
  }
}

/// Something that is forgotten when it has been quiet for long.
private protocol Quieting {
  var lastUse: NIODeadline { get }
}

/// The attempts of a source, at an account, or of a source at an account: one after the other, with a pause between
/// them that failures make longer.
private struct Turns: Quieting {
  private(set) var failures = 0
  private(set) var lastUse: NIODeadline
  /// When the next attempt may begin.
  private var next: NIODeadline

  init(_ now: NIODeadline) {
    lastUse = now
    next = now
  }

  func wait(_ now: NIODeadline) -> TimeAmount {
    now - lastUse > SignInGuard.memory || next < now ? .zero : next - now
  }

  /// Takes the next turn; the one after it waits longer.
  mutating func take(_ now: NIODeadline, atMost longest: TimeAmount) {
    if now - lastUse > SignInGuard.memory { self = Turns(now) }
    next = max(now, next) + min(longest, SignInGuard.delay(failures: failures))
  }

  mutating func fail(_ now: NIODeadline, atMost longest: TimeAmount) {
    if now - lastUse > SignInGuard.memory { self = Turns(now) }
    failures += 1
    lastUse = now
    next = max(next, now + min(longest, SignInGuard.delay(failures: failures)))
  }

  /// Takes back so many failures, and the wait that they brought.
  mutating func forgive(_ count: Int, _ now: NIODeadline) {
    failures = max(0, failures - count)
    next = min(next, now + SignInGuard.delay(failures: failures))
  }
}

extension Dictionary where Value: Quieting {
  /// Changes what is remembered of a key, or begins with `other`. Makes room first, where there is none: the half that
  /// has been quiet longest is forgotten.
  fileprivate mutating func remember<Output>(
    _ key: Key, atMost maximum: Int, orElse other: @autoclosure () -> Value, _ change: (inout Value) -> Output
  ) -> Output {
    if self[key] == nil, count >= maximum {
      let quietest = sorted { $0.value.lastUse < $1.value.lastUse }.prefix(maximum / 2)
      for (key, _) in quietest { self[key] = nil }
    }
    return change(&self[key, default: other()])
  }
}

extension Dictionary where Value == Turns {
  fileprivate mutating func remember(
    _ key: Key, atMost maximum: Int, _ now: NIODeadline, _ change: (inout Value) -> Void
  ) {
    remember(key, atMost: maximum, orElse: Turns(now), change)
  }
}
