extension Exposition.Format {
  /// The format that a request asks for by its Accept header (RFC 9110 §12.5.1): OpenMetrics where it is named and
  /// liked no less than the text, else the text, which everybody reads.
  /// - Parameter accept: The header's value; those of several joined by commas; nil where there is none.
  public init(accept: String?) {
    let ranges = (accept ?? "").split(separator: ",").compactMap { MediaRange($0) }
    func best(_ isMeant: (MediaRange) -> Bool) -> Double? { ranges.filter(isMeant).map(\.quality).max() }
    let openMetrics = best { $0.names("application/openmetrics-text", version: "1.0.0") }
    // What is said of the nearest range holds (RFC 9110 §12.5.1).
    var text = best { $0.names("text/plain", version: "0.0.4") }
    if text == nil { text = best { $0.type == "text/*" } }
    if text == nil { text = best { $0.type == "*/*" } }
    self = if let openMetrics, openMetrics > 0, openMetrics >= text ?? 0 { .openMetrics } else { .text }
  }
}

/// One range of an Accept header.
private struct MediaRange {
  let type: String
  /// The version that is wanted; nil for any.
  let version: String?
  let quality: Double

  init?(_ text: Substring) {
    let parts = text.split(separator: ";").map { part in
      part.drop(while: \.isWhitespace).lowercased().trimmingSuffix(while: \.isWhitespace)
    }
    guard let type = parts.first, !type.isEmpty else { return nil }
    self.type = String(type)
    var version: String?
    var quality = 1.0
    for part in parts.dropFirst() {
      let halves = part.split(separator: "=", maxSplits: 1)
      guard halves.count == 2 else { continue }
      let value = halves[1].filter { $0 != "\"" }
      switch halves[0] {
      case "version": version = value
      case "q":
        // What is no quality is none (RFC 9110 §12.4.2).
        quality = Double(value).flatMap { (0...1).contains($0) ? $0 : nil } ?? 0
      default: break
      }
    }
    self.version = version
    self.quality = quality
  }

  func names(_ type: String, version: String) -> Bool {
    self.type == type && (self.version == nil || self.version == version)
  }
}

extension String {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let last = rest.last, predicate(last) { rest.removeLast() }
    return rest
  }
}
