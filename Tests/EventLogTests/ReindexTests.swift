import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Failpoints
import LMDB
import TestBasics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What is kept beside the records is made anew from them, whatever has become of it.
@Suite struct ReindexTests {
  /// How the indexes of these tests follow: a field whose name begins with `key` is unique, every thing refers to
  /// thing 99 but for deleted ones, and every event is about its resource.
  private static let derivation = IndexDerivation(
    entries: { state, _ in
      guard !state.isDeleted else { return IndexDerivation.Entries() }
      let keys = state.fields.filter { $0.key.hasPrefix("key") }.map { (constraint: "k", key: $0.value.canonicalBytes) }
      return IndexDerivation.Entries(unique: keys, links: [.numbered(99)])
    }, subjects: { header, _, _ in [header.resource] })

  private static func reindex(
    _ temporary: TestLog, _ extent: EventLogReindexer.Extent = .everything, failpoints: Failpoints = .none
  ) throws -> EventLogReindexer.Outcome {
    try EventLogReindexer.reindex(configuration(temporary.dataFolder, failpoints), extent: extent) { _ in derivation }
  }

  private static func configuration(_ data: String, _ failpoints: Failpoints) -> EventLogConfiguration {
    var configuration = TestLog.configuration(data: data)
    configuration.failpoints = failpoints
    return configuration
  }

  private func filled() async throws -> TestLog {
    let temporary = try TestLog(mapSize: 1 << 26)
    let log = try temporary.open()
    for number in 0..<300 {
      _ = try await log.commit { transaction in
        let id = Identifier.numbered(UInt64(number % 41))
        let isDeleted = try transaction.state(id)?.isDeleted ?? false
        let type = number % 41 % 3 == 0 ? "other" : "thing"
        var set: JSONObject = ["key\(number)": .integer(Int64(number)), "é": .string("text \(number)"), "gone": .null]
        if number < 41 { set["number"] = .integer(try transaction.nextNumber(type)) }
        if number.isMultiple(of: 50) { set["gone"] = .string(String(repeating: "long ", count: 2000)) }
        if number == 200 { set["deleted_at"] = .string(transaction.now.text) }
        try transaction.record(id, set: set, type: type)
        if !isDeleted {
          try transaction.claim(constraint: "k", key: JSON.integer(Int64(number)).canonicalBytes, for: id)
          try transaction.link(id, type: type, to: .numbered(99))
        }
        if number == 200 || isDeleted {
          for earlier in 0...number where earlier % 41 == number % 41 {
            try transaction.release(constraint: "k", key: JSON.integer(Int64(earlier)).canonicalBytes)
          }
          try transaction.unlink(id, type: type, from: .numbered(99))
        }
        try transaction.storeCommand(
          actor: "server", id: "\(number)",
          StoredCommand(fingerprint: [UInt8](repeating: 1, count: 32), result: Array("{}".utf8)))
      }
    }
    log.close()
    return temporary
  }

