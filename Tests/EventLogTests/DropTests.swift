import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import LMDB
import MerkleTree
import TestBasics
import Testing

/// Bodies that an event drops: what stands in their place is what everybody reads from then on, and nothing else can
/// take a body away.
@Suite struct DropTests {
  /// A log in which `thing` 1 has three versions, and the records of it.
  private func filled() async throws -> (TestLog, EventLog) {
    let temporary = try TestLog()
    let log = try temporary.open()
    for text in ["first", "second", "third"] {
      _ = try await log.commit {
        try $0.record(.numbered(1), set: ["text": .string("\(text) of Ann"), "kept": .string(text)])
      }
      _ = try await log.commit { try $0.record(.numbered(2), set: ["text": .string(text)]) }
    }
    return (temporary, log)
  }

  /// Drops the bodies of `thing` 1 with its texts taken out; answers the position of the event that did.
  @discardableResult
  private func drop(_ log: EventLog, from first: Int64 = 1, mark: JSON = ["redacted": true]) async throws -> UInt64 {
    try await log.commit { transaction in
      var draft = EventDraft(event: "redaction.created", type: "redaction", resource: .numbered(90), actor: "server")
      draft.set = ["reason": "r"]
      draft.drops = try transaction.history(of: .numbered(1), versions: first...Int64.max).map { record in
        let body = try record.parsedBody()
        return try DroppedBody(record, set: body.set.merging(["text": mark]), was: body.was, data: body.data)
      }
      return try transaction.append(draft).position
    }.value
  }

