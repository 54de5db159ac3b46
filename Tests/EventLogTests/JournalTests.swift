import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Dispatch
import Failpoints
import Files
import Glibc
import LMDB
import MerkleTree
import NIOConcurrencyHelpers
import TestBasics
import Testing

@testable import EventLog

/// What the journal promises: what is acknowledged is there after any end of the process, and what is damaged is told.
@Suite struct JournalTests {
  private static let parts = ["log/data.mdb", "log/journal", "head", "head-2", "kept/head"]

  /// A log that flushes only when it must.
  private func open(_ temporary: TestLog, journal size: Int = 1 << 20) throws -> EventLog {
    try temporary.open {
      $0.flushAge = 600_000_000_000
      $0.flushIdle = 600_000_000_000
      $0.journalSize = size
    }
  }

  /// What is on the disk of a log that is open, as a kill would leave it.
  private func image(of temporary: TestLog) throws -> TestLog {
    let image = try TestLog()
    try TestFiles.makeFolder(image.logFolder)
    for part in Self.parts where exists(temporary.dataFolder + "/" + part) {
      try image.write(try temporary.bytes(of: part), to: part)
    }
    return image
  }

  /// Runs what blocks its thread on one that may be blocked.
  private func inBackground(_ work: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      DispatchQueue.global().async { continuation.resume(with: Result { try work() }) }
    }
  }

  private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  private func append(_ number: UInt64, size: Int = 100, to log: EventLog) async throws {
    _ = try await log.commit { transaction in
      try transaction.record(
        .numbered(number), set: ["n": .string(String(repeating: "x", count: size)), "count": .integer(Int64(number))])
      try transaction.storeCommand(
        actor: "user", id: "\(number)",
        StoredCommand(fingerprint: [UInt8](repeating: 1, count: 32), result: [UInt8(truncatingIfNeeded: number)]))
    }
  }

  private func expect(_ log: EventLog, hasAll count: UInt64) throws {
    #expect(log.head.position == count)
    try log.read { snapshot in
      for number in 1...count {
        #expect(try snapshot.state(.numbered(number))?.fields["count"] == .integer(Int64(number)))
        #expect(try snapshot.record(at: number)?.position == number)
        #expect(try snapshot.positions(about: .numbered(number), from: 1, limit: 9) == [number])
      }
      let records = try snapshot.records(from: 1, limit: 10_000, maximumBytes: 1 << 30)
      #expect(records.map(\.position) == Array(1...count))
      #expect(try snapshot.root(size: count) == log.head.root)
    }
  }

  @Test func `what is acknowledged is there after a kill, before and after more of it`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary)
    for number in 1...5 { try await append(UInt64(number), to: log) }
    try log.flush()
    for number in 6...9 { try await append(UInt64(number), to: log) }
    try expect(log, hasAll: 9)
    let killed = try image(of: temporary)
    let report = try killed.verify()
    #expect(report.problems == [])
    #expect(report.events == 9)
    #expect(report.root == log.head.root.base64)
    log.close()
    // Killed again before anything is flushed.
    let second = try open(killed)
    try expect(second, hasAll: 9)
    for number in 10...12 { try await append(UInt64(number), to: second) }
    let again = try image(of: killed)
    second.close()
    let third = try again.open()
    try expect(third, hasAll: 12)
    let stored = try await third.commit { try $0.storedCommand(actor: "user", id: "11")?.result }
    #expect(stored.value == [11])
    third.close()
    #expect(try again.verify().problems == [])
    #expect(try killed.contents().mapValues(\.count) == again.contents().mapValues(\.count))
  }

  @Test func `every program may open a log that was closed, and an older one refuses one that wasn't`() async throws {
    let temporary = try TestLog()
    func format() throws -> String {
      String(
        decoding: try temporary.contents()["meta"]?.first { $0[0] == Array("format".utf8) }?[1] ?? [], as: UTF8.self)
    }
    let log = try open(temporary)
    try await append(1, to: log)
    let killed = try image(of: temporary)
    log.close()
    #expect(try format() == "daybook-log-2")
    #expect(try temporary.contents()["meta"]?.contains { $0[0] == Array("journal".utf8) } == false)
    let marked = try killed.contents()["meta"]?.first { $0[0] == Array("format".utf8) }?[1]
    #expect(marked == Array("daybook-log-2+journal".utf8))
  }

  @Test func `what was made through the journal is what was made without it, byte for byte`() async throws {
    var logs: [TestLog] = []
    for size in [1 << 20, JournalRing.smallest] {
      let temporary = try TestLog()
      temporary.clock.withLockedValue { $0 = Timestamp(microseconds: 1_700_000_000_000_000) }
      let log = try open(temporary, journal: size)
      for number in 1...30 { try await append(UInt64(number), size: number % 3 == 0 ? 20_000 : 10, to: log) }
      try expect(log, hasAll: 30)
      log.close()
      #expect(try temporary.verify().problems == [])
      logs.append(temporary)
    }
    // The salts of the bodies are random, and so are the hashes of what holds them.
    for name in ["states", "links", "subjects", "commands", "unique", "history"] {
      #expect(try logs[0].contents()[name] == logs[1].contents()[name], "\(name)")
    }
  }

  @Test func `a small ring is written round and round, and a kill at any time loses nothing`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open {
      $0.journalSize = JournalRing.smallest
      // One small batch waits; a file that is copied must not be written to meanwhile.
      $0.flushBytes = 8000
      $0.flushAge = 600_000_000_000
      $0.flushIdle = 600_000_000_000
    }
    var random = Seeded(seed: 11)
    for number in 1...300 {
      try await append(UInt64(number), size: Int.random(in: 10...9000, using: &random), to: log)
      guard number % 60 == 0 else { continue }
      try log.flush()
      try await append(UInt64(1000 + number), to: log)
      let killed = try image(of: temporary)
      #expect(try killed.verify().problems == [])
      let again = try killed.open()
      #expect(again.head == log.head)
      again.close()
      #expect(try killed.verify().problems == [])
    }
    #expect(log.journalStatistics.flushes > 5)
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a full ring makes the next batch wait, and that is counted`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary, journal: JournalRing.smallest)
    for number in 1...30 { try await append(UInt64(number), size: 5000, to: log) }
    #expect(log.journalStatistics.waitsForRoom > 0)
    try expect(log, hasAll: 30)
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a batch that is larger than the ring takes goes to the pages at once`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary, journal: JournalRing.smallest)
    try await append(1, to: log)
    try await append(2, size: 100_000, to: log)
    try await append(3, to: log)
    let killed = try image(of: temporary)
    log.close()
    let again = try killed.open()
    try expect(again, hasAll: 3)
    again.close()
    #expect(try killed.verify().problems == [])
  }

  @Test func `a close whose flush fails leaves everything to the next start`() async throws {
    let temporary = try TestLog()
    let flushes = NIOLockedValueBox(0)
    let isUnderWay = DispatchSemaphore(value: 0)
    let mayFail = DispatchSemaphore(value: 0)
    let log = try temporary.open {
      $0.flushIdle = 1_000_000
      $0.failpoints = Failpoints { point in
        guard point == .flushPut else { return }
        let turn = flushes.withLockedValue { turns in
          turns += 1
          return turns
        }
        // The first fails while more is recorded, the second is the close's.
        if turn == 1 {
          isUnderWay.signal()
          mayFail.wait()
        }
        if turn <= 2 { throw Failpoints.Failure(point: point) }
      }
    }
    try await append(1, to: log)
    try await inBackground { isUnderWay.wait() }
    try await append(2, to: log)
    mayFail.signal()
    try await inBackground { log.close() }
    #expect(flushes.withLockedValue { $0 } >= 2)
    let again = try temporary.open()
    try expect(again, hasAll: 2)
    again.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a backup has all that is acknowledged, and needs no journal`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary)
    for number in 1...7 { try await append(UInt64(number), to: log) }
    let backup = temporary.folder.path + "/backup"
    #expect(try EventLogBackup.make(of: log, into: backup).position == 7)
    try await append(8, to: log)
    log.close()
    #expect(exists(backup + "/log/data.mdb"))
    #expect(!exists(backup + "/log/journal"))
    let restored = try TestLog()
    _ = try EventLogBackup.restore(from: backup, into: restored.configuration)
    let again = try restored.open()
    try expect(again, hasAll: 7)
    again.close()
    #expect(try restored.verify().problems == [])
  }

  @Test func `indexes that are made anew keep what the journal alone has`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary)
    for number in 1...4 { try await append(UInt64(number), to: log) }
    try log.flush()
    for number in 5...9 { try await append(UInt64(number), to: log) }
    for name in ["states", "meta"] {
      let killed = try image(of: temporary)
      try killed.change(name) { transaction, database, keys in
        for key in keys { try transaction.delete(database, key) }
      }
      let outcome = try EventLogReindexer.reindex(killed.configuration, extent: .soundAnswers) { _ in
        IndexDerivation(entries: { _, _ in IndexDerivation.Entries() }, subjects: { header, _, _ in [header.resource] })
      }
      #expect(outcome.events == 9)
      #expect(outcome.keptAnswers == 9)
      let again = try killed.open()
      try expect(again, hasAll: 9)
      again.close()
      #expect(try killed.verify().problems == [])
    }
    log.close()
  }

  @Test func `a journal that is missing while the log needs it is told, and nothing is changed`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary)
    try await append(1, to: log)
    let killed = try image(of: temporary)
    log.close()
    unlink(killed.logFolder + "/journal")
    let before = try killed.bytes(of: "log/data.mdb")
    let refusal = #expect(throws: EventLogError.self) { try killed.open() }
    #expect(refusal?.code == .damaged)
    #expect(refusal?.message.contains("/log/journal is missing") == true)
    #expect(try killed.verify().damagedParts == [.journal])
    #expect(try killed.bytes(of: "log/data.mdb") == before)
    // Once it was closed, nobody needs it.
    unlink(temporary.logFolder + "/journal")
    let again = try temporary.open()
    try expect(again, hasAll: 1)
    again.close()
  }

  @Test func `what was in the journal is gone from it once it is wiped`() async throws {
    let temporary = try TestLog()
    let log = try open(temporary, journal: JournalRing.smallest)
    for number in 1...9 { try await append(UInt64(number), size: 3000, to: log) }
    try await inBackground { try log.wipeJournal() }
    #expect(!(try temporary.bytes(of: "log/journal").dropFirst(JournalRing.first).contains { $0 != 0 }))
    try await append(10, to: log)
    let killed = try image(of: temporary)
    log.close()
    let again = try killed.open()
    try expect(again, hasAll: 10)
    again.close()
  }

  // MARK: - Damage

  /// A killed log with three records in its journal that the pages don't have, and the end of the last.
  private func three() async throws -> (image: TestLog, end: Int) {
    let temporary = try TestLog()
    let log = try open(temporary, journal: JournalRing.smallest)
    try await append(1, to: log)
    try log.flush()
    for number in 2...4 { try await append(UInt64(number), size: 200, to: log) }
    let killed = try image(of: temporary)
    log.close()
    return (killed, JournalRing.first + 4 * JournalRecord.block)
  }

  /// What becomes of a log whose journal holds these bytes: the position that it opens to, or nil where it is refused.
  private func outcome(_ journal: [UInt8], _ killed: TestLog) throws -> UInt64? {
    let environment = try Environment(folder: killed.logFolder, options: .init())
    defer { environment.close() }
    try killed.write(journal, to: "log/journal")
    return try position(of: killed, environment, try Databases(environment))
  }

  /// The position that a log opens to as it is, or nil where it is refused.
  private func position(of killed: TestLog, _ environment: Environment, _ databases: Databases) throws -> UInt64? {
    do {
      return try Journal.view(ofClosed: killed.logFolder, environment, databases).head().frontier.size
    } catch let error as EventLogError where error.code == .damaged {
      return nil
    }
  }

  @Test func `every changed bit of the ring is told, or takes the last batch alone`() async throws {
    let (killed, end) = try await three()
    let whole = try killed.bytes(of: "log/journal")
    #expect(try outcome(whole, killed) == 4)
    let last = end - JournalRecord.block
    // Half a million bits with --thorough: shared by as many as there are processors.
    let step = isThorough ? 1 : 1009
    let workers = 2
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<workers {
        let own = try image(of: killed)
        group.addTask {
          try await self.inBackground {
            try self.flipBits(stride(from: worker * step, to: whole.count * 8, by: workers * step), of: own) {
              bit, found in
              switch bit / 8 {
              // The name of the ring's life.
              case ..<JournalRing.first: #expect(found == nil, "bit \(bit)")
              // The record that the pages have counts no more; what nobody has written doesn't count yet.
              case ..<(JournalRing.first + JournalRecord.block), end...: #expect(found == 4, "bit \(bit)")
              // A record that was written counts as torn only where nothing comes after it.
              case last...: #expect(found == 3, "bit \(bit)")
              default: #expect(found == nil, "bit \(bit)")
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Changes one bit of a log's journal after the other, and tells to which position the log opens each time, nil where
  /// it is refused.
  private func flipBits(
    _ bits: some Sequence<Int>, of killed: TestLog, _ check: (_ bit: Int, _ found: UInt64?) -> Void
  ) throws {
    let environment = try Environment(folder: killed.logFolder, options: .init())
    defer { environment.close() }
    let databases = try Databases(environment)
    let whole = try killed.bytes(of: "log/journal")
    let journal = Glibc.open(killed.dataFolder + "/log/journal", O_WRONLY | O_CLOEXEC)
    try #require(journal >= 0)
    defer { close(journal) }
    func put(_ byte: UInt8, at place: Int) throws {
      var byte = byte
      try #require(pwrite(journal, &byte, 1, off_t(place)) == 1)
    }
    for bit in bits {
      let place = bit / 8
      try put(whole[place] ^ 1 << (bit % 8), at: place)
      check(bit, try position(of: killed, environment, databases))
      try put(whole[place], at: place)
    }
    #expect(try position(of: killed, environment, databases) == 4)
  }

  @Test func `whatever part of the last batch reached the disk, all before it is there`() async throws {
    let (killed, end) = try await three()
    let whole = try killed.bytes(of: "log/journal")
    let last = end - JournalRecord.block
    // Sectors of 512 bytes are written or not; the last record has eight, of which the first two aren't empty.
    for written in 0..<256 {
      var torn = whole
      for sector in 0..<8 where written & 1 << sector == 0 {
        for byte in 0..<512 { torn[last + sector * 512 + byte] = 0 }
      }
      let isWhole = torn == whole
      #expect(try outcome(torn, killed) == (isWhole ? 4 : 3))
    }
    // And a log goes on from there.
    var torn = whole
    for byte in last..<(last + 512) { torn[byte] = 0 }
    try killed.write(torn, to: "log/journal")
    let log = try open(killed)
    try expect(log, hasAll: 3)
    try await append(4, size: 5000, to: log)
    let again = try image(of: killed)
    log.close()
    let second = try again.open()
    try expect(second, hasAll: 4)
    second.close()
    #expect(try again.verify().problems == [])
  }

  @Test func `another log's journal is told, and an older one of the same log`() async throws {
    let (killed, _) = try await three()
    let (other, _) = try await three()
    #expect(try outcome(try other.bytes(of: "log/journal"), killed) == nil)
    // As it is where the pages are put back alone: what follows them was written over.
    let temporary = try TestLog()
    let log = try open(temporary, journal: JournalRing.smallest)
    try await append(1, to: log)
    let early = try image(of: temporary)
    for number in 2...40 { try await append(UInt64(number), size: 3000, to: log) }
    #expect(try outcome(try temporary.bytes(of: "log/journal"), early) == nil)
    log.close()
  }
}
