import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Files
import MerkleTree
import NIOConcurrencyHelpers
import TestBasics
import Testing

@testable import EventLog

#if canImport(Glibc)
  import Glibc
#endif

/// What says where a log ends: two files beside it, and the vault. The newest valid statement decides.
///
/// One after the other, since some of them load the disk as much as they can.
@Suite(.serialized) struct HeadTests {
  private static let places = ["head", "head-2", "kept/head"]

  private func filled(_ events: Int = 40) async throws -> TestLog {
    let temporary = try TestLog()
    let log = try temporary.open()
    for number in 1..<events {
      log.submit({ try $0.record(.numbered(1), set: ["n": .integer(Int64(number))]) }, completion: { _ in })
    }
    try await append(0, to: log)
    log.close()
    return temporary
  }

  private func append(_ number: Int, to log: EventLog) async throws {
    _ = try await log.commit { try $0.record(.numbered(1), set: ["n": .integer(Int64(number))]) }
  }

  private func remove(_ names: [String], of temporary: TestLog) {
    for name in names { unlink(temporary.dataFolder + "/" + name) }
  }

  private func copy(_ names: [String], of temporary: TestLog) throws -> [(name: String, bytes: [UInt8])] {
    try names.map { ($0, try temporary.bytes(of: $0)) }
  }

  // MARK: - Every log starts of which something is signed

  enum Harm: CaseIterable { case missing, empty, torn, foreign }

  private func harm(_ harm: Harm, _ name: String, of temporary: TestLog) throws {
    let bytes = try temporary.bytes(of: name)
    switch harm {
    case .missing: remove([name], of: temporary)
    case .empty: try temporary.write([], to: name)
    // The vault's file has two records, and both are torn.
    case .torn:
      let record = Array(bytes.prefix(512))
      let torn = Array(record.prefix(20) + [UInt8](repeating: 0, count: 492))
      try temporary.write(name == "kept/head" ? torn + torn : torn, to: name)
    case .foreign: try temporary.write(bytes.map { $0 == UInt8(ascii: "t") ? UInt8(ascii: "x") : $0 }, to: name)
    }
  }

  @Test(arguments: places, Harm.allCases)
  func `any one of the three places is enough, and the others are made anew`(_ whole: String, _ kind: Harm)
    async throws
  {
    let temporary = try await filled()
    for name in Self.places where name != whole { try harm(kind, name, of: temporary) }
    #expect(try temporary.verify().problems == [])
    #expect(try temporary.verify().signedPosition == 40)
    try temporary.open().close()
    #expect(try temporary.heads() == [40, 40])
    #expect(try temporary.kept().max() == 40)
  }

