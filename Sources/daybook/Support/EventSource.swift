import CanonicalJSON

/// One event of a file, or why what stands there is none.
struct SourcedEvent: Sendable {
  /// Where it stands, for a report: `line 12`, or `event 3` of a document.
  let place: String
  let event: Result<JSON, JSONParseError>

  /// Whether it is something else than an event, such as another program's line in the same file: no JSON object at
  /// all, or one without any of the members that tell an OpenLineage event from others. One that breaks off or is
  /// damaged is an event.
  var isSomethingElse: Bool {
    switch event {
    case .success(let json):
      !["eventTime", "eventType", "schemaURL"].contains { json.objectValue?.contains($0) == true }
    case .failure: !mayBeObject
    }
  }

  /// Whether what doesn't parse begins as an object or an array does.
  var mayBeObject = true
}

/// The events of a file: one a line (NDJSON), or one JSON document that is an event or an array of events.
///
/// A bad line of NDJSON is one bad event, and the next line is the next one.
struct EventSource: ~Copyable {
  private var reader: ByteReader
  private var lineNumber = 0
  private var queue: [SourcedEvent] = []
  private var taken = 0

  init(path: String) throws {
    reader = try ByteReader(path: path)
  }

  /// The events of whole lines of a file.
  /// - Parameter before: How many lines there are before them, for their numbers.
  init(lines: [UInt8], before: Int) {
    reader = ByteReader(bytes: lines)
    lineNumber = before
    isFirst = false
  }

  /// The next event; nil after the last one.
  mutating func next() throws -> SourcedEvent? {
    while taken == queue.count {
      queue.removeAll(keepingCapacity: true)
      taken = 0
      guard var line = try reader.line() else { return nil }
      lineNumber += 1
      if lineNumber == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
      guard line.contains(where: { !Self.isSpace($0) }) else { continue }
      do {
        take(try JSON.parse(line), "line \(lineNumber)")
      } catch {
        // A first line that only begins a value is the first line of a document.
        if queue.isEmpty, isFirst, error.code == .unexpectedEnd, Self.beginsDocument(line) {
          try takeDocument(firstLine: line)
        } else {
          let begin = line.first { !Self.isSpace($0) }
          let mayBeObject = begin == UInt8(ascii: "{") || begin == UInt8(ascii: "[")
          queue.append(
            SourcedEvent(place: "line \(lineNumber)", event: .failure(error), mayBeObject: mayBeObject))
        }
      }
      isFirst = false
    }
    defer { taken += 1 }
    return queue[taken]
  }

  private var isFirst = true

  /// Where an array stands, each of its elements is an event.
  private mutating func take(_ value: JSON, _ place: String) {
    guard let elements = value.arrayValue else {
      queue.append(SourcedEvent(place: place, event: .success(value)))
      return
    }
    for (index, element) in elements.enumerated() {
      queue.append(SourcedEvent(place: "\(place), event \(index + 1)", event: .success(element)))
    }
  }

  private mutating func takeDocument(firstLine: [UInt8]) throws {
    let firstNumber = lineNumber
    let text = firstLine + [UInt8(ascii: "\n")] + (try reader.readToEnd())
    do {
      take(try JSON.parse(text), "document")
    } catch {
      let line = firstNumber + text[..<min(error.offset, text.count)].count { $0 == UInt8(ascii: "\n") }
      queue.append(SourcedEvent(place: "line \(line)", event: .failure(error)))
    }
  }

  /// Whether a line breaks off where a person breaks lines: behind a bracket, a comma or a colon.
  private static func beginsDocument(_ line: [UInt8]) -> Bool {
    guard let first = line.first(where: { !isSpace($0) }), let last = line.last(where: { !isSpace($0) }) else {
      return false
    }
    return "{[".utf8.contains(first) && "{[,:".utf8.contains(last)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
