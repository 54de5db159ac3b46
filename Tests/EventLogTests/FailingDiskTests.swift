import CanonicalJSON
import DaybookTestKit
import EventLog
import TestBasics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What the log promises where the disk refuses a write: nothing acknowledged is lost, nothing is called damage, and
/// reads go on.
@Suite struct FailingDiskTests {
  /// The descriptors by which LMDB writes a log's file: pages, and the pages at the front.
  private func logFiles(of log: TestLog) throws -> (pages: CInt, front: CInt) {
    let found = descriptors(of: log.logFolder + "/data.mdb")
    try #require(found.count == 2)
    return (found[0], found[1])
  }

  /// Has one command fail, by another file in the place of the log's.
  private func fail(_ log: EventLog, _ descriptor: CInt, by file: String) async throws -> EventLogError {
    let kept = dup(descriptor)
    let other = open(file, O_RDWR | O_CLOEXEC)
    try #require(kept >= 0 && other >= 0)
    defer {
      close(kept)
      close(other)
    }
    let refusal = await #expect(throws: EventLogError.self) {
      try await log.commit { transaction in
        try transaction.record(.numbered(2), set: ["n": .string(String(repeating: "x", count: 40_000))])
        _ = dup2(other, descriptor)
      }
    }
    // Where the file was opened anew, the number belongs to the new one by now.
    var one = stat()
    var two = stat()
    if fstat(descriptor, &one) == 0, fstat(other, &two) == 0, one.st_dev == two.st_dev, one.st_ino == two.st_ino {
      _ = dup2(kept, descriptor)
    }
    return try #require(refusal)
  }

  @Test func `a full disk at the front of the file stops neither reads nor later writes`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["n": 1]) }
    let files = try logFiles(of: temporary)
    let refusal = try await fail(log, files.front, by: "/dev/full")
    #expect(refusal.code == .diskFull)
    #expect(refusal.isRetryable)
    #expect(try log.read { try $0.state(.numbered(1))?.fields["n"] } == 1)
    #expect(try log.read { try $0.state(.numbered(2)) } == nil)
    #expect(log.head.position == 1)
    #expect(try await log.commit { try $0.record(.numbered(3), set: ["n": 3]) }.position == 2)
    log.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a disk that fails a write is told as that, and nothing acknowledged is lost`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["n": 1]) }
    let files = try logFiles(of: temporary)
    let refusal = try await fail(log, files.pages, by: "/proc/self/mem")
    #expect(refusal.code == .diskFailed)
    #expect(refusal.message.contains("Nothing that was acknowledged is lost"))
    for word in ["damaged", "backup"] { #expect(!refusal.message.contains(word)) }
    // Reads go on, writes wait for a new start.
    #expect(try log.read { try $0.state(.numbered(1))?.fields["n"] } == 1)
    let second = await #expect(throws: EventLogError.self) {
      try await log.commit { try $0.record(.numbered(3), set: ["n": 3]) }
    }
    #expect(second?.code == .diskFailed)
    log.close()
    #expect(try temporary.verify().problems == [])
    let again = try temporary.open()
    #expect(try await again.commit { try $0.record(.numbered(3), set: ["n": 3]) }.position == 2)
    again.close()
  }
}
