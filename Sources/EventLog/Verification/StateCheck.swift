import BasicTypes
import CanonicalJSON
import LMDB

/// Folds every state again from the log, member by member on the stored bytes, and
/// compares; checks the history index on the way.
///
/// It works on the bytes in the map, which stay where they are as long as the transaction that ``run(_:)`` borrows.
struct StateCheck {
  let databases: Databases
  let progress: @Sendable (VerificationProgress) -> Void

  private struct Folded {
    var members: [CanonicalScanner.Member] = []
    var type: UnsafeRawBufferPointer?
    var version: UInt64 = 0
    var position: UInt64 = 0
    var organization: UnsafeRawBufferPointer?
    var createdAt: UnsafeRawBufferPointer?
    var updatedAt: UnsafeRawBufferPointer?
    var isComplete = true
  }

  func run(
    _ store: borrowing ReadTransaction
  ) throws -> (report: VerificationReport, highestNumbers: [String: UInt64]) {
    try store.withCursor(databases.states) { states in
      try store.withCursor(databases.history) { history in try run(store, &states, &history) }
    }
  }

  private func run(
    _ store: borrowing ReadTransaction, _ states: inout Cursor, _ history: inout Cursor
  ) throws -> (report: VerificationReport, highestNumbers: [String: UInt64]) {
    var report = VerificationReport()
    var numbers: [String: UInt64] = [:]
    let total = try store.statistics(databases.states).entries
    let events = try store.statistics(databases.headers).entries
    let historyTotal = try store.statistics(databases.history).entries
    if historyTotal != events {
      report.note(.history, "the history index has \(historyTotal) entries for \(events) events")
    }
    try states.first()
    try history.first()
    var seen: UInt64 = 0
    while history.isOnEntry, seen <= historyTotal {
      let key = history.unsafeKey
      guard key.count == 24 else {
        report.note(.history, "an entry of the history index has a damaged key")
        try history.next()
        seen += 1
        continue
      }
      let resource = Array(key.prefix(16))
      var folded = Folded()
      while history.isOnEntry, history.unsafeKey.count == 24, history.unsafeKey.prefix(16).elementsEqual(resource),
        seen <= historyTotal
      {
        try take(store, history.unsafeKey, history.unsafeValue, resource, &folded, &report)
        try history.next()
        seen += 1
      }
      while states.isOnEntry, states.unsafeKey.lexicographicallyPrecedes(resource) {
        report.note(.states, "a state belongs to no event", at: folded.position)
        try states.next()
      }
      if states.isOnEntry, states.unsafeKey.elementsEqual(resource) {
        compare(states.unsafeValue, folded, &numbers, &report)
        try states.next()
        report.states += 1
      } else {
        report.note(.states, "the resource of this event has no state", at: folded.position)
      }
      if report.states & 0xFFF == 0 {
        progress(VerificationProgress(phase: "states", done: report.states, total: total))
      }
    }
    if states.isOnEntry { report.note(.states, "a state belongs to no event") }
    if seen != historyTotal { report.note(.history, "the history index can't be read to its end") }
    progress(VerificationProgress(phase: "states", done: report.states, total: total))
    return (report, numbers)
  }

  private func take(
    _ store: borrowing ReadTransaction, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
    _ resource: [UInt8], _ folded: inout Folded, _ report: inout VerificationReport
  ) throws {
    guard let positionBytes = Checksummed.unwrap(key, value), positionBytes.count == 8 else {
      report.note(.history, "an entry of the history index is damaged")
      folded.isComplete = false
      return
    }
    let position = Key.readPosition(positionBytes)
    let version = Key.readPosition(UnsafeRawBufferPointer(rebasing: key[16..<24]))
    guard let header = try store.unsafeValue(databases.headers, Key.position(position)),
      let body = try store.unsafeValue(databases.bodies, Key.position(position))
    else {
      report.note(.history, "the history index names a position that isn't there", at: position)
      folded.isComplete = false
      return
    }
    var scanner = CanonicalScanner(header)
    var isOwn = false
    var hasVersion = false
    while let member = scanner.next() {
      if CanonicalScanner.equal(member.key, "resource") {
        isOwn = CanonicalScanner.plainText(member.value).map { Self.identifier($0) == resource } ?? false
      } else if CanonicalScanner.equal(member.key, "version") {
        hasVersion = CanonicalScanner.integer(member.value) == version
      } else if CanonicalScanner.equal(member.key, "at") {
        let text = CanonicalScanner.plainText(member.value)
        if folded.createdAt == nil { folded.createdAt = text }
        folded.updatedAt = text
      } else if CanonicalScanner.equal(member.key, "organization"), folded.version == 0 {
        folded.organization = CanonicalScanner.plainText(member.value)
      } else if CanonicalScanner.equal(member.key, "event"), folded.type == nil {
        folded.type = CanonicalScanner.plainText(member.value).flatMap { event in
          event.firstIndex(of: UInt8(ascii: ".")).map { UnsafeRawBufferPointer(rebasing: event[0..<$0]) }
        }
      }
    }
    if !isOwn || !hasVersion { report.note(.history, "the history index and the header disagree", at: position) }
    if version != folded.version + 1 {
      report.note(.history, "version \(folded.version + 1) of the resource is missing", at: position)
    }
    folded.version = version
    folded.position = position
    var members = CanonicalScanner(body)
    if let set = members.rest(from: "set") { merge(set, &folded, position, &report) }
  }

