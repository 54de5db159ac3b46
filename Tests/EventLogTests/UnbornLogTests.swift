import CanonicalJSON
import DaybookTestKit
import EventLog
import LMDB
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a kill or a full disk leaves of a log that was being made.
@Suite struct UnbornLogTests {
  @Test(arguments: [1, 100, 4096, 8191, 8192]) func `first pages that were cut short are made anew`(size: Int)
    async throws
  {
    let temporary = try TestLog()
    try temporary.open().close()
    // Heads are written once the log is there.
    for name in ["head", "head-2", "kept/head"] { unlink(temporary.dataFolder + "/" + name) }
    try temporary.write(Array(try temporary.bytes(of: "log/data.mdb").prefix(size)), to: "log/data.mdb")
    #expect(try temporary.verify().problems == [])
    let log = try temporary.open()
    #expect(log.head.position == 0)
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "first"]) }
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  /// What a power cut leaves between the commits that make a log: no database, the databases, and one with something in
  /// it.
  @Test(arguments: [([], 0), (["headers", "states", "meta"], 0), (["headers", "states", "meta"], 1)])
  func `a log whose making was under way is whole as long as nothing is in it`(names: [String], entries: Int)
    async throws
  {
    let temporary = try TestLog()
    try temporary.open().close()
    for name in ["head", "head-2", "kept/head", "log/data.mdb", "log/lock.mdb"] {
      unlink(temporary.dataFolder + "/" + name)
    }
    let environment = try Environment(folder: temporary.logFolder)
    let databases = try environment.databases(names)
    if entries > 0 {
      let transaction = try environment.beginWrite()
      try transaction.put(databases[1], [1], [2])
      try transaction.commit()
    }
    environment.close()
    let report = try temporary.verify()
    #expect(report.isHealthy == (entries == 0), "\(report.problems)")
    #expect(report.events == 0)
    guard entries == 0 else { return }
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "first"]) }
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `an empty file in the place of a log of which a head was signed is damage`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "first"]) }
    log.close()
    for name in ["log/data.mdb", "log/lock.mdb"] { unlink(temporary.dataFolder + "/" + name) }
    try Environment(folder: temporary.logFolder).close()
    #expect(try !temporary.verify().isHealthy)
    try temporary.write([1, 2, 3], to: "log/data.mdb")
    #expect(try !temporary.verify().isHealthy)
  }

  @Test func `two pages of which one is torn are made anew, and what was being made is thrown away`() async throws {
    let temporary = try TestLog()
    try temporary.open().close()
    for name in ["head", "head-2", "kept/head"] { unlink(temporary.dataFolder + "/" + name) }
    let whole = Array(try temporary.bytes(of: "log/data.mdb").prefix(8192))
    try temporary.write([UInt8](repeating: 0, count: 4096) + whole.suffix(4096), to: "log/data.mdb")
    mkdir(temporary.logFolder + "/new", 0o700)
    try temporary.write(Array(whole.prefix(5000)), to: "log/new/data.mdb")
    #expect(try temporary.verify().problems == [])
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "first"]) }
    log.close()
    #expect(try temporary.verify().problems == [])
    #expect(access(temporary.logFolder + "/new", F_OK) != 0)
  }

  @Test(arguments: [1, 100, 4096])
  func `a log of which a head was signed is never made anew, however short it is`(size: Int) async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "first"]) }
    log.close()
    let cut = Array(try temporary.bytes(of: "log/data.mdb").prefix(size))
    try temporary.write(cut, to: "log/data.mdb")
    #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(try temporary.bytes(of: "log/data.mdb") == cut)
  }
}
