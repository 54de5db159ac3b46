import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import LMDB
import MerkleTree
import TestBasics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Everything that is stored is changed in turn, through LMDB itself, and must be found.
@Suite struct VerificationTests {
  /// - Parameter isLong: Whether the tree has a full tile, as of 256 events on.
  private func filled(isLong: Bool = false) async throws -> TestLog {
    let temporary = try TestLog()
    let log = try temporary.open()
    for number in 0..<40 {
      _ = try await log.commit { transaction in
        let id = Identifier.numbered(UInt64(number % 13))
        let next = try transaction.nextNumber("thing")
        try transaction.record(id, set: ["number": .integer(next), "text": .string("text \(number)")])
        try transaction.claim(constraint: "k", key: [UInt8(number)], for: id)
        try transaction.link(id, type: "thing", to: .numbered(99))
        try transaction.storeCommand(
          actor: "server", id: "\(number)",
          StoredCommand(fingerprint: [UInt8](repeating: 1, count: 32), result: Array("{}".utf8)))
      }
    }
    if isLong {
      _ = try await log.commit { transaction in
        for number in 0..<260 { try transaction.record(.numbered(12), set: ["text": .string("more \(number)")]) }
      }
    }
    log.close()
    return temporary
  }

  private func change(
    _ temporary: TestLog, _ name: String, _ body: (WriteTransaction, Database, [UInt8], [UInt8]) throws -> Void
  ) throws {
    var options = Environment.Options()
    options.mapSize = 1 << 24
    let environment = try Environment(folder: temporary.logFolder, options: options)
    defer { environment.close() }
    let database = try #require(try environment.databases([name]).first)
    let transaction = try environment.beginWrite()
    // The eighth entry, or the last of fewer.
    let entry = try transaction.withCursor(database) { cursor in
      var seen = 0
      var entry: ([UInt8], [UInt8])?
      try cursor.scan { key, value in
        entry = (key.copy, value.copy)
        seen += 1
        return seen < 8
      }
      return entry
    }
    let (key, value) = try #require(entry)
    try body(transaction, database, key, value)
    try transaction.commit()
  }

  @Test func `an untouched log is healthy`() async throws {
    let temporary = try await filled()
    let report = try temporary.verify()
    #expect(report.problems == [])
    #expect(report.events == 40)
    #expect(report.states == 13)
    #expect(report.signedPosition == 40)
  }

