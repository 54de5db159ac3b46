import CanonicalJSON

/// Rows in aligned columns, cut to the terminal's width: the widest columns give way first.
struct Table {
  private let headings: [String]
  private var rows: [[String]] = []
  private var notes: [Int: [String]] = [:]

  init(_ headings: [String]) {
    self.headings = headings
  }

  var isEmpty: Bool { rows.isEmpty }

  /// Adds a row; cells that it lacks stay empty.
  mutating func add(_ cells: [String]) {
    rows.append((0..<headings.count).map { $0 < cells.count ? Terminal.plain(cells[$0]) : "" })
  }

  /// Adds a line of its own under the last row, indented.
  mutating func note(_ text: String) {
    notes[rows.count - 1, default: []].append(Terminal.plain(text))
  }

  /// The lines, for a width (nil for as wide as they are).
  func lines(width: Int?) -> [String] {
    var widths = headings.indices.map { column in
      ([headings] + rows).map { Terminal.columns($0[column]) }.max() ?? 0
    }
    if let width {
      let gaps = 2 * (headings.count - 1)
      while widths.reduce(gaps, +) > width, let widest = widths.max(), widest > 8,
        let index = widths.firstIndex(of: widest)
      {
        widths[index] = max(8, widths[index] - (widths.reduce(gaps, +) - width))
      }
    }
    var lines = [line(headings, widths)]
    for (index, row) in rows.enumerated() {
      lines.append(line(row, widths))
      for note in notes[index] ?? [] {
        lines.append(width.map { Terminal.fitted("    " + note, to: $0) } ?? "    " + note)
      }
    }
    return lines
  }

  /// Writes the table to standard output, or a sentence where it has no rows.
  func show(orElse sentence: String) {
    guard !rows.isEmpty else { return Terminal.say(sentence) }
    for line in lines(width: Terminal.width) { Terminal.say(line) }
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var out = ""
    for (index, cell) in cells.enumerated() {
      let fitted = Terminal.fitted(cell, to: widths[index])
      out += fitted
      if index < cells.count - 1 {
        out += String(repeating: " ", count: widths[index] - Terminal.columns(fitted) + 2)
      }
    }
    while out.utf8.last == UInt8(ascii: " ") { out.removeLast() }
    return out
  }
}

extension JSON {
  /// The value as a table's cell shows it: text without quotes, nothing for null, anything composite as JSON.
  var cell: String {
    switch self {
    case .null: ""
    case .string(let text): text
    case .bool(let flag): flag ? "yes" : "no"
    default: canonicalString
    }
  }

  /// The member's value as a cell; empty where there is none.
  func cell(_ key: String) -> String { self[key]?.cell ?? "" }

  /// A time as people read it: to the second, in UTC.
  func time(_ key: String) -> String {
    guard let text = self[key]?.stringValue, text.utf8.count == 27 else { return cell(key) }
    return text.prefix(19).map { $0 == "T" ? " " : String($0) }.joined() + "Z"
  }
}