  /// Merges two sorted lists of members; a null removes.
  private func merge(
    _ set: UnsafeRawBufferPointer, _ folded: inout Folded, _ position: UInt64, _ report: inout VerificationReport
  ) {
    var scanner = CanonicalScanner(set, isPrefix: true)
    let isFirst = folded.members.isEmpty
    while let change = scanner.next() {
      let isNull = CanonicalScanner.equal(change.value, "null")
      let index = isFirst ? nil : folded.members.firstIndex { CanonicalScanner.equal($0.key, change.key) }
      if let index {
        if isNull { folded.members.remove(at: index) } else { folded.members[index] = change }
      } else if !isNull {
        folded.members.append(change)
      }
    }
    if !scanner.isWellFormed {
      report.note(.records, "the body is damaged", at: position)
      folded.isComplete = false
    }
  }

  /// Encodes what the events add up to in the one way a state is written, and
  /// compares the bytes: whatever differs is found.
  private func compare(
    _ stored: UnsafeRawBufferPointer, _ folded: Folded, _ numbers: inout [String: UInt64],
    _ report: inout VerificationReport
  ) {
    guard folded.isComplete else { return }
    guard let expected = StateCheck.encode(folded, capacity: stored.count),
      expected.withUnsafeBytes({ CanonicalScanner.equal($0, stored) })
    else {
      report.note(.states, "the stored state differs from what its events add up to", at: folded.position)
      return
    }
    if let type = folded.type, let member = folded.members.first(where: { CanonicalScanner.equal($0.key, "number") }),
      let number = CanonicalScanner.integer(member.value)
    {
      let name = String(decoding: type, as: UTF8.self)
      numbers[name] = max(numbers[name] ?? 0, number)
    }
  }

  /// The bytes of ``ResourceState`` `encoded`, made of the stored bytes of its
  /// events; nil where they lack a part of it.
  private static func encode(_ folded: Folded, capacity: Int) -> [UInt8]? {
    guard let createdAt = folded.createdAt, let updatedAt = folded.updatedAt, let type = folded.type else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(capacity)
    func text(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
      append(name, to: &out)
      out.append(UInt8(ascii: "\""))
      out.append(contentsOf: value)
      out.append(UInt8(ascii: "\""))
    }
    text(#"{"created_at":"#, createdAt)
    append(#","fields":{"#, to: &out)
    for (index, member) in sorted(folded.members).enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      out.append(UInt8(ascii: "\""))
      out.append(contentsOf: member.key)
      append(#"":"#, to: &out)
      out.append(contentsOf: member.value)
    }
    append("}", to: &out)
    if let organization = folded.organization { text(#","organization":"#, organization) }
    append(#","position":\#(folded.position)"#, to: &out)
    text(#","type":"#, type)
    text(#","updated_at":"#, updatedAt)
    append(#","version":\#(folded.version)}"#, to: &out)
    return out
  }

  private static func append(_ text: StaticString, to out: inout [UInt8]) {
    text.withUTF8Buffer { out.append(contentsOf: $0) }
  }

  @_disfavoredOverload
  private static func append(_ text: String, to out: inout [UInt8]) {
    out.append(contentsOf: text.utf8)
  }

  /// Members in the order of canonical JSON (RFC 8785 §3.2.3); those of a first event are in it already.
  private static func sorted(_ members: [CanonicalScanner.Member]) -> [CanonicalScanner.Member] {
    func precedes(_ left: CanonicalScanner.Member, _ right: CanonicalScanner.Member) -> Bool {
      let hasEscape = left.key.contains(UInt8(ascii: "\\")) || right.key.contains(UInt8(ascii: "\\"))
      if hasEscape, let one = unescaped(left.key), let other = unescaped(right.key) {
        return one.utf16.lexicographicallyPrecedes(other.utf16)
      }
      return UTF8Bytes.order(left.key.bindMemory(to: UInt8.self), right.key.bindMemory(to: UInt8.self)) < 0
    }
    for index in members.indices.dropFirst() where !precedes(members[index - 1], members[index]) {
      return members.sorted(by: precedes)
    }
    return members
  }

  private static func unescaped(_ key: UnsafeRawBufferPointer) -> String? {
    try? JSON.parse([UInt8(ascii: "\"")] + Array(key) + [UInt8(ascii: "\"")]).stringValue
  }

  private static func identifier(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
    Identifier(String(decoding: text, as: UTF8.self))?.bytes
  }
}
