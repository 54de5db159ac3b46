import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import EventLog

/// Several sources share the one writer.
@Suite struct TurnsTests {
  /// A log whose first decision keeps the writer until it is let go, and what was decided after it, in that order.
  private final class Line: Sendable {
    let temporary: TestLog
    let log: EventLog
    private let decided = NIOLockedValueBox<[String]>([])
    private let refused = NIOLockedValueBox<[String]>([])
    private let gate = DispatchSemaphore(value: 0)

    init(inboxLimit: Int? = nil, decidingLimit: UInt64? = nil) throws {
      temporary = try TestLog()
      log = try temporary.open { configuration in
        if let inboxLimit { configuration.inboxLimit = inboxLimit }
        if let decidingLimit { configuration.decidingLimit = decidingLimit }
      }
      let started = DispatchSemaphore(value: 0)
      let gate = gate
      log.submit { _ in
        started.signal()
        gate.wait()
      } completion: { _ in
      }
      started.wait()
    }

    /// Submits a decision that takes some time and records an event of that name.
    func submit(_ name: String, of source: Identifier?, milliseconds: Int = 0) {
      log.submit(for: source) { [decided] transaction in
        if milliseconds > 0 { usleep(UInt32(milliseconds) * 1000) }
        try transaction.record(.numbered(UInt64(milliseconds)), set: ["name": .string(name)])
        decided.withLockedValue { $0.append(name) }
      } completion: { [refused] result in
        if case .failure = result { refused.withLockedValue { $0.append(name) } }
      }
    }

    func letGo() { gate.signal() }

    /// What was decided and what was refused, once everything is.
    func end() -> (decided: [String], refused: [String]) {
      log.close()
      return (decided.withLockedValue { $0 }, refused.withLockedValue { $0 })
    }
  }

  private let busy = Identifier.numbered(1001)
  private let quiet = Identifier.numbered(1002)

  @Test func `a source keeps its order, and what takes long delays the others by one decision`() throws {
    let line = try Line()
    // Far longer than a machine that is busy keeps the others from their one.
    for number in 0..<20 { line.submit("busy \(number)", of: busy, milliseconds: 50) }
    for number in 0..<5 { line.submit("quiet \(number)", of: quiet) }
    for number in 0..<5 { line.submit("service \(number)", of: nil) }
    line.letGo()
    let decided = line.end().decided
    #expect(decided.filter { $0.hasPrefix("busy") } == (0..<20).map { "busy \($0)" })
    #expect(decided.filter { $0.hasPrefix("quiet") } == (0..<5).map { "quiet \($0)" })
    // The first of each may come in any order; the busy one's second comes behind all of the others.
    #expect(decided.firstIndex(of: "busy 1") == 11, "\(decided)")
  }

  @Test func `a batch ends once its decisions have taken their time`() throws {
    let line = try Line(decidingLimit: 25_000_000)
    for number in 0..<12 { line.submit("busy \(number)", of: busy, milliseconds: 10) }
    line.letGo()
    #expect(line.end().decided.count == 12)
    #expect(line.log.statistics.commits >= 4)
    #expect(line.log.statistics.largestBatch <= 4)
  }

  @Test func `a source that fills its queue leaves room for others`() throws {
    let line = try Line(inboxLimit: 10)
    for number in 0..<40 { line.submit("busy \(number)", of: busy) }
    for number in 0..<3 { line.submit("quiet \(number)", of: quiet) }
    line.letGo()
    let (decided, refused) = line.end()
    #expect(decided.filter { $0.hasPrefix("busy") } == (0..<10).map { "busy \($0)" })
    #expect(refused == (10..<40).map { "busy \($0)" })
    #expect(decided.count { $0.hasPrefix("quiet") } == 3)
  }