  @Test func `a dropped body is replaced everywhere, and every proof and state holds`() async throws {
    let (temporary, log) = try await filled()
    let (size, root) = (log.head.position, log.head.root)
    let before = try #require(try log.read { try $0.record(at: 3) })
    let event = try await drop(log)
    #expect(event == 7)
    let (record, state, past) = try log.read { snapshot in
      (
        try snapshot.record(at: 3), try snapshot.state(.numbered(1)), try snapshot.fold(.numbered(1), through: 3)
      )
    }
    let dropped = try #require(record)
    #expect(dropped.header == before.header && dropped.droppedBy == 7)
    #expect(
      String(decoding: dropped.body, as: UTF8.self)
        == #"{"$dropped":7,"set":{"kept":"second","text":{"redacted":true}}}"#, "without a salt, by which to guess")
    #expect(state?.fields["text"] == ["redacted": true] && state?.fields["kept"] == "third")
    #expect(state?.version == 3 && state?.position == 5)
    #expect(past?.fields["text"] == ["redacted": true] && past?.fields["kept"] == "second")
    #expect(try log.read { try $0.root(size: size) } == root)
    #expect(
      try log.read { try $0.records(from: 1, limit: 10, maximumBytes: 1 << 20) }.map(\.droppedBy) == [
        7, nil, 7, nil, 7, nil, nil,
      ])
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "new"]) }
    log.close()
    let report = try temporary.verify()
    #expect(report.problems == [])
    #expect(
      report.dropCount == 3 && report.drops.map(\.position) == [1, 3, 5] && report.drops.allSatisfy { $0.by == 7 })
    let again = try temporary.open()
    #expect(try again.read { try $0.state(.numbered(1)) }?.fields["text"] == "new")
    again.close()
  }

  @Test func `the file that takes the place of the old one holds no byte of what was dropped`() async throws {
    let (temporary, log) = try await filled()
    func found() throws -> [String] {
      try ["log/data.mdb", "log/journal"].filter { name in
        let bytes = try temporary.bytes(of: name)
        return String(decoding: bytes, as: UTF8.self).contains("of Ann")
      }
    }
    try log.flush()
    #expect(try found() == ["log/data.mdb", "log/journal"])
    try await drop(log)
    #expect(try found() != [], "LMDB and the ring keep what was replaced")
    try log.renewFile()
    #expect(try found() == [])
    #expect(try log.read { try $0.record(at: 4) }?.parsedBody().set["text"] == "second")
    // It goes on being the log: commands, reads and a second time.
    _ = try await log.commit { try $0.record(.numbered(3), set: ["text": "after"]) }
    try log.renewFile()
    _ = try await log.commit { try $0.record(.numbered(3), set: ["text": "later"]) }
    #expect(try log.read { try $0.state(.numbered(3)) }?.fields["text"] == "later")
    log.close()
    #expect(try temporary.verify().problems == [])
    #expect(try found() == [])
    let again = try temporary.open()
    #expect(again.head.position == 9)
    again.close()
  }

  @Test func `what was dropped is dropped again, by a later event`() async throws {
    let (temporary, log) = try await filled()
    try await drop(log)
    #expect(try await drop(log, mark: .null) == 8)
    #expect(try log.read { try $0.record(at: 1) }?.droppedBy == 8)
    #expect(try log.read { try $0.state(.numbered(1)) }?.fields["text"] == nil)
    log.close()
    let report = try temporary.verify()
    #expect(report.problems == [] && report.drops.map(\.by) == [8, 8, 8])
  }

  @Test func `a batch sees what it has dropped itself`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    _ = try await log.commit { transaction in
      try transaction.record(.numbered(1), set: ["text": "of Ann"])
      var draft = EventDraft(event: "redaction.created", type: "redaction", resource: .numbered(90), actor: "server")
      draft.drops = try transaction.history(of: .numbered(1), versions: 1...Int64.max).map {
        try DroppedBody($0, set: ["text": ["redacted": true]], was: [:], data: [:])
      }
      try transaction.append(draft)
      let records = try transaction.history(of: .numbered(1), versions: 1...Int64.max)
      #expect(try records.map { try $0.parsedBody().set } == [["text": ["redacted": true]]])
      try transaction.record(.numbered(1), set: ["other": 1])
    }
    #expect(try log.read { try $0.state(.numbered(1)) }?.fields == ["other": 1, "text": ["redacted": true]])
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  /// Changes the stored body of a position in the closed log.
  private func change(_ temporary: TestLog, _ position: UInt64, _ body: (String) -> String) throws {
    let environment = try Environment(folder: temporary.logFolder)
    let databases = try environment.databases(["bodies"])
    let key = (0..<8).map { UInt8(truncatingIfNeeded: position >> UInt64(56 - 8 * $0)) }
    let store = try environment.beginWrite()
    let stored = String(decoding: try #require(try store.value(databases[0], key)), as: UTF8.self)
    try store.put(databases[0], key, Array(body(stored).utf8))
    try store.commit()
    environment.close()
  }

  @Test(arguments: [
    // A replacement that the event doesn't name, of a position that it names and of one that it doesn't.
    (UInt64(3), #"{"$dropped":7,"set":{"kept":"forged","text":{"redacted":true}}}"#),
    (4, #"{"$dropped":7,"set":{"text":{"redacted":true}}}"#), (4, #"{"$dropped":2}"#), (4, #"{"$dropped":99}"#),
    (3, #"{"$dropped":8,"set":{"kept":"second","text":{"redacted":true}}}"#),
    (3, #"{"set":{"kept":"second","text":{"redacted":true}}}"#),
  ])
  func `a drop that no event says is refused by verify and by whoever reads it`(_ position: UInt64, _ forged: String)
    async throws
  {
    let (temporary, log) = try await filled()
    try await drop(log)
    _ = try await log.commit { try $0.record(.numbered(5), set: ["text": "another"]) }
    log.close()
    try change(temporary, position) { _ in forged }
    let report = try temporary.verify()
    #expect(report.problems.contains { $0.part == .records && $0.position == position }, "\(report.problems)")
    #expect(!report.areRecordsWhole)
    guard forged.contains("$dropped") else { return }
    let again = try temporary.open()
    defer { again.close() }
    let record = try #require(try again.read { try $0.record(at: position) })
    #expect(record.droppedBy == nil)
    #expect(throws: EventLogError.self) { try record.parsedBody() }
  }

  @Test func `a body that is back after it was dropped is told`() async throws {
    let (temporary, log) = try await filled()
    let old = try #require(try log.read { try $0.record(at: 3) })
    try await drop(log)
    log.close()
    try change(temporary, 3) { _ in String(decoding: old.body, as: UTF8.self) }
    let report = try temporary.verify()
    #expect(report.problems.contains { $0.position == 3 && $0.description.contains("event 7 says that it dropped") })
    #expect(report.dropCount == 2)
  }

  @Test func `an event drops no more than those who read it can look through, and no event that drops`() async throws {
    let (temporary, log) = try await filled()
    let event = try await drop(log)
    await #expect(throws: EventLogError.self, "a body that names others stays") {
      _ = try await log.commit { transaction in
        var draft = EventDraft(event: "redaction.created", type: "redaction", resource: .numbered(91), actor: "server")
        draft.drops = try transaction.history(of: .numbered(90), versions: 1...1).map {
          try DroppedBody($0, set: [:], was: [:], data: [:])
        }
        try transaction.append(draft)
      }
    }
    #expect(log.head.position == event)
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a text and a reindexed log have the drops, and the same root`() async throws {
    let (temporary, log) = try await filled()
    try await drop(log)
    let root = log.head.root
    log.close()
    let made = try EventLogReindexer.reindex(temporary.configuration) { _ in
      IndexDerivation(entries: { _, _ in .init() }, subjects: { _, _, _ in [.numbered(1)] })
    }
    #expect(made.root == root.base64)
    let report = try temporary.verify()
    #expect(report.dropCount == 3 && report.problems == [])
  }
}
