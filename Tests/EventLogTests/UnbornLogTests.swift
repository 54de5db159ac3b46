import CanonicalJSON
import DaybookTestKit
import EventLog
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a kill or a full disk leaves of a log that was being made.
@Suite struct UnbornLogTests {
  @Test(arguments: [1, 100, 4096, 8191]) func `first pages that were cut short are made anew`(size: Int) async throws {
    let temporary = try TestLog()
    try temporary.open().close()
    // Heads are written once the log is there.
    for name in ["head", "head-2", "kept/head"] { unlink(temporary.dataFolder + "/" + name) }
    try temporary.write(Array(try temporary.bytes(of: "log/data.mdb").prefix(size)), to: "log/data.mdb")
    let log = try temporary.open()
    #expect(log.head.position == 0)
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "first"]) }
    log.close()
    #expect(try temporary.verify().problems == [])
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
