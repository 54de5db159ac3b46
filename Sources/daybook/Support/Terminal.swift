import CanonicalJSON

#if canImport(Glibc)
  import Glibc
#endif

/// Where people read: how wide it is, and whether anyone is there.
enum Terminal {
  /// Whether standard output is a terminal.
  static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }
  /// Whether standard error is a terminal.
  static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

  /// How many columns a line of standard output may have; nil where nobody's eyes limit it.
  static var width: Int? {
    guard isInteractive else { return nil }
    var size = winsize()
    if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
    return environment("COLUMNS").flatMap { Int($0) }
  }

  /// How many columns a line of standard error may have; nil where it is no terminal.
  static var errorWidth: Int? {
    var size = winsize()
    guard showsProgress, ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return nil }
    return Int(size.ws_col)
  }

  /// Writes a line to standard output; where the reader has gone away, ends quietly.
  static func say(_ line: String) {
    write(line + "\n", to: STDOUT_FILENO)
  }

  /// Writes a line of a comparison, in its colour.
  static func say(_ line: ChangeLine, indent: Int = 0) {
    let text = String(repeating: " ", count: indent) + plain(line.text)
    say(line.mark.paint?.on(text) ?? text)
  }

  /// Writes a line to standard error.
  static func complain(_ line: String) {
    write(line + "\n", to: STDERR_FILENO)
  }

  /// Writes a value as one line of canonical JSON.
  static func say(json: JSON) {
    say(json.canonicalString)
  }

  /// Writes over the line of standard error that the cursor is in.
  static func overwrite(_ line: String) {
    write("\r\u{1B}[K" + line, to: STDERR_FILENO)
  }

  /// A variable of the environment that is set to something.
  static func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// Asks for a password, which isn't shown while it is typed.
  /// - Throws: ``Failure`` where nobody can be asked.
  static func password(of person: String) throws -> String {
    guard let typed = getpass("Password of \(plain(person)): ") else {
      throw Failure(
        .usage, "There is no terminal at which to ask for the password.", next: "Set DAYBOOK_PASSWORD.")
    }
    return String(cString: typed)
  }

  /// Asks a question on the terminal; nil where nobody can be asked.
  static func ask(_ question: String) -> String? {
    guard isatty(STDIN_FILENO) == 1 else { return nil }
    write(question, to: STDERR_FILENO)
    return readLine(strippingNewline: true)
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EPIPE, descriptor == STDOUT_FILENO { exit(0) }
      // A full disk or a closed stream: there is nobody left to tell.
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  /// How many columns a text takes: two for the wide characters of East Asia and for emoji, none for what combines.
  static func columns(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { $0 + columns($1) }
  }

  private static func columns(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
      0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default: return 1
    }
  }

  /// The beginning of a text that fits so many columns, ended by an ellipsis where something is left out.
  static func fitted(_ text: String, to width: Int) -> String {
    guard columns(text) > width else { return text }
    guard width > 1 else { return width == 1 ? "…" : "" }
    var taken = ""
    var used = 0
    for character in text {
      let next = columns(String(character))
      guard used + next <= width - 1 else { break }
      taken.append(character)
      used += next
    }
    return taken + "…"
  }

  /// A name with its shortened id behind it, fitted by cutting the name.
  static func fittedKeepingID(_ text: String, to width: Int) -> String {
    guard columns(text) > width, let mark = text.lastIndex(of: "…") else { return fitted(text, to: width) }
    let end = String(text[mark...])
    guard columns(end) < width - 3 else { return fitted(text, to: width) }
    var name = text[..<mark]
    while name.last == " " { name.removeLast() }
    return fitted(String(name), to: width - columns(end) - 1) + " " + end
  }

  /// The lines of a text that has to fit a width: broken at blanks, and within words that are too long for a line.
  /// - Parameter indent: How far lines after the first one are set in.
  static func broken(_ text: String, to width: Int, indent: Int = 0) -> [String] {
    var lines: [String] = []
    var rest = Substring(text)
    var inset = ""
    while columns(inset) + columns(String(rest)) > width {
      let room = max(1, width - columns(inset))
      var end = rest.startIndex
      var used = 0
      /// Behind the last blank that the line has room for.
      var blank: Substring.Index?
      while end < rest.endIndex {
        used += columns(String(rest[end]))
        // A blank may stand where the line ends.
        if rest[end] == " ", used <= room + 1, end > rest.startIndex { blank = end }
        guard used <= room else { break }
        end = rest.index(after: end)
      }
      if let blank, rest[..<blank].contains(where: { $0 != " " }) { end = blank }
      if end == rest.startIndex { end = rest.index(after: end) }
      lines.append(inset + rest[..<end])
      rest = rest[end...]
      while rest.first == " " { rest.removeFirst() }
      inset = String(repeating: " ", count: min(indent, width / 2))
    }
    if !rest.isEmpty || lines.isEmpty { lines.append(inset + rest) }
    return lines
  }

  /// A text that a terminal shows as it is: line breaks and other control characters are made visible, none acts. Nor
  /// do those that turn the direction of writing (UAX #9 §2), by which a name could look like another.
  static func plain(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": out += "⏎"
      case "\t": out += " "
      case _ where isControl(scalar): out += "\u{FFFD}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
