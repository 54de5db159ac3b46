/// Reading and rewriting the SQL of the projection files: enough of PostgreSQL's
/// lexical rules to find the ends of statements.
package enum SQLText {
  /// The statements of a text, each with the comments before it, without the semicolon.
  package static func statements(_ text: String) -> [String] {
    var result: [String] = []
    var current: [UInt8] = []
    var hasContent = false
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
      if let end = endOfQuotation(bytes, index) {
        if bytes[index] != UInt8(ascii: "-") { hasContent = true }
        current.append(contentsOf: bytes[index..<end])
        index = end
        continue
      }
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: ";") {
        if hasContent { result.append(trimmed(current)) }
        current = []
        hasContent = false
        continue
      }
      if !isSpace(byte) { hasContent = true }
      current.append(byte)
    }
    if hasContent { result.append(trimmed(current)) }
    return result
  }

  /// The lines of a text, without their ends: a line feed, with or without a carriage return before it (which to
  /// Swift are one character, and no line feed).
  static func lines(_ text: String) -> [Substring] {
    text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { Substring($0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0) }
  }

  /// The SQL with `daybook.` and `personal.` standing for the schemas of that generation.
  package static func renamed(_ sql: String, for generation: Generation) -> String {
    guard generation != .live else { return sql }
    var out: [UInt8] = []
    let bytes = Array(sql.utf8)
    let names: [([UInt8], [UInt8])] = [
      (Array("daybook.".utf8), Array("\(generation.rows).".utf8)),
      (Array("personal.".utf8), Array("\(generation.personal).".utf8)),
    ]
    var index = 0
    scan: while index < bytes.count {
      if index == 0 || !isNamePart(bytes[index - 1]) {
        for (old, new) in names where bytes[index...].starts(with: old) {
          out.append(contentsOf: new)
          index += old.count
          continue scan
        }
      }
      out.append(bytes[index])
      index += 1
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Whether a statement touches the `personal` schema outside of comments and constants.
  package static func touchesPersonal(_ sql: String) -> Bool {
    let bytes = code(sql)
    let word = Array("personal.".utf8)
    return bytes.indices.contains { index in
      (index == 0 || !isNamePart(bytes[index - 1])) && bytes[index...].starts(with: word)
    }
  }

  /// The columns that a `CREATE TABLE` statement declares, or nil where it is another kind of statement.
  package static func table(of statement: String) -> (schema: String, name: String, columns: [SQLColumn])? {
    let text = String(decoding: code(statement), as: UTF8.self)
    guard let open = text.firstIndex(of: "("), let close = closing(text, open) else { return nil }
    let head = text[..<open].split(whereSeparator: \.isWhitespace)
    guard head.first == "CREATE", head.dropLast().last == "TABLE", let qualified = head.last else { return nil }
    let parts = qualified.split(separator: ".")
    guard parts.count == 2 else { return nil }
    var columns: [SQLColumn] = []
    for item in split(text[text.index(after: open)..<close]) {
      let words = item.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let name = words.first, !["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].contains(name) else {
        continue
      }
      let end = words.dropFirst().firstIndex { ["PRIMARY", "NOT", "NULL", "DEFAULT", "UNIQUE", "CHECK"].contains($0) }
      columns.append(SQLColumn(name: name, type: words[1..<(end ?? words.count)].joined(separator: " ")))
    }
    return (String(parts[0]), String(parts[1]), columns)
  }

  /// Where the parenthesis that opens there is closed.
  private static func closing(_ text: String, _ open: String.Index) -> String.Index? {
    var depth = 0
    for index in text[open...].indices {
      if text[index] == "(" { depth += 1 }
      if text[index] == ")" { depth -= 1 }
      if depth == 0 { return index }
    }
    return nil
  }

  /// The statement without comments, and with constants emptied.
  package static func code(_ sql: String) -> [UInt8] {
    let bytes = Array(sql.utf8)
    var out: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if let end = endOfQuotation(bytes, index) {
        out.append(UInt8(ascii: " "))
        index = end
      } else {
        out.append(bytes[index])
        index += 1
      }
    }
    return out
  }

  /// The statement without what only people read: comments, and how it is laid out. Constants stay as they are.
  package static func essence(_ sql: String) -> String {
    let bytes = Array(sql.utf8)
    var out: [UInt8] = []
    var isApart = false
    func add(_ piece: ArraySlice<UInt8>) {
      if isApart, !out.isEmpty { out.append(UInt8(ascii: " ")) }
      isApart = false
      out.append(contentsOf: piece)
    }
    var index = 0
    while index < bytes.count {
      if let end = endOfQuotation(bytes, index) {
        if bytes[index] == UInt8(ascii: "-") { isApart = true } else { add(bytes[index..<end]) }
        index = end
      } else {
        if isSpace(bytes[index]) { isApart = true } else { add(bytes[index...index]) }
        index += 1
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Whether a statement only says what a table or a column means.
  static func isComment(_ sql: String) -> Bool { essence(sql).hasPrefix("COMMENT ON ") }

  /// Where a comment, constant or dollar-quoted text that begins there ends.
  private static func endOfQuotation(_ bytes: [UInt8], _ start: Int) -> Int? {
    switch bytes[start] {
    case UInt8(ascii: "-") where start + 1 < bytes.count && bytes[start + 1] == UInt8(ascii: "-"):
      return bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
    case UInt8(ascii: "'"):
      return bytes[(start + 1)...].firstIndex(of: UInt8(ascii: "'")).map { $0 + 1 } ?? bytes.count
    case UInt8(ascii: "$"):
      let mark = UInt8(ascii: "$")
      guard let tagEnd = bytes[(start + 1)...].firstIndex(of: mark),
        bytes[(start + 1)..<tagEnd].allSatisfy({ isNamePart($0) && !(48...57).contains($0) })
      else { return nil }
      let tag = bytes[start...tagEnd]
      var index = tagEnd + 1
      while index + tag.count <= bytes.count {
        if bytes[index...].starts(with: tag) { return index + tag.count }
        index += 1
      }
      return bytes.count
    default:
      return nil
    }
  }

  /// Splits a column list at its outer commas.
  private static func split(_ list: Substring) -> [Substring] {
    var items: [Substring] = []
    var depth = 0
    var start = list.startIndex
    for index in list.indices {
      switch list[index] {
      case "(": depth += 1
      case ")": depth -= 1
      case "," where depth == 0:
        items.append(list[start..<index])
        start = list.index(after: index)
      default: break
      }
    }
    items.append(list[start...])
    return items
  }

  private static func trimmed(_ bytes: [UInt8]) -> String {
    let start = bytes.firstIndex { !isSpace($0) } ?? bytes.endIndex
    let end = bytes.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  private static func isNamePart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }
}

/// A column as an SQL file declares it.
public struct SQLColumn: Sendable, Hashable {
  /// Its name.
  public let name: String
  /// Its type as it is written, such as `varchar(255)`.
  public let type: String
}

/// Which set of schemas is meant: the one that is read, or the one that a rebuild fills beside it.
package enum Generation: String, Sendable {
  case live, next

  /// The schema of the read models.
  var rows: String { self == .live ? "daybook" : "daybook_next" }
  /// The schema of their personal columns.
  var personal: String { self == .live ? "personal" : "personal_next" }
}
