import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Testing

/// A log that is verified while somebody writes to it.
@Suite struct BusyVerificationTests {
  private struct FalseAlarm: Error {
    let round: Int
    let problems: [VerificationProblem]
  }

  @Test(.timeLimit(.minutes(3))) func `verified sixty times beside a writer, a log is whole every time`() async throws {
    let temporary = try TestLog(mapSize: 1 << 28)
    let log = try temporary.open()
    for number in 0..<2000 {
      log.submit({ try $0.record(.numbered(UInt64(number)), set: ["text": "there"]) }, completion: { _ in })
    }
    _ = try await log.commit { try $0.record(.numbered(1), set: ["text": "there"]) }
    let writer = Task {
      var count: UInt64 = 0
      while !Task.isCancelled {
        count += 1
        let number = 10_000 + count
        let id = Identifier.numbered(number)
        _ = try await log.commit { transaction in
          try transaction.record(id, set: ["number": .integer(try transaction.nextNumber("thing"))])
          try transaction.claim(constraint: "k", key: id.bytes, for: id)
          try transaction.release(constraint: "k", key: Identifier.numbered(number - 3).bytes)
          try transaction.link(id, type: "thing", to: .numbered(number % 7))
          try transaction.storeCommand(
            actor: "server", id: "\(number)", StoredCommand(fingerprint: [UInt8](repeating: 1, count: 32), result: []))
        }
      }
      return count
    }
    let before = log.head.position
    // In a process of its own, as daybook verify does it; and sixty times more where other tests have kept the writer
    // from being a load.
    repeat {
      await #expect(processExitsWith: .success) {
        [folder = temporary.logFolder as String, headFile = temporary.headFile as String] in
        for round in 0..<60 {
          let report = try EventLogVerifier.verify(folder: folder, headFile: headFile, verifyHead: TestLog.check)
          guard report.isHealthy else { throw FalseAlarm(round: round, problems: report.problems) }
        }
      }
    } while log.head.position <= before + 100
    writer.cancel()
    #expect(try await writer.value > 100, "there was a load beside it")
    log.close()
    #expect(try temporary.verify().problems == [])
  }
}
