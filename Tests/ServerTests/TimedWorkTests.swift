import BasicTypes
import Domain
import Logging
import NIOConcurrencyHelpers
import Projections
import Refusals
import ServiceLifecycle
import TestBasics
import Testing

@testable import Server

/// A clock that moves only when a test says so.
private final class HandClock: Clock, Sendable {
  struct Instant: InstantProtocol {
    var offset: Duration
    func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    func duration(to other: Instant) -> Duration { other.offset - offset }
    static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  private let time = NIOLockedValueBox(Instant(offset: .zero))
  /// How often a sleeper has asked to be woken.
  let sleeps = NIOLockedValueBox(0)
  /// After how many sleeps the sleeper is kept until it is cancelled.
  private let limit: Int

  init(limit: Int = 0) {
    self.limit = limit
  }

  var now: Instant { time.withLockedValue { $0 } }
  var minimumResolution: Duration { .zero }

  func move(_ duration: Duration) {
    time.withLockedValue { $0 = $0.advanced(by: duration) }
  }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    let count = sleeps.withLockedValue { count in
      count += 1
      return count
    }
    guard count <= limit else {
      try await Task.sleep(for: .seconds(3600))
      return
    }
    time.withLockedValue { $0 = max($0, deadline) }
  }
}

/// Collects what is logged.
private struct Collector: LogHandler {
  let lines: NIOLockedValueBox<[String]>
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }
  func log(event: LogEvent) {
    let described = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    lines.withLockedValue { $0.append("\(event.message) \(described.joined(separator: " "))") }
  }
}

@Suite struct TimedWorkTests {
  private let lines = NIOLockedValueBox<[String]>([])
  private let given = NIOLockedValueBox<[String]>([])
  private let ids = [Identifier.version7(at: .now), Identifier.version7(at: .now), Identifier.version7(at: .now)]

  private var logger: Logger {
    Logger(label: "test") { [lines] _ in Collector(lines: lines) }
  }

  private func work(_ jobs: [TimedJob], _ clock: HandClock = HandClock()) -> TimedWork<HandClock> {
    TimedWork(
      jobs: jobs, interval: .seconds(15), clock: clock, logger: logger, now: { Timestamp(microseconds: 1_000_000) })
  }

  /// A job that finds those ids, and notes for which its command was given.
  private func job(_ method: String, refusing refused: Identifier? = nil, with error: Refusal? = nil) -> TimedJob {
    let (ids, given) = (ids, given)
    return TimedJob.commands(method) { _, last in
      last == nil ? ids : []
    } give: { id in
      given.withLockedValue { $0.append("\(method) \(id.text)") }
      if id == refused, let error { throw error }
    }
  }

  @Test func `each candidate gets its command; one that fails keeps neither the others nor other jobs from theirs`()
    async throws
  {
    let fault = Refusal(.conflict, "not now")
    let jobs = [job("a.do", refusing: ids[1], with: fault), job("b.do")]
    let timed = work(jobs)
    await timed.turn()
    #expect(given.withLockedValue { $0 } == ["a.do", "b.do"].flatMap { name in ids.map { "\(name) \($0.text)" } })
    await timed.turn()
    #expect(given.withLockedValue { $0.count } == 12, "the one that failed is tried again")
    let told = lines.withLockedValue { $0 }
    #expect(told == ["timed work failed for one resource; trying again error=not now id=\(ids[1].text) job=a.do"])
  }

