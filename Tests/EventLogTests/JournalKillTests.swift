import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Failpoints
import Glibc
import TestBasics
import Testing

@testable import EventLog

/// A log that is killed at each step of making a batch durable and of bringing it into LMDB's pages, again and again.
@Suite(.seeded) struct JournalKillTests {
  /// How often each point is reached last.
  private static let rounds = isThorough ? 100 : 2

  private static func configuration(_ data: String, _ failpoints: Failpoints) -> EventLogConfiguration {
    var configuration = TestLog.configuration(data: data)
    configuration.failpoints = failpoints
    configuration.mapSize = 1 << 24
    // The ring comes round every few batches.
    configuration.journalSize = JournalRing.smallest
    configuration.flushBytes = 12_000
    configuration.flushIdle = 1_000_000
    return configuration
  }

  /// Commits events one after the other, and notes each that is acknowledged, until the failpoint ends the process.
  private static func work(_ data: String, _ point: Failpoint, _ turn: Int) async throws {
    let log = try EventLog.open(configuration(data, Failpoints(parsing: "\(point.rawValue):kill@\(turn)")))
    let notes = open(data + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    var number = log.head.position
    while notes >= 0 {
      number += 1
      let count = number
      // Every third is too large for the ring's record, and changes a resource that is there.
      let size = count % 3 == 0 ? 20_000 : 500
      _ = try await log.commit { transaction in
        try transaction.record(
          .numbered(count % 7),
          set: ["count": .integer(Int64(count)), "n": .string(String(repeating: "x", count: size))])
        try transaction.record(.numbered(1_000 + count), set: ["count": .integer(Int64(count))])
      }
      number += 1
      var position = number
      guard Glibc.write(notes, &position, 8) == 8 else { return }
    }
  }

  /// The last position that was acknowledged.
  private static func acknowledged(_ data: String) throws -> UInt64 {
    let bytes = try TestFiles.bytes(data + "/acknowledged")
    return bytes.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  @Test(arguments: Failpoint.of(.commit) + Failpoint.of(.flushing))
  func `killed at any step, it keeps what it acknowledged and nothing by halves`(point: Failpoint) async throws {
    var random = try Seeded()
    let temporary = try TestLog()
    try TestFiles.write([], to: temporary.dataFolder + "/acknowledged")
    // How many commands may be there that were never told: one for each kill since the last look.
    var unsure: UInt64 = 0
    for round in 0..<Self.rounds {
      unsure += 1
      let turn = Int.random(in: 1...12, using: &random)
      await #expect(processExitsWith: .signal(SIGKILL), "round \(round)") {
        [data = temporary.dataFolder as String, point = point as Failpoint, turn = turn as Int] in
        try await JournalKillTests.work(data, point, turn)
      }
      let report = try temporary.verify()
      #expect(report.problems == [], "round \(round), turn \(turn)")
      // Every other time the next process finds what this one leaves, as a server does that is killed again.
      if round % 2 == 0, round + 1 < Self.rounds { continue }
      let told = try Self.acknowledged(temporary.dataFolder)
      let log = try temporary.open { $0.journalSize = JournalRing.smallest }
      // Both events of a command, or neither; and no more than those that were under way.
      #expect(log.head.position % 2 == 0)
      #expect((told...told + 2 * unsure).contains(log.head.position), "round \(round), turn \(turn)")
      unsure = 0
      #expect(report.events == log.head.position)
      try log.read { snapshot in
        for position in stride(from: 2, through: log.head.position, by: 2) {
          let state = try snapshot.state(.numbered(1_000 + position - 1))
          #expect(state?.position == position)
        }
      }
      log.close()
      // What wasn't told is told from now on.
      var head = log.head.position
      try TestFiles.write(withUnsafeBytes(of: &head) { Array($0) }, to: temporary.dataFolder + "/acknowledged")
    }
  }
}
