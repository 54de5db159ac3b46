import CanonicalJSON

/// A line of `events.jsonl`: `{"body":…,"header":…}`, around the two lines of a record as they are hashed.
package enum EvidenceRecord {
  private static let opening = Array(#"{"body":"#.utf8)
  private static let middle = Array(#","header":"#.utf8)

  /// The line of a record, without a line break.
  package static func line(body: [UInt8], header: [UInt8]) -> [UInt8] {
    var line: [UInt8] = []
    line.reserveCapacity(opening.count + body.count + middle.count + header.count + 1)
    line += opening
    line += body
    line += middle
    line += header
    line.append(UInt8(ascii: "}"))
    return line
  }

  /// The body in a line, by the header that it must have; nil where the line isn't of that header.
  static func body(of line: [UInt8], header: [UInt8]) -> ArraySlice<UInt8>? {
    let rest = middle.count + header.count + 1
    guard line.count > opening.count + rest, line.starts(with: opening), line.last == UInt8(ascii: "}"),
      line[(line.count - 1 - header.count)...].dropLast().elementsEqual(header),
      line[(line.count - rest)...].starts(with: middle)
    else { return nil }
    return line[opening.count..<(line.count - rest)]
  }

  /// The position that the header in a line names; nil where the line has none.
  static func position(of line: [UInt8]) -> UInt64? {
    guard let json = try? JSON.parse(line) else { return nil }
    return json["header"]?["position"]?.integerValue.flatMap { UInt64(exactly: $0) }
  }
}