  @Test func `resources that fail every time keep none behind them from its turn, however many they are`() async throws
  {
    let (ids, given) = (ids, given)
    let job = TimedJob.commands("a.do") { _, last in
      let next = last.flatMap { ids.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
      return Array(ids[next...].prefix(1))
    } give: { id in
      given.withLockedValue { $0.append(id.text) }
      if id != ids.last { throw Refusal(.held, "held") }
    }
    await work([job]).turn()
    #expect(given.withLockedValue { $0 } == ids.map(\.text))
  }

  @Test func `while the clock can't be believed nothing is done by it, and that is told once`() async throws {
    let isRight = NIOLockedValueBox(false)
    let timed = TimedWork(
      jobs: [job("a.do")], interval: .seconds(15), clock: HandClock(), logger: logger,
      checkClock: {
        if !isRight.withLockedValue({ $0 }) { throw Refusal.unavailable(component: "log", "the clock is ahead") }
      })
    await timed.turn()
    await timed.turn()
    #expect(given.withLockedValue { $0 } == [])
    #expect(lines.withLockedValue { $0 } == ["timed work waits error=the clock is ahead job=clock"])
    isRight.withLockedValue { $0 = true }
    await timed.turn()
    #expect(given.withLockedValue { $0.count } == ids.count)
  }

  @Test func `what a crash left half done is ended soon after the start, other work waits for the first turn`()
    async throws
  {
    let clock = HandClock(limit: 3)
    let given = given
    func told(_ name: String, until: Duration) -> TimedJob {
      TimedJob(name: name, endsWhatWasBegun: true) { _, _ in
        given.withLockedValue { $0.append("\(name) \(clock.now.offset.components.seconds)") }
        if clock.now.offset < until { throw Refusal.unavailable(component: "postgres", "not yet") }
      }
    }
    let jobs = [
      job("a.do"), told("at once", until: .zero), told("later", until: .seconds(5)),
      told("not yet", until: .seconds(60)),
    ]
    let running = Task { try await work(jobs, clock).run() }
    _ = try await eventually("both are done") { clock.sleeps.withLockedValue { $0 } == 4 ? true : nil }
    running.cancel()
    try await running.value
    #expect(
      given.withLockedValue { $0 } == [
        "at once 1", "later 1", "not yet 1", "later 3", "not yet 3", "later 7", "not yet 7",
      ])
    let told = lines.withLockedValue { $0 }
    #expect(told.count == 1 && told[0].contains("not yet"), "what couldn't be ended is told once: \(told)")
  }

  @Test func `what was deleted since it was found is no trouble`() async throws {
    let gone = Refusal(.notFound, "there is none")
    await work([job("a.do", refusing: ids[0], with: gone)]).turn()
    #expect(given.withLockedValue { $0.count } == 3)
    #expect(lines.withLockedValue { $0.isEmpty })
  }

  @Test func `while PostgreSQL is away it waits with one line, and says so again the next time`() async throws {
    let isAway = NIOLockedValueBox(true)
    let jobs = ["a.do", "b.do"].map { name in
      TimedJob(name: name) { _, _ in
        if isAway.withLockedValue({ $0 }) {
          throw Refusal(.unavailable, "PostgreSQL is away.")
        }
      }
    }
    let timed = work(jobs)
    for _ in 0..<5 { await timed.turn() }
    #expect(lines.withLockedValue { $0.count } == 1)
    isAway.withLockedValue { $0 = false }
    await timed.turn()
    isAway.withLockedValue { $0 = true }
    await timed.turn()
    #expect(lines.withLockedValue { $0 }.map { $0.hasPrefix("timed work waits") } == [true, true])
  }

  @Test func `a job with a pause comes again when it is over; one that failed, at the next turn`() async throws {
    let turns = NIOLockedValueBox(0)
    let clock = HandClock()
    let job = TimedJob(name: "hourly", pause: .seconds(3600)) { _, _ in
      let count = turns.withLockedValue { count in
        count += 1
        return count
      }
      if count == 1 { throw Refusal(.internal, "the first turn fails") }
    }
    let timed = work([job], clock)
    await timed.turn()
    await timed.turn()
    await timed.turn()
    #expect(turns.withLockedValue { $0 } == 2)
    clock.move(.seconds(3599))
    await timed.turn()
    #expect(turns.withLockedValue { $0 } == 2)
    clock.move(.seconds(1))
    await timed.turn()
    #expect(turns.withLockedValue { $0 } == 3)
  }

  @Test func `a job that pauses after failures too waits its pause before it is tried again`() async throws {
    let turns = NIOLockedValueBox(0)
    let clock = HandClock()
    let job = TimedJob(name: "hourly", pause: .seconds(3600), pausesAfterFailure: true) { _, _ in
      turns.withLockedValue { $0 += 1 }
      throw Refusal(.internal, "it fails")
    }
    let timed = work([job], clock)
    await timed.turn()
    clock.move(.seconds(3599))
    await timed.turn()
    #expect(turns.withLockedValue { $0 } == 1)
    clock.move(.seconds(1))
    await timed.turn()
    #expect(turns.withLockedValue { $0 } == 2)
  }

  @Test func `it takes its turns by the clock until the server stops`() async throws {
    let (turns, continuation) = AsyncStream.makeStream(of: Timestamp.self)
    let job = TimedJob(name: "tick") { now, _ in continuation.yield(now) }
    let timed = work([job], HandClock(limit: 3))
    let group = ServiceGroup(services: [timed], logger: logger)
    let running = Task { try await group.run() }
    var count = 0
    for await now in turns {
      #expect(now == Timestamp(microseconds: 1_000_000))
      count += 1
      if count == 3 { break }
    }
    await group.triggerGracefulShutdown()
    try await running.value
  }
}
