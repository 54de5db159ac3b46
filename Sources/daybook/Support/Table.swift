import CanonicalJSON

/// Rows in aligned columns. At a terminal they are laid out for its width: what identifies something is never cut, what
/// explains it goes on lines of its own, and the widest of the other columns give way. Piped, nothing is cut.
struct Table {
  /// A column: its heading, and what becomes of it where there is too little room.
  struct Column: ExpressibleByStringLiteral {
    enum Kind {
      /// May be cut, with an ellipsis.
      case text
      /// Is never cut: ids, numbers, times.
      case whole
      /// A name and its shortened id, which is kept when the name is cut.
      case named
      /// Goes under the row, on lines of its own.
      case aside
      /// A word that says how something is; coloured, and never cut.
      case status
    }

    let heading: String
    let kind: Kind

    init(stringLiteral heading: String) { self.init(heading, .text) }
    private init(_ heading: String, _ kind: Kind) { (self.heading, self.kind) = (heading, kind) }

    static func whole(_ heading: String) -> Column { Column(heading, .whole) }
    static func named(_ heading: String) -> Column { Column(heading, .named) }
    static func aside(_ heading: String) -> Column { Column(heading, .aside) }
    static func status(_ heading: String) -> Column { Column(heading, .status) }
  }

  /// A line under a row.
  private struct Note {
    let text: String
    let paint: Paint?
  }

  /// The least that a column is cut to.
  private static let narrowest = 8

  private let columns: [Column]
  private var rows: [[String]] = []
  private var notes: [Int: [Note]] = [:]

  init(_ columns: [Column]) {
    self.columns = columns
  }

  var isEmpty: Bool { rows.isEmpty }

  /// Adds a row; cells that it lacks stay empty.
  mutating func add(_ cells: [String]) {
    rows.append((0..<columns.count).map { $0 < cells.count ? Terminal.plain(cells[$0]) : "" })
  }

  /// Adds a line of its own under the last row, indented.
  mutating func note(_ text: String, _ paint: Paint? = nil) {
    notes[rows.count - 1, default: []].append(Note(text: Terminal.plain(text), paint: paint))
  }

  /// Adds lines under the last row that say what changed.
  mutating func note(_ changes: [ChangeLine]) {
    for line in changes { note(line.text, line.mark.paint) }
  }

  /// How wide a note's text is at a terminal; nil where nothing limits it.
  static var noteWidth: Int? { Terminal.width.map { max(20, $0 - 4) } }

  /// The lines, for a width (nil for as wide as they are).
  func lines(width: Int?) -> [String] {
    var widths = columns.indices.map { column in
      ([columns[column].heading] + rows.map { $0[column] }).map(Terminal.columns).max() ?? 0
    }
    var shown = Array(columns.indices)
    func total() -> Int { shown.reduce(2 * (shown.count - 1)) { $0 + widths[$1] } }
    if let width {
      // What explains is put under the rows, the last columns first, until the others fit.
      while total() > width, let last = shown.last(where: { columns[$0].kind == .aside }) {
        shown.removeAll { $0 == last }
      }
      // Names of what a row is about stay longer than the rest.
      for (kinds, least) in [([Column.Kind.text], 14), ([.text, .named], Self.narrowest)] {
        func gives(_ column: Int) -> Bool { kinds.contains(columns[column].kind) && widths[column] > least }
        while total() > width, let widest = shown.filter(gives).max(by: { widths[$0] < widths[$1] }) {
          let next = shown.filter { $0 != widest && gives($0) }.map { widths[$0] }.max() ?? least
          // Down to the next widest, so that those of one width give way together.
          let down = max(least, min(next, widths[widest] - 1))
          widths[widest] = max(down, widths[widest] - (total() - width))
        }
      }
    }
    var lines = [Paint.bold.on(line(columns.map(\.heading), shown, widths, isHeading: true))]
    for (index, row) in rows.enumerated() {
      lines.append(line(row, shown, widths))
      for column in columns.indices where !shown.contains(column) && !row[column].isEmpty {
        lines += Self.wrapped("\(columns[column].heading.lowercased()): \(row[column])", nil, width)
      }
      for note in notes[index] ?? [] { lines += Self.wrapped(note.text, note.paint, width) }
    }
    return lines
  }

  /// Writes the table to standard output, or a sentence where it has no rows.
  func show(orElse sentence: String) {
    guard !rows.isEmpty else { return Terminal.say(sentence) }
    for line in lines(width: Terminal.width) { Terminal.say(line) }
  }

  private func line(_ cells: [String], _ shown: [Int], _ widths: [Int], isHeading: Bool = false) -> String {
    var out = ""
    for (place, column) in shown.enumerated() {
      let cell = cells[column]
      let fitted =
        columns[column].kind == .named && !isHeading
        ? Terminal.fittedKeepingID(cell, to: widths[column]) : Terminal.fitted(cell, to: widths[column])
      let paint = columns[column].kind == .status && !isHeading ? Paint.of(status: cell) : nil
      out += paint?.on(fitted) ?? fitted
      if place < shown.count - 1 {
        out += String(repeating: " ", count: widths[column] - Terminal.columns(fitted) + 2)
      }
    }
    while out.utf8.last == UInt8(ascii: " ") { out.removeLast() }
    return out
  }

  /// A note's lines: broken at blanks where the width asks for it, and in the middle of a word that is too long.
  private static func wrapped(_ text: String, _ paint: Paint?, _ width: Int?) -> [String] {
    guard let width else { return ["    " + text] }
    return Terminal.broken(text, to: max(20, width - 4), indent: 2).map { "    " + (paint?.on($0) ?? $0) }
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

  /// A time for whoever reads the output: how long ago at a terminal, and in UTC elsewhere.
  func when(_ key: String) -> String {
    guard Terminal.isInteractive, let text = self[key]?.stringValue else { return time(key) }
    return LocalTime.relative(text) ?? time(key)
  }
}
