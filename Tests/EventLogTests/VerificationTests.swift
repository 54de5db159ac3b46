import BasicTypes
import CanonicalJSON
import EventLog
import LMDB
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Everything that is stored is changed in turn, through LMDB itself, and must be found.
@Suite struct VerificationTests {
  private func filled() async throws -> TemporaryLog {
    let temporary = TemporaryLog()
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
    log.close()
    return temporary
  }

  private func change(
    _ temporary: TemporaryLog, _ name: String, _ body: (WriteTransaction, Database, [UInt8], [UInt8]) throws -> Void
  ) throws {
    var options = Environment.Options()
    options.mapSize = 1 << 24
    let environment = try Environment(folder: temporary.logFolder, options: options)
    defer { environment.close() }
    let database = try #require(try environment.databases([name]).first)
    let transaction = try environment.beginWrite()
    var entry: ([UInt8], [UInt8])?
    do {
      let cursor = try transaction.cursor(database)
      var found = try cursor.first()
      for _ in 0..<7 { if let next = try cursor.next() { found = next } }
      entry = found.map { ([UInt8]($0.key), [UInt8]($0.value)) }
    }
    let (key, value) = try #require(entry)
    try body(transaction, database, key, value)
    try transaction.commit()
  }

  @Test func anUntouchedLogIsHealthy() async throws {
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
  func aChangedBitOfAnyDatabaseIsFound(_ name: String) async throws {
    let temporary = try await filled()
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
  func aRemovedEntryOfAnyDatabaseIsFound(_ name: String) async throws {
    let temporary = try await filled()
    try change(temporary, name) { transaction, database, key, _ in try transaction.delete(database, key) }
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func `every changed byte of a state is found, in the names of its members too`() async throws {
    let temporary = try await filled()
    // A field that a later event adds stands behind the others of the first one in the order of the log, not in the state's.
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
          var changed = [UInt8](try #require(try transaction.get(database, key)))
          length = changed.count
          changed[index] ^= mask
          try transaction.put(database, key, changed)
        }
        #expect(try !temporary.verify().isHealthy, "byte \(index) of the state, changed by \(mask)")
        try change(temporary, "states") { transaction, database, _, _ in
          let key = Identifier.numbered(3).bytes
          var changed = [UInt8](try #require(try transaction.get(database, key)))
          changed[index] ^= mask
          try transaction.put(database, key, changed)
        }
      }
      index += 1
    }
    #expect(length > 150)
    #expect(try temporary.verify().problems == [])
  }

  @Test(arguments: ["unique", "links", "subjects", "commands"])
  func anAddedIndexEntryIsFound(_ name: String) async throws {
    let temporary = try await filled()
    try change(temporary, name) { transaction, database, key, value in
      var other = key
      other[other.count - 1] ^= 0x55
      try transaction.put(database, other, value)
    }
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func aRemovedTailIsFoundByItsPositionAndRefusedAtStart() async throws {
    let temporary = try await filled()
    let shorter = try await filled()
    let older = try shorter.open()
    for _ in 0..<5 { _ = try await older.commit { try $0.record(.numbered(1), set: ["text": "more"]) } }
    older.close()
    // The longer log's signed head beside the shorter log: what a cleanly removed tail looks like.
    #expect(rename(shorter.headFile, temporary.headFile) == 0)
    let report = try temporary.verify()
    #expect(report.problems.contains { $0.position == 41 })
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .damaged)
  }

  @Test func aForkIsRefusedAtStart() async throws {
    let temporary = try await filled()
    let other = try await filled()
    #expect(rename(other.headFile, temporary.headFile) == 0)
    #expect(try !temporary.verify().isHealthy)
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .damaged)
  }

  @Test func aCutFileIsFoundWithoutReadingBeyondItsEnd() async throws {
    let temporary = try await filled()
    let file = temporary.logFolder + "/data.mdb"
    var information = stat()
    #expect(stat(file, &information) == 0)
    #expect(truncate(file, information.st_size / 2) == 0)
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func aBackupIsWholeAndComesBackTheSame() async throws {
    let temporary = try await filled()
    let target = TemporaryLog()
    let log = try temporary.open()
    let manifest = try EventLogBackup.make(of: log, into: target.folder + "/backup")
    log.close()
    #expect(manifest.position == 40)
    _ = try EventLogBackup.restore(
      from: target.folder + "/backup", logFolder: target.logFolder, headFile: target.headFile)
    let report = try target.verify()
    #expect(report.problems == [])
    #expect(report.root == manifest.root)
    #expect(throws: EventLogError.self) { try EventLogBackup.make(of: log, into: target.folder) }
    for name in ["log/data.mdb", "log/lock.mdb", "head", "manifest.json"] { unlink(target.folder + "/backup/" + name) }
    rmdir(target.folder + "/backup/log")
    rmdir(target.folder + "/backup")
  }
}
