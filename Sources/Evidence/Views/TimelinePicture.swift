import BasicTypes

/// The events over time, as a picture in SVG with its numbers as a table for whoever doesn't see it.
struct TimelinePicture {
  private static let width = 960
  private static let height = 220
  private static let foot = 24

  private let timeline: Timeline

  init(_ timeline: Timeline) { self.timeline = timeline }

  var markup: String {
    let counts = timeline.counts
    guard let highest = counts.max(), highest > 0, let last = counts.indices.last else {
      return "<h2>When</h2>\n<p>There is no event.</p>\n\n"
    }
    let step = Double(Self.width) / Double(counts.count)
    let plot = Self.height - Self.foot
    var bars = ""
    var rows = ""
    for (index, count) in counts.enumerated() where count > 0 {
      let tall = max(1, count * (plot - 20) / highest)
      let left = Double(index) * step
      bars +=
        "<rect x=\"\(Self.number(left))\" y=\"\(plot - tall)\" width=\"\(Self.number(max(1, step - 1)))\" height=\"\(tall)\"/>\n"
      rows += "<tr><th scope=\"row\">\(timeline.time(of: index).text)</th><td>\(count)</td></tr>\n"
    }
    let first = timeline.time(of: 0).text
    let end = timeline.time(of: last + 1).text
    return """
      <h2>When</h2>
      <figure>
      <svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-labelledby="when-title when-text" xmlns="http://www.w3.org/2000/svg">
      <title id="when-title">Events over time</title>
      <desc id="when-text">Bars from \(first) to \(end), the highest of \(highest) events. The same numbers follow as a table.</desc>
      <line x1="0" y1="\(plot)" x2="\(Self.width)" y2="\(plot)" class="axis"/>
      <g class="bars">
      \(bars)</g>
      <text x="0" y="\(Self.height - 6)">\(first)</text>
      <text x="\(Self.width)" y="\(Self.height - 6)" text-anchor="end">\(end)</text>
      <text x="0" y="12">\(highest) at most in \(Self.words(of: timeline.span))</text>
      </svg>
      <details>
      <summary>The numbers of the picture</summary>
      <table>
      <caption>Events by span of \(Self.words(of: timeline.span))</caption>
      <thead><tr><th scope="col">From</th><th scope="col">Events</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table>
      </details>
      </figure>

      """
  }

  /// A number with at most one digit behind the point.
  private static func number(_ value: Double) -> String {
    let tenths = Int(value * 10)
    return "\(tenths / 10).\(tenths % 10)"
  }

  private static func words(of microseconds: Int64) -> String {
    let seconds = microseconds / 1_000_000
    switch seconds {
    case ..<60: return "\(seconds) s"
    case ..<3600: return "\(seconds / 60) min \(seconds % 60) s"
    case ..<86_400: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
    }
  }
}