  @Test func `a whole log is the same afterwards, byte for byte, and goes on`() async throws {
    let temporary = try await filled()
    let before = try temporary.contents()
    let outcome = try Self.reindex(temporary)
    #expect(outcome.events == 300)
    #expect(outcome.states == 41)
    #expect(outcome.signedPosition == 300)
    #expect(outcome.keptAnswers == 300)
    #expect(outcome.lostAnswers == 0)
    #expect(try temporary.contents() == before)
    #expect(try temporary.verify().problems == [])
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "after"]) }
    log.close()
    #expect(try temporary.verify().problems == [])
    #expect(try temporary.verify().events == 301)
  }

  @Test func `a log without events is made anew too`() throws {
    let temporary = try TestLog()
    try temporary.open().close()
    #expect(try Self.reindex(temporary).events == 0)
    #expect(try temporary.verify().problems == [])
    try temporary.open().close()
  }

  enum Harm: CaseIterable { case emptied, changed, removed, added }

  @Test(arguments: ["history", "states", "unique", "links", "subjects", "tree", "meta"], Harm.allCases)
  func `each part that follows from the records is named when it is harmed, and made anew`(
    _ name: String, _ harm: Harm
  ) async throws {
    let temporary = try await filled()
    let before = try temporary.contents()
    try temporary.change(name) { transaction, database, keys in
      let key = try #require(keys.last)
      let value = try #require(try transaction.value(database, key))
      switch harm {
      case .emptied: for key in keys { try transaction.delete(database, key) }
      case .changed:
        var changed = value
        changed[changed.count / 2] ^= 1
        try transaction.put(database, key, changed)
      case .removed: try transaction.delete(database, key)
      case .added: try transaction.put(database, key.dropLast() + [key[key.count - 1] ^ 0x55], value)
      }
    }
    // What nobody reads in `meta` harms nobody.
    if name == "meta", harm == .added { return }
    let report = try temporary.verify()
    #expect(!report.isHealthy)
    #expect(report.areRecordsWhole)
    #expect(report.isReindexingEnough)
    let part = try #require(VerifiedPart(rawValue: name))
    #expect(report.damagedParts.contains(part), "\(report.problems)")
    #expect(report.damagedParts.allSatisfy { $0.isDerived }, "\(report.problems)")
    // Without the counters, nobody knows how many answers there were.
    let isCounted = name != "meta" || harm != .emptied
    if !isCounted { #expect(throws: EventLogError.self) { try Self.reindex(temporary) } }
    let outcome = try Self.reindex(temporary, isCounted ? .everything : .soundAnswers)
    #expect(outcome.lostAnswers == (isCounted ? 0 : nil))
    #expect(try temporary.contents() == before)
    #expect(try temporary.verify().problems == [])
  }

  @Test func `all of it harmed at once, it is made anew from the records alone`() async throws {
    let temporary = try await filled()
    let before = try temporary.contents()
    for name in TestLog.databases where !["headers", "bodies"].contains(name) {
      try temporary.change(name) { transaction, database, keys in
        for key in keys { try transaction.delete(database, key) }
      }
    }
    #expect(try temporary.verify().isReindexingEnough)
    let outcome = try Self.reindex(temporary, .recordsOnly)
    #expect(outcome.lostAnswers == nil)
    let after = try temporary.contents()
    for name in TestLog.databases where !["commands", "meta"].contains(name) { #expect(after[name] == before[name]) }
    #expect(try temporary.verify().problems == [])
  }

  @Test(arguments: [Harm.emptied, .changed, .removed])
  func `answers that are lost stop it, until they are given up`(_ harm: Harm) async throws {
    let temporary = try await filled()
    let before = try temporary.contents()
    try temporary.change("commands") { transaction, database, keys in
      switch harm {
      case .emptied: for key in keys { try transaction.delete(database, key) }
      case .removed: try transaction.delete(database, keys[7])
      default: try transaction.put(database, keys[7], [1, 2, 3])
      }
    }
    let harmed = try temporary.contents()
    #expect(try temporary.verify().damagedParts == [.commands])
    let refusal = #expect(throws: EventLogError.self) { try Self.reindex(temporary) }
    #expect(refusal?.message.contains("The answers to \(harm == .emptied ? 300 : 1) of 300 command ids") == true)
    #expect(try temporary.contents() == harmed)
    let outcome = try Self.reindex(temporary, .soundAnswers)
    #expect(outcome.lostAnswers == (harm == .emptied ? 300 : 1))
    #expect(outcome.keptAnswers == (harm == .emptied ? 0 : 299))
    let after = try temporary.contents()
    for name in TestLog.databases where !["commands", "meta"].contains(name) { #expect(after[name] == before[name]) }
    #expect(try temporary.verify().problems == [])
  }

  @Test(arguments: ["headers", "bodies"], [Harm.emptied, .changed, .removed])
  func `where a record is damaged nothing is made of it`(_ name: String, _ harm: Harm) async throws {
    let temporary = try await filled()
    try temporary.change(name) { transaction, database, keys in
      switch harm {
      case .emptied: for key in keys { try transaction.delete(database, key) }
      case .removed: try transaction.delete(database, keys[7])
      default:
        var changed = try #require(try transaction.value(database, keys[7]))
        changed[changed.count / 2] ^= 1
        try transaction.put(database, keys[7], changed)
      }
    }
    let harmed = try temporary.contents()
    #expect(try !temporary.verify().areRecordsWhole)
    #expect(try !temporary.verify().isReindexingEnough)
    for extent in [EventLogReindexer.Extent.everything, .soundAnswers, .recordsOnly] {
      #expect(#expect(throws: EventLogError.self) { try Self.reindex(temporary, extent) }?.code == .damaged)
    }
    #expect(try temporary.contents() == harmed)
  }

  @Test func `a header behind the signed head that differs from its leaf counts as damaged, unless proved`()
    async throws
  {
    let temporary = try await filled()
    // The head as it was at position 100.
    let log = try temporary.open()
    let root = try log.read { try $0.root(size: 100) }
    log.close()
    for name in ["head", "head-2"] { try temporary.write(Array(try TestLog.sign(100, root).utf8), to: name) }
    unlink(temporary.keptHeadFile)
    try temporary.change("tree") { transaction, database, keys in
      // The first tile, and in it the leaf of position 200.
      let key = try #require(keys.first)
      var tile = try #require(try transaction.value(database, key))
      tile[199 * 32] ^= 1
      try transaction.put(database, key, tile)
    }
    // The stored head proves the headers.
    #expect(try temporary.verify().damagedParts == [.tree])
    try temporary.change("meta") { transaction, database, _ in
      try transaction.delete(database, Array("head".utf8))
    }
    #expect(try !temporary.verify().areRecordsWhole)
  }

  @Test func `a log that is open is refused`() async throws {
    let temporary = try await filled()
    let log = try temporary.open()
    #expect(#expect(throws: EventLogError.self) { try Self.reindex(temporary) }?.code == .locked)
    log.close()
  }

  @Test(arguments: Failpoint.of(.reindexing))
  func `killed at any step, it leaves the log as it was or done, and the next time finishes`(point: Failpoint)
    async throws
  {
    let temporary = try await filled()
    let whole = try temporary.contents()
    try temporary.change("states") { transaction, database, keys in try transaction.delete(database, keys[3]) }
    let harmed = try temporary.contents()
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [data = temporary.dataFolder as String, point = point as Failpoint] in
      let failpoints = try Failpoints(parsing: "\(point.rawValue):kill")
      _ = try EventLogReindexer.reindex(ReindexTests.configuration(data, failpoints)) { _ in ReindexTests.derivation }
    }
    let isDone = point == .reindexRenamed
    #expect(try temporary.contents() == (isDone ? whole : harmed))
    // A server opens it as if nothing had been, and clears away what is left.
    try temporary.open().close()
    #expect(access(temporary.logFolder + "/reindex", F_OK) != 0)
    #expect(try Self.reindex(temporary).events == 300)
    #expect(try temporary.contents() == whole)
    #expect(try temporary.verify().problems == [])
  }

  @Test(arguments: Failpoint.of(.reindexing))
  func `failed at any step, it leaves the log as it was or done, and nothing beside it`(point: Failpoint) async throws {
    let temporary = try await filled()
    let whole = try temporary.contents()
    try temporary.change("states") { transaction, database, keys in try transaction.delete(database, keys[3]) }
    let harmed = try temporary.contents()
    #expect(throws: Failpoints.Failure(point: point)) {
      try Self.reindex(temporary, failpoints: Failpoints(parsing: "\(point.rawValue):throw"))
    }
    #expect(try temporary.contents() == (point == .reindexRenamed ? whole : harmed))
    #expect(access(temporary.logFolder + "/reindex", F_OK) != 0)
  }
}
