import Testing

@testable import EventLog

/// Those who wait for the log to grow.
@Suite struct HeadWaitersTests {
  @Test("an advance that comes while somebody begins to wait wakes them", .timeLimit(.minutes(1)))
  func nobodyMissesAnAdvance() async throws {
    let waiters = HeadWaiters(head: 0)
    for head in 1...5_000 as ClosedRange<UInt64> {
      async let seen = waiters.wait(after: head - 1)
      // Now and then the one who waits is there first.
      if head.isMultiple(of: 3) { await Task.yield() }
      waiters.advance(to: head)
      #expect(try await seen == head)
    }
  }

  @Test("many who wait for one position see it, and later ones at once", .timeLimit(.minutes(1)))
  func allSeeIt() async throws {
    let waiters = HeadWaiters(head: 7)
    let heads = try await withThrowingTaskGroup(of: UInt64.self) { group in
      for _ in 0..<100 { group.addTask { try await waiters.wait(after: 7) } }
      await Task.yield()
      waiters.advance(to: 9)
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(heads == [UInt64](repeating: 9, count: 100))
    #expect(try await waiters.wait(after: 8) == 9)
  }

  @Test("who waits when the log closes is told", .timeLimit(.minutes(1)))
  func closed() async throws {
    let waiters = HeadWaiters(head: 1)
    let waiting = Task { try await waiters.wait(after: 1) }
    await Task.yield()
    waiters.close()
    await #expect(throws: EventLogError.self) { try await waiting.value }
  }
}
