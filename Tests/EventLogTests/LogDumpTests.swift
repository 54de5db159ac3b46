import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import TestBasics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A log as text, and back.
@Suite struct LogDumpTests {
  private func filled(_ events: Int = 600) async throws -> TestLog {
    let temporary = try TestLog()
    let log = try temporary.open()
    for piece in 0..<(events / 20) {
      _ = try await log.commit { transaction in
        for number in (piece * 20)..<(piece * 20 + 20) {
          let id = Identifier.numbered(UInt64(number % 97))
          let next = try transaction.nextNumber("thing")
          try transaction.record(id, set: ["number": .integer(next), "text": .string("text \(number) é\u{2028}")])
          let key = [UInt8](repeating: UInt8(number % 251), count: 48)
          try transaction.claim(constraint: "k", key: key, for: id)
          if number % 7 == 0 { try transaction.claim(constraint: "k", key: key + id.bytes, for: id) }
          try transaction.link(id, type: "thing", to: .numbered(99))
          try transaction.storeCommand(
            actor: "user:1", id: "#\(number)",
            StoredCommand(fingerprint: [UInt8](repeating: 1, count: 32), result: Array(#"{"a":"é"}"#.utf8)))
        }
      }
    }
    log.close()
    return temporary
  }

  private func text(of temporary: TestLog) throws -> [UInt8] {
    let log = try temporary.open()
    defer { log.close() }
    var text: [UInt8] = []
    let note = try log.signedHead()?.note
    let head = try log.read { try LogDump.write($0, note: note, at: .now) { text += $0 } }
    #expect(head == log.head)
    return text
  }

  private func load(_ text: [UInt8], into folder: String) throws -> BackupManifest {
    var start = 0
    return try LogDump.load(into: folder, bytes: UInt64(text.count)) {
      guard start < text.count else { return nil }
      let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
      defer { start = end + 1 }
      return Array(text[start..<end])
    }
  }

  @Test func `a log that goes through its text is the same, entry for entry`() async throws {
    let temporary = try await filled()
    let before = try temporary.contents()
    let text = try text(of: temporary)
    let backup = temporary.folder.path + "/backup"
    let manifest = try load(text, into: backup)
    #expect(manifest.position == 600)
    #expect(try EventLogVerifier.verify(folder: backup + "/log").problems == [])
    var again: [UInt8] = []
    _ = try LogDump.write(ofBackup: backup) { again += $0 }
    // The time of the dump is the one of the first.
    #expect(again == text)
    // As a backup it is put back.
    let new = try TestLog()
    _ = try EventLogBackup.restore(from: backup, into: new.configuration)
    #expect(try new.contents() == before)
    #expect(try new.verify().problems == [])
    let log = try new.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "after"]) }
    log.close()
    #expect(try new.verify().problems == [])
  }

  @Test func `a log without events goes through its text`() throws {
    let temporary = try TestLog()
    try temporary.open().close()
    let backup = temporary.folder.path + "/backup"
    #expect(try load(try text(of: temporary), into: backup).position == 0)
    let new = try TestLog()
    _ = try EventLogBackup.restore(from: backup, into: new.configuration)
    #expect(try new.verify().problems == [])
  }

  @Test func `a text of which any byte is another one, or that ends early, makes no backup`() async throws {
    let temporary = try await filled(20)
    let text = try text(of: temporary)
    let folder = temporary.folder.path
    let last = text.count - 1
    // A byte of each stretch, another one for each run of the loop.
    for (number, place) in stride(from: 0, to: last, by: 61).enumerated() {
      var changed = text
      changed[place] ^= [1, 2, 8, 32][number % 4]
      let error = #expect(throws: EventLogError.self, "byte \(place)") {
        _ = try load(changed, into: "\(folder)/changed-\(place)")
      }
      #expect(error?.message.hasPrefix("line ") == true, "byte \(place): \(error?.message ?? "")")
      #expect(access("\(folder)/changed-\(place)/manifest.json", F_OK) != 0)
    }
    for place in stride(from: 0, to: last, by: 997) {
      #expect(throws: EventLogError.self) { _ = try load(Array(text[..<place]), into: "\(folder)/cut-\(place)") }
    }
    #expect(throws: EventLogError.self) { _ = try load(text + Array("{}\n".utf8), into: folder + "/longer") }
    #expect(try load(text, into: folder + "/whole").position == 20)
    let refusal = #expect(throws: EventLogError.self) { _ = try load(text, into: folder + "/whole") }
    #expect(refusal?.code == .unusable)
  }
}
