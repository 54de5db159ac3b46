#if canImport(Glibc)
  import Glibc
#endif

/// Colours of a terminal, by convention: what went or is bad is red, what came or is good green.
enum Paint: String, Sendable {
  case red = "31"
  case green = "32"
  case yellow = "33"
  case faint = "2"
  case bold = "1"

  /// Whether standard output shows colours: a terminal that can, of somebody who hasn't set `NO_COLOR`
  /// (<https://no-color.org>).
  static let isShown =
    Terminal.isInteractive && Terminal.environment("NO_COLOR") == nil && Terminal.environment("TERM") != "dumb"

  /// The text in this colour, where colours are shown.
  func on(_ text: String) -> String {
    Self.isShown && !text.isEmpty ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
  }

  /// The colour of a word that says how something is; nil for an ordinary one.
  static func of(status word: String) -> Paint? {
    switch word {
    case "failed", "error", "timeout", "refused", "critical", "parked", "expired", "stopped", "high", "no": .red
    case "success", "completed", "healthy", "synced", "resolved": .green
    case "warning", "paused", "pending", "cancelled", "deprecated", "draft", "catching_up", "refilling", "medium":
      .yellow
    default: nil
    }
  }
}