  @Test(arguments: places)
  func `a tail that is lost is found by any one of the three places`(_ whole: String) async throws {
    let temporary = try await filled()
    let older = try temporary.bytes(of: "log/data.mdb")
    let log = try temporary.open()
    for number in 0..<5 { try await append(number, to: log) }
    log.close()
    // An attacker puts the older log back and removes what says so, but for one.
    try temporary.write(older, to: "log/data.mdb")
    remove(Self.places.filter { $0 != whole }, of: temporary)
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .damaged)
    for words in ["ends at position 40", "signed for position 45", "/\(whole)", "older copy of the log"] {
      #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
    }
    #expect(try temporary.verify().problems.contains { $0.part == .head && $0.position == 41 })
    // That nothing is signed isn't true, so it can't be accepted.
    let accepted = #expect(throws: EventLogError.self) {
      try temporary.open { $0.missingHeadAcceptance = .init(noteFile: temporary.dataFolder + "/accepted.json") }
    }
    #expect(accepted == refusal)
  }

  @Test func `a fork that one of the places contradicts is refused, though a newer one agrees`() async throws {
    let temporary = try await filled(30)
    let other = try await filled(20)
    try temporary.write(try other.bytes(of: "head-2"), to: "head-2")
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .damaged)
    #expect(refusal?.message.contains("forked or changed") == true)
    #expect(refusal?.message.contains("at position 20") == true)
    #expect(try temporary.verify().damagedParts == [.head])
  }

  @Test(arguments: Harm.allCases)
  func `a log with events of which nothing is signed is refused, until somebody accepts it`(_ kind: Harm) async throws {
    let temporary = try await filled()
    for name in Self.places { try harm(kind, name, of: temporary) }
    let report = try temporary.verify()
    #expect(report.isTailUnproven && report.isWholeInItself)
    let left = Self.places.map { try? temporary.bytes(of: $0) }
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .headMissing)
    for words in ["ends at position 40", "/head-2", "/kept/head", "--accept-missing-head", "Nothing was changed"] {
      #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
    }
    #expect(refusal?.message.contains("backup") == false, "the log may be whole")
    #expect(Self.places.map { try? temporary.bytes(of: $0) } == left)
    let file = temporary.dataFolder + "/accepted.json"
    try temporary.open { $0.missingHeadAcceptance = .init(noteFile: file, facts: ["uid": 7]) }.close()
    let note = try #require(try InstallationNote.read(file))
    #expect(note.position == 40)
    #expect(note.root == report.root)
    #expect(note.facts["uid"] == 7)
    #expect(note.facts["accepted_at"]?.stringValue != nil)
    // From then on it is a log as any other.
    #expect(try temporary.heads() == [40, 40])
    let log = try temporary.open()
    #expect(try note.describes(log))
    log.close()
  }

  @Test(arguments: [["head", "head-2"], ["head"]])
  func `a log of an earlier version gets what it has not, by itself`(_ names: [String]) async throws {
    let temporary = try await filled()
    let root = try #require(Digest(base64: try temporary.verify().root))
    remove(Self.places, of: temporary)
    for name in names {
      // The first version's one file had nothing behind the note.
      let note = Array(try TestLog.sign(40, root).utf8)
      let padding = [UInt8](repeating: 0, count: names.count == 1 ? 0 : 512 - note.count)
      try temporary.write(note + padding, to: name)
    }
    let log = try temporary.open()
    #expect(try temporary.heads() == [40, 40])
    #expect(try temporary.kept() == [40, 0])
    try await append(1, to: log)
    log.close()
    #expect(try temporary.kept() == [40, 41])
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a log of an earlier version that has no events yet is opened as it is`() async throws {
    let temporary = try TestLog()
    try temporary.open().close()
    remove(["kept/head"], of: temporary)
    for name in ["head", "head-2"] { try temporary.write([UInt8](repeating: 0, count: 512), to: name) }
    let log = try temporary.open()
    try await append(1, to: log)
    log.close()
    #expect(try temporary.heads() == [1, 1])
    #expect(try temporary.kept() == [0, 1])
  }

  // MARK: - From the first event on

  @Test func `a power cut right after the first event leaves a log that starts`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    // What was durable before it.
    let before = try copy(Self.places, of: temporary)
    try await append(1, to: log)
    log.close()
    for (name, bytes) in before { try temporary.write(bytes, to: name) }
    #expect(try temporary.verify().problems == [])
    let again = try temporary.open()
    #expect(again.head.position == 1)
    again.close()
    #expect(try temporary.heads().contains(1))
  }

  @Test func `killed right after the first answer, a log starts`() async throws {
    let temporary = try TestLog()
    await #expect(processExitsWith: .signal(SIGKILL)) { [data = temporary.dataFolder as String] in
      let log = try EventLog.open(TestLog.configuration(data: data))
      _ = try await log.commit { try $0.record(.numbered(1), set: ["n": 1]) }
      kill(getpid(), SIGKILL)
    }
    let log = try temporary.open()
    #expect(log.head.position == 1)
    log.close()
  }

  @Test(arguments: 1...3)
  func `killed at any moment of a load, a log starts, and its three places agree with it`(round: Int) async throws {
    let temporary = try TestLog()
    let delay = UInt32(round) * 250_000
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [data = temporary.dataFolder as String, delay = delay as UInt32] in
      let log = try EventLog.open(TestLog.configuration(data: data))
      Task.detached {
        usleep(delay)
        kill(getpid(), SIGKILL)
      }
      for number in 0... {
        _ = try await log.commit { try $0.record(.numbered(1), set: ["n": .integer(Int64(number))]) }
      }
    }
    #expect(try temporary.verify().problems == [])
    let log = try temporary.open()
    #expect(log.head.position > 0)
    log.close()
    #expect(try temporary.heads() == [log.head.position, log.head.position])
    #expect(try temporary.kept().max() == log.head.position)
  }

  @Test func `while a log is open, the vault follows it, and one of its records is whole at any moment`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    for end: UInt64 in 1...3 {
      try await append(1, to: log)
      let kept = try await eventually("the vault has \(end)", within: .seconds(20)) {
        let kept = try temporary.kept()
        return kept.contains(end) ? kept : nil
      }
      #expect(kept.contains(end - 1), "the record before it is left alone: \(kept)")
    }
    log.close()
  }

  @Test func `where no statement can be written, no event is taken`() async throws {
    let temporary = try TestLog()
    #expect(throws: (any Error).self) {
      try temporary.open {
        $0.headFile = temporary.dataFolder + "/nowhere/head"
        $0.vaultHead?.write = { _, _ in throw EventLogError(.unusable, "nothing is written here") }
      }
    }
    // One place is enough.
    let log = try temporary.open {
      $0.vaultHead?.write = { _, _ in throw EventLogError(.unusable, "nothing is written here") }
    }
    try await append(1, to: log)
    log.close()
    #expect(try temporary.heads() == [1, 1])
  }

  @Test func `a log of which only the vault has a head is never made anew, however short it is`() async throws {
    let temporary = try await filled(1)
    remove(["head", "head-2"], of: temporary)
    let cut = Array(try temporary.bytes(of: "log/data.mdb").prefix(100))
    try temporary.write(cut, to: "log/data.mdb")
    #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(try temporary.bytes(of: "log/data.mdb") == cut)
  }

  // MARK: - The key

  private func head(_ size: UInt64, _ letter: UInt8) throws -> LogHead {
    LogHead(position: size, at: nil, root: try #require(Digest(bytes: [UInt8](repeating: letter, count: 32))))
  }

  @Test func `a second tree of a size that was signed, and an older one, are refused by name`() throws {
    let ten = try head(10, 1)
    let twelve = try head(12, 3)
    let signer = HeadSigner(after: (size: 10, root: ten.root), TestLog.sign)
    for refused in [try head(10, 2), try head(9, 1)] {
      let refusal = #expect(throws: EventLogError.self) { try signer.newest { refused } }
      #expect(refusal?.code == .damaged)
      for words in ["tree of 10 events", ten.root.base64, "tree of \(refused.position) events"] {
        #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
      }
    }
    #expect(try signer.newest { ten }.note == TestLog.sign(10, ten.root))
    #expect(try signer.newest { twelve }.note == TestLog.sign(12, twelve.root))
    #expect(throws: EventLogError.self) { try signer.newest { ten } }
    // What the log's own tree proves is not another tree.
    #expect(try signer.sign(head(11, 4), provenBy: head(11, 4).root) == TestLog.sign(11, head(11, 4).root))
    #expect(throws: EventLogError.self) { try signer.sign(head(11, 4), provenBy: head(11, 5).root) }
    #expect(throws: EventLogError.self) { try signer.sign(head(12, 4), provenBy: head(12, 4).root) }
  }

  @Test func `asked for by many at once, under load and beside backups, one tree of each size is signed`()
    async throws
  {
    let temporary = try TestLog(mapSize: 1 << 26)
    let signed = NIOLockedValueBox<[UInt64: Set<Digest>]>([:])
    func open() throws -> EventLog {
      try temporary.open {
        $0.signHead = { size, root in
          _ = signed.withLockedValue { $0[size, default: []].insert(root) }
          return try TestLog.sign(size, root)
        }
      }
    }
    for round in 0..<2 {
      let log = try open()
      try await append(0, to: log)
      let writer = Task {
        var number = 0
        while !Task.isCancelled {
          number += 1
          try await append(number, to: log)
        }
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            var last: UInt64 = 0
            for _ in 0..<100 {
              let (head, note) = try #require(try log.signedHead())
              #expect(TestLog.check(note)?.size == head.position)
              #expect(head.position >= last)
              last = head.position
              await Task.yield()
            }
          }
        }
        group.addTask {
          for number in 0..<2 {
            let folder = temporary.folder.path + "/backup-\(round)-\(number)"
            let manifest = try EventLogBackup.make(of: log, into: folder)
            let note = TestFiles.text(folder + "/head")
            #expect(TestLog.check(note)?.size == manifest.position)
            #expect(TestLog.check(note)?.root.base64 == manifest.root)
          }
        }
        try await group.waitForAll()
      }
      writer.cancel()
      try await writer.value
      log.close()
    }
    let sizes = signed.withLockedValue { $0 }
    #expect(sizes.count > 4)
    #expect(sizes.filter { $0.value.count > 1 }.isEmpty)
    #expect(try temporary.verify().problems == [])
  }

  // MARK: - A restored backup

  @Test func `a restored backup starts, where more was signed of the log before it, and that is noted`() async throws {
    let temporary = try await filled(20)
    let backup = temporary.folder.path + "/backup"
    let log = try temporary.open()
    let manifest = try EventLogBackup.make(of: log, into: backup)
    for number in 0..<5 { try await append(number, to: log) }
    let lost = log.head
    log.close()
    remove(["log/data.mdb", "log/lock.mdb", "log/journal"], of: temporary)
    let file = temporary.dataFolder + "/restored.json"
    _ = try EventLogBackup.restore(from: backup, into: temporary.configuration, noteFile: file, facts: ["uid": 7])
    #expect(try temporary.heads() == [20, 20])
    #expect(try temporary.kept() == [20, 20])
    #expect(try temporary.verify().problems == [])
    let facts = try #require(try InstallationNote.read(file)?.facts)
    #expect(facts["position"] == 20)
    #expect(facts["signed_position"] == 25)
    #expect(facts["signed_root"] == .string(lost.root.base64))
    #expect(facts["uid"] == 7)
    let again = try temporary.open()
    #expect(again.head.root.base64 == manifest.root)
    try await append(99, to: again)
    #expect(try again.signedHead()?.head.position == 21)
    again.close()
    #expect(try temporary.heads() == [21, 21])
  }

  @Test func `a restore that is done again still knows what was signed before the first one`() async throws {
    let temporary = try await filled(20)
    let backup = temporary.folder.path + "/backup"
    let log = try temporary.open()
    _ = try EventLogBackup.make(of: log, into: backup)
    for number in 0..<5 { try await append(number, to: log) }
    log.close()
    let file = temporary.dataFolder + "/restored.json"
    for _ in 0..<2 {
      // Ended before the log had its name, the first time.
      remove(["log/data.mdb", "log/lock.mdb", "log/journal"], of: temporary)
      _ = try EventLogBackup.restore(from: backup, into: temporary.configuration, noteFile: file)
      #expect(try InstallationNote.read(file)?.facts["signed_position"] == 25)
    }
  }

  @Test func `restored where nothing was signed before, nothing is noted of it`() async throws {
    let source = try await filled(20)
    let backup = source.folder.path + "/backup"
    let log = try source.open()
    _ = try EventLogBackup.make(of: log, into: backup)
    log.close()
    let target = try TestLog()
    let file = target.dataFolder + "/restored.json"
    _ = try EventLogBackup.restore(from: backup, into: target.configuration, noteFile: file)
    #expect(try InstallationNote.read(file)?.facts["signed_position"] == nil)
    try target.open().close()
    #expect(try target.heads() == [20, 20])
  }
}
