import Catalog

/// How the generated SQL is laid out: lines of at most 120 characters, columns in line, comments cut between words.
enum SQLLayout {
  static let width = 120

  /// The lines of a generated file's front matter.
  static func frontMatter(_ type: ResourceType, name: String, _ keys: [(key: String, value: String)]) -> String {
    var text =
      "\(ReadModelText.mark)\(type.name).yaml by tools/generate; only the indexes are written by hand.\n"
    for (key, value) in [("projection", name)] + keys {
      text += "-- \(wrapped(value, first: "\(key): ", next: "  ").joined(separator: "\n-- "))\n"
    }
    return text
  }

  /// A `CREATE TABLE` statement.
  static func table(_ name: String, _ columns: [(name: String, type: String)], unlogged: Bool = false) -> String {
    let longest = columns.map(\.name.count).max() ?? 0
    let lines = columns.map { column in
      "  \(column.name)\(String(repeating: " ", count: longest - column.name.count)) \(column.type)"
    }
    return "CREATE \(unlogged ? "UNLOGGED " : "")TABLE \(name) (\n\(lines.joined(separator: ",\n"))\n);\n"
  }

  /// A `COMMENT` statement, on one line where it fits.
  static func comment(on object: String, _ text: String) -> String {
    let whole = "COMMENT ON \(object) IS '\(quoted(text))';"
    if whole.count <= width { return whole + "\n" }
    // Two spaces before each piece, quotes around it, and a space or a semicolon inside or behind.
    let pieces = lines(of: quoted(text), width: width - 5)
    return "COMMENT ON \(object) IS\n  '\(pieces.joined(separator: " '\n  '"))';\n"
  }

  /// What the catalog says of a field, as its column's comment; nil where it says nothing.
  static func meaning(of field: Field) -> String? {
    var sentences: [String] = []
    if !field.summary.isEmpty { sentences.append(oneLine(field.summary)) }
    if let reference = field.reference { sentences.append("Refers to \(reference.types.joined(separator: " or ")).") }
    if field.type == .enum { sentences.append("One of \(field.values.joined(separator: ", ")).") }
    return sentences.isEmpty ? nil : sentences.joined(separator: " ")
  }

  /// A list of names or short expressions, over as many lines as it takes.
  static func list(_ items: [String], indent: String = "  ") -> String {
    let last = items.count - 1
    let words = items.enumerated().map { $0 == last ? $1 : $1 + "," }
    return pack(words, width: width - indent.count - 1).map { indent + $0 }.joined(separator: "\n")
  }

  /// A text without line breaks.
  static func oneLine(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }

  private static func quoted(_ text: String) -> String {
    text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
  }

  /// The lines of a text behind `-- `: the first one begins with a word of its own, the others are set in.
  private static func wrapped(_ text: String, first: String, next: String) -> [String] {
    let words = text.split(separator: " ").map(String.init)
    guard let start = words.first else { return [first] }
    let lines = pack([first + start] + words.dropFirst(), width: width - 3 - next.count)
    return lines.prefix(1) + lines.dropFirst().map { next + $0 }
  }

  private static func lines(of text: String, width: Int) -> [String] {
    pack(text.split(separator: " ", omittingEmptySubsequences: false).map(String.init), width: width)
  }

  /// Words on as few lines as they fit.
  private static func pack(_ words: [String], width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in words {
      if line.isEmpty {
        line = word
      } else if line.count + 1 + word.count <= width {
        line += " " + word
      } else {
        lines.append(line)
        line = word
      }
    }
    return lines + [line]
  }
}
