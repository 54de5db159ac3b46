import NIOConcurrencyHelpers

/// Lines that a scripted server keeps for later.
final class LineBox: Sendable {
  private let lines = NIOLockedValueBox<[String]>([])

  var all: [String] { lines.withLockedValue { $0 } }

  func append(_ line: String) { lines.withLockedValue { $0.append(line) } }
}
