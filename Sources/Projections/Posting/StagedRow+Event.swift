extension StagedRow {
  /// PostgreSQL takes no `jsonb` of 256 MiB, and a value can be six times as long in it as in the log. No command
  /// records an event as long as this, but older logs may hold one.
  private static let heldBytes = 40 << 20
  /// What such an event leaves out: its longer values.
  private static let shortBytes = 1 << 16

  /// The row of an event, with what it changed.
  init(_ event: StoredEvent, _ type: PostedType?) {
    self.init(type: type, action: type?.action(event) ?? (event.set.isEmpty ? "execute" : "update"))
    guard !event.set.isEmpty else { return }
    changes.reserveCapacity(event.body.bytes.count + 24 * event.set.count)
    StagedRow.writeChanges(event, type, into: &changes)
  }

  /// `{"field":{"from":…,"to":…}}`; hashes are masked, sealed values stay sealed. In place of what PostgreSQL couldn't
  /// hold stands a sentence.
  private static func writeChanges(
    _ event: StoredEvent, _ type: PostedType?, into out: inout [UInt8]
  ) {
    out.append(UInt8(ascii: "{"))
    var hint = 0
    let isCut = event.body.bytes.count > heldBytes
    for (number, member) in event.set.enumerated() {
      if number > 0 { out.append(UInt8(ascii: ",")) }
      let place = type?.index(of: event.body.bytes[member.key], from: hint)
      if let place { hint = place + 1 }
      let isHidden = place.map { type?.fields[$0].place == .hidden } ?? false
      func write(_ value: Range<Int>?, _ out: inout [UInt8]) {
        if let value, !event.body.isNull(value) {
          if isHidden {
            out.append(contentsOf: #""********""#.utf8)
          } else if isCut, value.count > shortBytes {
            out.append(contentsOf: #""\#(value.count) bytes, which only the log holds: see the history.""#.utf8)
          } else {
            out.append(contentsOf: event.body.bytes[value])
          }
        } else {
          out.append(contentsOf: "null".utf8)
        }
      }
      out.append(UInt8(ascii: "\""))
      out.append(contentsOf: event.body.bytes[member.key])
      out.append(contentsOf: #"":{"from":"#.utf8)
      write(event.before(member.key), &out)
      out.append(contentsOf: #","to":"#.utf8)
      write(member.value, &out)
      out.append(UInt8(ascii: "}"))
    }
    out.append(UInt8(ascii: "}"))
  }
}
