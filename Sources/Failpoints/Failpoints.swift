import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// What happens at failpoints: nothing, unless a test has said otherwise.
///
/// Whoever changes stored data is handed one when it is opened, so that tests that run side by side don't meet.
package struct Failpoints: Sendable {
  /// The error that a failpoint throws where the environment says so.
  package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Where.
    package let point: Failpoint

    /// The failure of a failpoint.
    package init(point: Failpoint) { self.point = point }

    /// Which failpoint it was.
    package var description: String { "The failpoint \(point.rawValue) was told to fail." }
  }

  /// Why a text arms nothing.
  package struct SyntaxError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    package let description: String
  }

  private let action: (@Sendable (Failpoint) throws -> Void)?

  /// None is armed.
  package static let none = Failpoints(action: nil)

  private init(action: (@Sendable (Failpoint) throws -> Void)?) { self.action = action }

  /// Calls the closure wherever a failpoint is reached, on the thread that reaches
  /// it; it may throw, or end the process.
  package init(_ action: @escaping @Sendable (Failpoint) throws -> Void) { self.init(action: action) }

  /// What the environment variable `DAYBOOK_FAILPOINT` of a test says: `log.put:kill@3`
  /// ends the process by SIGKILL when that point is reached for the third time,
  /// `log.put:throw@3` throws ``Failure`` there once, and without `@` it is the first time.
  /// - Throws: ``SyntaxError`` for anything else.
  package init(parsing text: String) throws(SyntaxError) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let point = Failpoint(rawValue: String(parts[0])) else {
      let names = Failpoint.allCases.map(\.rawValue).joined(separator: ", ")
      throw SyntaxError(description: "\(text) names no failpoint. There are \(names); write log.put:kill@3.")
    }
    let order = parts[1].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    guard let deed = order.first, ["kill", "throw"].contains(deed),
      let turn = order.count == 1 ? 1 : Int(order[1]), turn > 0
    else {
      throw SyntaxError(description: "\(parts[1]) must be kill or throw, and may end in @ and a number from 1 on.")
    }
    let isDeadly = deed == "kill"
    let turns = NIOLockedValueBox(0)
    self.init { reached in
      guard reached == point,
        turns.withLockedValue({
          $0 += 1
          return $0 == turn
        })
      else { return }
      guard isDeadly else { throw Failure(point: point) }
      kill(getpid(), SIGKILL)
    }
  }

  /// To be called where a change has come to a failpoint. Free unless one is armed.
  /// - Throws: What the test wants thrown.
  @inlinable
  package func reached(_ point: Failpoint) throws {
    if isArmed { try act(point) }
  }

  /// To be called where a change has come to a failpoint and can't fail any more:
  /// what the test wants thrown is passed over.
  package func passed(_ point: Failpoint) {
    // A test may end the process here, which is what this point is for.
    if isArmed { _ = try? act(point) }
  }

  /// Whether any is armed.
  package var isArmed: Bool { action != nil }

  @usableFromInline
  func act(_ point: Failpoint) throws { try action?(point) }
}
