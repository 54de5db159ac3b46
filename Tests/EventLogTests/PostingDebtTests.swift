import BasicTypes
import Testing

@testable import EventLog

/// Who records faster than the read models take waits for them, while others record too.
@Suite struct PostingDebtTests {
  private let busy = Identifier.numbered(1001)
  private let quiet = Identifier.numbered(1002)
  private let second: UInt64 = 1_000_000_000

  /// A debt of read models that have moved a moment ago, at time 100 s.
  private func moving() -> PostingDebt {
    var debt = PostingDebt(head: 0)
    debt.record(1, by: nil, through: 1, at: 100 * second)
    debt.post(through: 1, at: 100 * second)
    return debt
  }

  @Test func `whoever has most of what is outstanding waits, and goes on once it is posted`() {
    var debt = moving()
    debt.record(5000, by: busy, through: 5001, at: 100 * second)
    debt.record(10, by: quiet, through: 5011, at: 100 * second)
    #expect(!debt.holds(busy, at: 100 * second), "1.5 s of the slowest pace are 6,000")
    debt.record(5000, by: busy, through: 10_011, at: 100 * second)
    #expect(debt.holds(busy, at: 100 * second))
    #expect(!debt.holds(quiet, at: 100 * second), "its share is small")
    #expect(!debt.holds(nil, at: 100 * second), "the service waits for nobody")
    debt.post(through: 5001, at: 101 * second)
    #expect(!debt.holds(busy, at: 101 * second))
    #expect(debt.total == 5010)
    debt.post(through: 10_011, at: 102 * second)
    #expect(debt.total == 0)
  }

  @Test func `alone it may be much further ahead`() {
    var debt = PostingDebt(head: 0)
    debt.record(1, by: busy, through: 1, at: 100 * second)
    debt.post(through: 1, at: 100 * second)
    debt.record(70_000, by: busy, through: 70_001, at: 100 * second)
    #expect(!debt.holds(busy, at: 100 * second))
    debt.record(20_000, by: busy, through: 90_001, at: 100 * second)
    #expect(debt.holds(busy, at: 100 * second), "20 s of the slowest pace are 80,000")
  }

  @Test func `while the read models stand still nobody waits for them`() {
    var debt = moving()
    debt.record(1, by: quiet, through: 2, at: 109 * second)
    debt.record(100_000, by: busy, through: 100_002, at: 109 * second)
    #expect(debt.holds(busy, at: 109 * second))
    #expect(!debt.holds(busy, at: 111 * second))
    debt.post(through: 2, at: 112 * second)
    #expect(debt.holds(busy, at: 112 * second), "they move again")
  }

  @Test func `before the read models have moved at all nobody waits`() {
    var debt = PostingDebt(head: 0)
    debt.record(100_000, by: busy, through: 100_000, at: 100 * second)
    debt.record(1, by: quiet, through: 100_001, at: 100 * second)
    #expect(!debt.holds(busy, at: 100 * second))
  }

  @Test func `the pace is what was seen`() {
    var debt = moving()
    var position: UInt64 = 1
    // 20,000 a second, for long enough to be believed.
    for tick in 1...40 {
      let now = 100 * second + UInt64(tick) * second / 4
      debt.record(1, by: quiet, through: position + 1, at: now - second / 4)
      debt.record(5000, by: busy, through: position + 5001, at: now - second / 4)
      position += 5001
      debt.post(through: position, at: now)
    }
    let now = 110 * second
    debt.record(1, by: quiet, through: position + 1, at: now)
    debt.record(25_000, by: busy, through: position + 25_001, at: now)
    #expect(!debt.holds(busy, at: now), "1.5 s are nearly 30,000 by now")
    debt.record(10_000, by: busy, through: position + 35_001, at: now)
    #expect(debt.holds(busy, at: now))
  }

