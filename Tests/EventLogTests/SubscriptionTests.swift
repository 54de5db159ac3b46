import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Testing

@Suite struct SubscriptionTests {
  @Test func `a reader from any position sees history, then live events, without a gap`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    for number in 0..<50 { _ = try await log.commit { try $0.record(.numbered(UInt64(number)), set: ["n": 1]) } }
    let reader = Task {
      var next: UInt64 = 21
      var seen: [UInt64] = []
      while seen.count < 80 {
        for record in try await log.records(from: next, limit: 7, maximumBytes: 1 << 20) {
          seen.append(record.position)
          next = record.position + 1
        }
        if seen.count < 80 { _ = try await log.waitForEvents(after: next - 1) }
      }
      return seen
    }
    for number in 0..<50 { _ = try await log.commit { try $0.record(.numbered(UInt64(number)), set: ["n": 2]) } }
    #expect(try await reader.value == Array(21...100))
    log.close()
  }

  @Test func `a wait ends when its task is cancelled or the log closes`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    let cancelled = Task { try await log.waitForEvents(after: 5) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let closed = Task { try await log.waitForEvents(after: 5) }
    log.close()
    await #expect(throws: EventLogError.self) { try await closed.value }
  }

  @Test func `the state at any position is folded from history`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    defer { log.close() }
    for number in 1...10 {
      _ = try await log.commit { try $0.record(.numbered(1), set: ["n": .integer(Int64(number))]) }
    }
    try log.read { (snapshot: borrowing LogSnapshot) throws in
      for number in 1...10 {
        #expect(try snapshot.fold(.numbered(1), through: UInt64(number))?.fields["n"] == .integer(Int64(number)))
      }
      #expect(try snapshot.fold(.numbered(1), through: 0) == nil)
      #expect(try snapshot.position(at: .maximum) == 10)
      #expect(try snapshot.position(at: .minimum) == 0)
    }
  }
}
