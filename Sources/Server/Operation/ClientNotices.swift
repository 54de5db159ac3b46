import Access
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Tells an operator in the server's log what clients do that is refused or takes long: a few lines a minute of each
/// kind, and then how many more there were, so that nobody fills a disk by asking wrongly. No line holds what was sent:
/// of parameters and refusals only the method and the code are told. Safe from any thread.
final class ClientNotices: Sendable {
  /// What is told apart.
  enum Kind: Int, CaseIterable, Sendable {
    case signIn, call, line, slowQuery

    fileprivate var message: Logger.Message {
      switch self {
      case .signIn: "a sign-in was refused"
      case .call: "a call was refused"
      case .line: "a line was too long and was not read"
      case .slowQuery: "a query took long"
      }
    }
  }

  /// How many lines of a kind are written within a minute.
  static let most = 10
  private static let span = TimeAmount.minutes(1)

  private struct Window {
    var end: NIODeadline
    var told = 0
    var left = 0
  }

  private let logger: Logger
  private let windows = NIOLockedValueBox<[Window?]>(Array(repeating: nil, count: Kind.allCases.count))

  init(logger: Logger) {
    self.logger = logger
  }

  /// Tells of one, unless many were told of lately.
  func tell(_ kind: Kind, now: NIODeadline = .now(), _ metadata: @autoclosure () -> Logger.Metadata) {
    var before = 0
    let isTold = windows.withLockedValue { windows in
      var window = windows[kind.rawValue] ?? Window(end: now + Self.span)
      if window.end <= now {
        before = window.left
        window = Window(end: now + Self.span)
      }
      let isTold = window.told < Self.most
      if isTold { window.told += 1 } else { window.left += 1 }
      windows[kind.rawValue] = window
      return isTold
    }
    tellOfMore(before, kind)
    if isTold { logger.notice(kind.message, metadata: metadata()) }
  }

  /// Tells how many more there were, where their minute is over.
  func flush(now: NIODeadline = .now()) {
    for kind in Kind.allCases {
      let left = windows.withLockedValue { windows in
        guard let window = windows[kind.rawValue], window.end <= now else { return 0 }
        windows[kind.rawValue] = nil
        return window.left
      }
      tellOfMore(left, kind)
    }
  }

  private func tellOfMore(_ count: Int, _ kind: Kind) {
    guard count > 0 else { return }
    logger.notice("\(kind.message), \(count) times more within a minute")
  }
}

extension RecordedCaller {
  /// Who calls, for the server's own log: by an id, which names nobody.
  var logged: Logger.Metadata {
    var metadata: Logger.Metadata = [:]
    if let principal { metadata["caller"] = "\(principal.actor)" }
    return metadata
  }
}