  @Test func `what is caught up with from before counts for nobody`() {
    // The log had a million events when the server started, and the read models 900,000 of them.
    var debt = PostingDebt(head: 1_000_000)
    debt.record(1, by: quiet, through: 1_000_001, at: 100 * second)
    debt.post(through: 900_000, at: 100 * second)
    debt.record(50_000, by: busy, through: 1_050_001, at: 100 * second)
    #expect(!debt.holds(busy, at: 100 * second), "half a second of a hundred thousand is nothing")
    debt.record(70_000, by: busy, through: 1_120_001, at: 100 * second)
    #expect(debt.holds(busy, at: 100 * second))
    debt.post(through: 1_000_000, at: 101 * second)
    #expect(debt.total == 120_001)
    #expect(debt.holds(busy, at: 101 * second))
  }

  @Test func `times that come out of order do no harm`() {
    var debt = moving()
    // Each thread reads the clock before it has the lock, so one may tell an earlier time after a later one.
    debt.record(3000, by: quiet, through: 3001, at: 105 * second)
    debt.record(100_000, by: busy, through: 103_001, at: 104 * second)
    debt.post(through: 2, at: 106 * second)
    #expect(debt.holds(busy, at: 103 * second))
    debt.post(through: 3001, at: 102 * second)
    #expect(debt.holds(busy, at: 101 * second))
    debt.post(through: 103_001, at: 100 * second)
    #expect(debt.total == 0)
    for index in 0..<1200 {
      debt.record(
        1, by: .numbered(UInt64(5000 + index)), through: UInt64(200_000 + index), at: UInt64(index % 7) * second)
    }
    #expect(debt.total == 1200)
  }

  @Test func `what is kept of who recorded what is bounded`() {
    var debt = moving()
    for index in 0..<100_000 { debt.record(1, by: busy, through: UInt64(index + 2), at: 100 * second) }
    #expect(debt.total == 1 << 16)
    debt.record(1, by: quiet, through: 100_002, at: 100 * second)
    // 34,466 are nobody's by now, and 65,535 its own.
    #expect(debt.holds(busy, at: 100 * second))
    debt.post(through: 100_002, at: 101 * second)
    #expect(debt.total == 0 && !debt.holds(busy, at: 101 * second))
  }

  @Test func `an inbox lets others pass, and those that wait go on with the read models`() throws {
    let inbox = Inbox(limit: 100, head: 0)
    func put(_ source: Identifier?) {
      #expect(inbox.put(Submission(source: source, decide: { _ in }, complete: { _, _ in })) == nil)
    }
    for _ in 0..<3 { put(busy) }
    put(quiet)
    let first = try #require(inbox.first(after: 0))
    inbox.posted(through: 1)
    let now = Inbox.now
    let large = Inbox.Cost(nanoseconds: 1000, recorded: 50_000, position: 50_001)
    let small = Inbox.Cost(nanoseconds: 1000, recorded: 1, position: 50_002)
    // Whoever was first has recorded much; the other one a little.
    let second = try #require(inbox.next(after: first, cost: first.source == busy ? large : small, at: now, more: true))
    _ = inbox.next(after: second, cost: second.source == busy ? large : small, at: now, more: false)
    put(quiet)
    let third = try #require(inbox.first(after: 0))
    #expect(third.source == quiet)
    #expect(inbox.heldCount == 2)
    inbox.posted(through: 50_002)
    #expect(inbox.heldCount == 0)
    #expect(try #require(inbox.first(after: 0)).source == busy)
    // A stop waits for no read model.
    _ = inbox.next(after: third, cost: Inbox.Cost(nanoseconds: 1, recorded: 1, position: 50_003), at: now, more: false)
    _ = inbox.next(
      after: first.source == busy ? first : second,
      cost: Inbox.Cost(nanoseconds: 1, recorded: 500_000, position: 550_003), at: now, more: false)
    #expect(inbox.heldCount == 1)
    inbox.close()
    #expect(try #require(inbox.first(after: 0)).source == busy)
  }
}