  @Test func `many sources together have a limit, and the last to come still has room`() throws {
    let line = try Line(inboxLimit: 10)
    for source in 0..<6 {
      for number in 0..<10 { line.submit("\(source) \(number)", of: .numbered(2000 + UInt64(source))) }
    }
    line.letGo()
    let (decided, refused) = line.end()
    #expect(decided.count + refused.count == 60)
    #expect(decided.count <= 20)
    #expect(decided.contains { $0.hasPrefix("3 ") })
  }

  /// Puts submissions of a source that nobody will decide.
  private func put(_ count: Int, of source: Identifier?, into inbox: Inbox) {
    for _ in 0..<count {
      #expect(inbox.put(Submission(source: source, decide: { _ in }, complete: { _, _ in })) == nil)
    }
  }

  @Test func `after a long decision its source rests while others are there`() throws {
    let inbox = Inbox(limit: 100, head: 0)
    put(1, of: quiet, into: inbox)
    put(3, of: busy, into: inbox)
    let start = Inbox.now
    let first = try #require(inbox.first(after: 0))
    #expect(first.source == quiet)
    let second = try #require(inbox.next(after: first, cost: .time(1_000_000), at: start, more: true))
    #expect(second.source == busy)
    // 40 ms are followed by 120 ms of rest.
    let ended = start + 40_000_000
    #expect(inbox.next(after: second, cost: .time(40_000_000), at: ended, more: true) == nil)
    #expect(inbox.waitingCount == 2)
    put(1, of: quiet, into: inbox)
    let third = try #require(inbox.next(after: first, cost: .time(0), at: ended + 1_000_000, more: true))
    #expect(third.source == quiet)
    #expect(inbox.next(after: third, cost: .time(0), at: ended + 119_000_000, more: true) == nil)
    let fourth = try #require(inbox.next(after: third, cost: .time(0), at: ended + 121_000_000, more: true))
    #expect(fourth.source == busy)
    // A stop waits for nobody's rest.
    #expect(inbox.next(after: fourth, cost: .time(40_000_000), at: ended + 161_000_000, more: true) == nil)
    inbox.close()
    #expect(inbox.next(after: third, cost: .time(0), at: ended + 162_000_000, more: true)?.source == busy)
  }

  @Test(arguments: [nil, Identifier.numbered(1001)])
  func `alone, a source rests for nobody, and the service never does`(_ source: Identifier?) throws {
    let inbox = Inbox(limit: 100, head: 0)
    if source == nil { put(1, of: quiet, into: inbox) }
    put(3, of: source, into: inbox)
    var now = Inbox.now
    var last = try #require(inbox.first(after: 0))
    for _ in 0..<2 {
      now += 500_000_000
      last = try #require(inbox.next(after: last, cost: .time(500_000_000), at: now, more: true))
    }
    #expect(last.source == source)
  }

  @Test func `whoever comes back is served before whoever has had much`() throws {
    let inbox = Inbox(limit: 100, head: 0)
    put(10, of: busy, into: inbox)
    var last = try #require(inbox.first(after: 0))
    let now = Inbox.now
    for _ in 0..<3 {
      last = try #require(inbox.next(after: last, cost: .time(5_000_000), at: now, more: true))
      #expect(last.source == busy)
    }
    put(2, of: quiet, into: inbox)
    // It begins with what the others had, so it has no claim to all of the time that it was away.
    last = try #require(inbox.next(after: last, cost: .time(5_000_000), at: now, more: true))
    #expect(last.source == quiet)
    last = try #require(inbox.next(after: last, cost: .time(7_000_000), at: now, more: true))
    #expect(last.source == busy)
    last = try #require(inbox.next(after: last, cost: .time(5_000_000), at: now, more: true))
    #expect(last.source == quiet)
  }
}

extension Inbox.Cost {
  /// So many nanoseconds, and nothing recorded.
  fileprivate static func time(_ nanoseconds: UInt64) -> Inbox.Cost {
    Inbox.Cost(nanoseconds: nanoseconds, recorded: 0, position: 0)
  }
}