  @Test(arguments: [
    "headers", "bodies", "history", "states", "unique", "links", "subjects", "commands", "tree", "meta",
  ])
  func `a changed bit of any database is found`(_ name: String) async throws {
    let temporary = try await filled(isLong: name == "tree")
    try change(temporary, name) { transaction, database, key, value in
      var changed = value
      changed[changed.count / 2] ^= 1
      try transaction.put(database, key, changed)
    }
    let report = try temporary.verify()
    #expect(!report.isHealthy)
    if ["headers", "bodies"].contains(name) { #expect(report.problems.contains { $0.position == 8 }) }
    if ["tree", "states"].contains(name) { #expect(report.problems.contains { $0.position != nil }) }
  }

  @Test(arguments: [
    "headers", "bodies", "history", "states", "unique", "links", "subjects", "commands", "tree", "meta",
  ])
  func `a removed entry of any database is found`(_ name: String) async throws {
    let temporary = try await filled(isLong: name == "tree")
    try change(temporary, name) { transaction, database, key, _ in try transaction.delete(database, key) }
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func `every changed byte of a state is found, in the names of its members too`() async throws {
    let temporary = try await filled()
    // A field that a later event adds stands behind the others of the first one in
    // the order of the log, not in the state's.
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(3), set: ["an": "added field", "e\u{301}": 1, "\"quoted": 2]) }
    log.close()
    #expect(try temporary.verify().problems == [])
    var length = 1
    var index = 0
    while index < length {
      for mask: UInt8 in [0x01, 0x20] {
        try change(temporary, "states") { transaction, database, _, _ in
          let key = Identifier.numbered(3).bytes
          var changed = try #require(try transaction.value(database, key))
          length = changed.count
          changed[index] ^= mask
          try transaction.put(database, key, changed)
        }
        #expect(try !temporary.verify().isHealthy, "byte \(index) of the state, changed by \(mask)")
        try change(temporary, "states") { transaction, database, _, _ in
          let key = Identifier.numbered(3).bytes
          var changed = try #require(try transaction.value(database, key))
          changed[index] ^= mask
          try transaction.put(database, key, changed)
        }
      }
      index += 1
    }
    #expect(length > 150)
    #expect(try temporary.verify().problems == [])
  }

  @Test(arguments: [
    #"{"$dropped":40}"#, #"{"$dropped":9}"#, #"{"$dropped":-1}"#, #"{"$dropped":18446744073709551616}"#,
    #"{"$dropped":"9"}"#, #"{"$dropped":9,"set":{"number":1}}"#,
  ])
  func `a body that claims to have been dropped is damage, whatever it names`(_ body: String) async throws {
    let temporary = try await filled()
    try change(temporary, "bodies") { transaction, database, key, _ in
      try transaction.put(database, key, Array(body.utf8))
    }
    let problems = try temporary.verify().problems
    #expect(problems.contains { $0.position == 8 && $0.description.contains("taken away") }, "\(problems)")
    let log = try temporary.open()
    defer { log.close() }
    let record = try #require(try log.read { try $0.record(at: 8) })
    let error = #expect(throws: EventLogError.self) { try record.parsedBody() }
    #expect(error?.code == .damaged)
  }

  @Test(arguments: ["unique", "links", "subjects", "commands"])
  func `an added index entry is found`(_ name: String) async throws {
    let temporary = try await filled()
    try change(temporary, name) { transaction, database, key, value in
      var other = key
      other[other.count - 1] ^= 0x55
      try transaction.put(database, other, value)
    }
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func `a removed tail is found by its position, and refused at start`() async throws {
    let temporary = try await filled()
    let shorter = try await filled()
    let older = try shorter.open()
    for _ in 0..<5 { _ = try await older.commit { try $0.record(.numbered(1), set: ["text": "more"]) } }
    older.close()
    // The longer log's signed head beside the shorter log: what a cleanly removed tail looks like.
    for name in ["head", "head-2"] { try temporary.write(try shorter.bytes(of: name), to: name) }
    let report = try temporary.verify()
    #expect(report.problems.contains { $0.position == 41 })
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .damaged)
  }

  /// What a power cut leaves of a file that was being written: nothing, a part, or an older note with a NUL in it.
  private static let torn: [[UInt8]] = [[], Array("test 4".utf8), [0], Array("test 9 abc\0".utf8), [0xFF, 0xFE]]

  @Test(arguments: ["head", "head-2"], torn)
  func `one torn head doesn't stop the start, and a lost tail is still found`(_ name: String, _ left: [UInt8])
    async throws
  {
    let temporary = try await filled()
    try temporary.write(left, to: name)
    #expect(try temporary.verify().problems == [])
    #expect(try temporary.verify().signedPosition == 40)
    try temporary.open().close()
    #expect(try temporary.heads() == [40, 40])
    // The other log ends earlier: the head that is whole says so, whichever it is.
    let shorter = try TestLog()
    let log = try shorter.open()
    for _ in 0..<5 { _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "less"]) } }
    log.close()
    for file in ["head", "head-2"] { try shorter.write(try temporary.bytes(of: file), to: file) }
    try shorter.write(left, to: name)
    #expect(try shorter.verify().problems.contains { $0.position == 6 })
    #expect(#expect(throws: EventLogError.self) { try shorter.open() }?.code == .damaged)
  }

  @Test(arguments: torn) func `a log whose heads are both torn starts by the vault's, and signs both anew`(
    _ left: [UInt8]
  ) async throws {
    let temporary = try await filled()
    for name in ["head", "head-2"] { try temporary.write(left, to: name) }
    #expect(try temporary.verify().signedPosition == 40)
    try temporary.open().close()
    #expect(try temporary.heads() == [40, 40])
    #expect(try temporary.verify().problems == [])
  }

  @Test func `both heads are whole before the first command, and one of them at any moment after`() async throws {
    let temporary = try TestLog()
    try temporary.open().close()
    // Of a log without events, too, it is said where it ends.
    let empty = try TestLog.sign(0, RFC6962.emptyRoot)
    for name in ["head", "head-2"] {
      let bytes = try temporary.bytes(of: name)
      #expect(bytes.count == 512)
      #expect(bytes.prefix { $0 != 0 } == Array(empty.utf8)[...])
    }
    #expect(try temporary.verify().problems == [])
    let log = try temporary.open()
    for number in 1...200 {
      _ = try await log.commit { try $0.record(.numbered(1), set: ["number": .integer(Int64(number))]) }
      for name in ["head", "head-2"] { #expect(try temporary.bytes(of: name).count == 512) }
    }
    log.close()
    #expect(try temporary.heads().contains(200))
  }

  @Test func `a fork is refused at start`() async throws {
    let temporary = try await filled()
    let other = try await filled()
    for name in ["head", "head-2"] { try temporary.write(try other.bytes(of: name), to: name) }
    #expect(try !temporary.verify().isHealthy)
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .damaged)
  }

  @Test func `a cut file is found without reading beyond its end`() async throws {
    let temporary = try await filled()
    let file = temporary.logFolder + "/data.mdb"
    var information = stat()
    #expect(stat(file, &information) == 0)
    #expect(truncate(file, information.st_size / 2) == 0)
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func `a backup is whole and comes back the same`() async throws {
    let temporary = try await filled()
    let target = try TestLog()
    let log = try temporary.open()
    let manifest = try EventLogBackup.make(of: log, into: target.folder.path + "/backup")
    log.close()
    #expect(manifest.position == 40)
    _ = try EventLogBackup.restore(
      from: target.folder.path + "/backup", into: target.configuration)
    let report = try target.verify()
    #expect(report.problems == [])
    #expect(report.root == manifest.root)
    #expect(throws: EventLogError.self) { try EventLogBackup.make(of: log, into: target.folder.path) }
    for name in ["log/data.mdb", "log/lock.mdb", "head", "manifest.json"] {
      unlink(target.folder.path + "/backup/" + name)
    }
    rmdir(target.folder.path + "/backup/log")
    rmdir(target.folder.path + "/backup")
  }
}
