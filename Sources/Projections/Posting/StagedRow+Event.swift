extension StagedRow {
  /// The row of an event, with what it changed.
  init(_ event: StoredEvent, _ type: PostedType?) {
    self.init(type: type, action: type?.action(event) ?? (event.set.isEmpty ? "execute" : "update"))
    guard !event.set.isEmpty else { return }
    changes.reserveCapacity(event.body.bytes.count + 24 * event.set.count)
    StagedRow.writeChanges(event, type, into: &changes)
  }

  /// `{"field":{"from":…,"to":…}}`; hashes are masked, sealed values stay sealed.
  private static func writeChanges(
    _ event: StoredEvent, _ type: PostedType?, into out: inout [UInt8]
  ) {
    out.append(UInt8(ascii: "{"))
    var hint = 0
    for (number, member) in event.set.enumerated() {
      if number > 0 { out.append(UInt8(ascii: ",")) }
      let place = type?.index(of: event.body.bytes[member.key], from: hint)
      if let place { hint = place + 1 }
      let isHidden = place.map { type?.fields[$0].place == .hidden } ?? false
      func write(_ value: Range<Int>?, _ out: inout [UInt8]) {
        if let value, !event.body.isNull(value) {
          if isHidden {
            out.append(contentsOf: #""********""#.utf8)
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
