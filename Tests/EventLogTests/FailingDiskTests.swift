import CanonicalJSON
import DaybookTestKit
import EventLog
import Glibc
import TestBasics
import Testing

/// What the log promises where the disk refuses a write: nothing acknowledged is lost, nothing is called damage, and
/// reads go on.
@Suite struct FailingDiskTests {
  /// The descriptors by which LMDB writes a log's file: pages, and the pages at the front.
  private func logFiles(of log: TestLog) throws -> (pages: CInt, front: CInt) {
    let found = descriptors(of: log.logFolder + "/data.mdb")
    try #require(found.count == 2)
    return (found[0], found[1])
  }

  /// Puts another file in the place of one that the log has open, until the closure returns.
  private func withFile(_ file: String, inPlaceOf descriptor: CInt, _ body: () async throws -> Void) async throws {
    // No process that another test starts may keep them open.
    let kept = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    let other = Glibc.open(file, O_RDWR | O_CLOEXEC)
    try #require(kept >= 0 && other >= 0)
    defer {
      close(kept)
      close(other)
    }
    try #require(dup2(other, descriptor) >= 0)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    let outcome: Result<Void, any Error>
    do {
      try await body()
      outcome = .success(())
    } catch {
      outcome = .failure(error)
    }
    // Where the file was opened anew, the number belongs to the new one by now.
    var one = stat()
    var two = stat()
    if fstat(descriptor, &one) == 0, fstat(other, &two) == 0, one.st_rdev == two.st_rdev, one.st_dev == two.st_dev,
      one.st_ino == two.st_ino
    {
      _ = dup2(kept, descriptor)
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }
    try outcome.get()
  }

  private func journal(of log: TestLog) throws -> CInt {
    let found = descriptors(of: log.logFolder + "/journal")
    try #require(found.count == 1)
    return found[0]
  }

  private func append(_ number: UInt64, to log: EventLog) async throws -> UInt64 {
    try await log.commit {
      try $0.record(.numbered(number), set: ["n": .string(String(repeating: "x", count: 40_000))])
    }.position
  }

  /// A log that flushes only when it is asked.
  private func open(_ temporary: TestLog) async throws -> EventLog {
    let log = try temporary.open {
      $0.flushAge = 600_000_000_000
      $0.flushIdle = 600_000_000_000
    }
    _ = try await log.commit { try $0.record(.numbered(1), set: ["n": 1]) }
    return log
  }

  @Test func `a disk that is full for the log's pages keeps what is acknowledged, and is tried again`() async throws {
    let temporary = try TestLog()
    let log = try await open(temporary)
    try await withFile("/dev/full", inPlaceOf: try logFiles(of: temporary).front) { () async throws -> Void in
      // The journal has its room.
      #expect(try await append(2, to: log) == 2)
      let refusal = #expect(throws: EventLogError.self) { try log.flush() }
      #expect(refusal?.code == .diskFull)
      #expect(refusal?.isRetryable == true)
      #expect(try log.read { try $0.state(.numbered(2)) } != nil)
      #expect(log.head.position == 2)
    }
    #expect(try await append(3, to: log) == 3)
    try log.flush()
    #expect(log.journalStatistics.failures == 1)
    log.close()
    let report = try temporary.verify()
    #expect(report.problems == [])
    #expect(report.events == 3)
  }

  @Test func `a disk that fails the log's pages stops writes, and the next start has what is acknowledged`()
    async throws
  {
    let temporary = try TestLog()
    let log = try await open(temporary)
    try await withFile("/proc/self/mem", inPlaceOf: try logFiles(of: temporary).pages) { () async throws -> Void in
      #expect(try await append(2, to: log) == 2)
      let refusal = #expect(throws: EventLogError.self) { try log.flush() }
      #expect(refusal?.code == .diskFailed)
      #expect(refusal?.message.contains("Nothing that was acknowledged is lost") == true)
      for word in ["damaged", "backup"] { #expect(refusal?.message.contains(word) == false) }
    }
    // Reads go on, writes wait for a new start.
    #expect(try log.read { try $0.state(.numbered(1))?.fields["n"] } == 1)
    #expect(try log.read { try $0.state(.numbered(2)) } != nil)
    let second = await #expect(throws: EventLogError.self) { try await append(3, to: log) }
    #expect(second?.code == .diskFailed)
    log.close()
    let report = try temporary.verify()
    #expect(report.problems == [])
    #expect(report.events == 2)
    let again = try temporary.open()
    #expect(try again.read { try $0.state(.numbered(2)) } != nil)
    #expect(try await append(3, to: again) == 3)
    again.close()
    #expect(try temporary.verify().problems == [])
  }

  @Test func `a full disk under the journal refuses the command, and nothing else`() async throws {
    let temporary = try TestLog()
    let log = try await open(temporary)
    try await withFile("/dev/full", inPlaceOf: try journal(of: temporary)) { () async throws -> Void in
      let refusal = await #expect(throws: EventLogError.self) { try await append(2, to: log) }
      #expect(refusal?.code == .diskFull)
      #expect(try log.read { try $0.state(.numbered(2)) } == nil)
    }
    #expect(try await append(3, to: log) == 2)
    log.close()
    #expect(try temporary.verify().problems == [])
    #expect(try temporary.open().head.position == 2)
  }

  @Test func `after a write of the journal that failed nothing is written before a new start`() async throws {
    let temporary = try TestLog()
    let log = try await open(temporary)
    try await withFile("/proc/self/mem", inPlaceOf: try journal(of: temporary)) { () async throws -> Void in
      let refusal = await #expect(throws: EventLogError.self) { try await append(2, to: log) }
      #expect(refusal?.code == .diskFailed)
      #expect(refusal?.message.contains("may be in the log or not") == true)
    }
    let second = await #expect(throws: EventLogError.self) { try await append(3, to: log) }
    #expect(second?.code == .diskFailed)
    #expect(try log.read { try $0.state(.numbered(1))?.fields["n"] } == 1)
    log.close()
    #expect(try temporary.verify().problems == [])
    let again = try temporary.open()
    #expect(try await append(3, to: again) == 2)
    again.close()
  }
}
