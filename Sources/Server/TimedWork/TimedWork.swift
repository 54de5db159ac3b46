import BasicTypes
import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

/// Does what falls due by the clock: alerts escalate, files expire, retention is swept.
///
/// Every turn gives each job its chance, one after the other; a job that fails is tried again at the next turn, or
/// after its pause where it says so, and never keeps another from its own. Nothing is decided here: the commands decide
/// again inside the log, by its clock, so a turn too many records nothing. While the clock can't be believed there are
/// no turns.
struct TimedWork<Time: Clock>: Service where Time.Duration == Duration {
  let jobs: [TimedJob]
  let reports: TimedReports
  /// Where it is noted how late each job is; nil where nobody wants to know.
  let board: TimerBoard?
  /// The pause between turns.
  let interval: Duration
  /// The clock that measures pauses.
  let clock: Time
  /// What time it is.
  let now: @Sendable () -> Timestamp
  /// Throws where the machine's clock can't be believed: then nothing is done by it.
  let checkClock: @Sendable () async throws -> Void
  private let nextTurns: NIOLockedValueBox<[String: Time.Instant]>

  init(
    jobs: [TimedJob], interval: Duration, clock: Time, logger: Logger,
    now: @escaping @Sendable () -> Timestamp = { .now }, board: TimerBoard? = nil,
    checkClock: @escaping @Sendable () async throws -> Void = {}
  ) {
    self.jobs = jobs
    self.interval = interval
    self.clock = clock
    self.now = now
    self.checkClock = checkClock
    self.board = board
    reports = TimedReports(logger: logger)
    nextTurns = NIOLockedValueBox([:])
    board?.begin(jobs.map(\.name), dueAfter: interval)
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await endWhatWasBegun()
      while !Task.isCancelled {
        // Cancelled while it waits: the server stops.
        do { try await clock.sleep(for: interval) } catch { return }
        await turn()
      }
    }
  }

  /// Gives those jobs that end what a crash left a turn soon after the start, and again in longer and longer pauses
  /// until each has done so: PostgreSQL, which some of them need, comes up meanwhile. What was in the way to the end is
  /// logged, once for each job, and the first regular turn tries again.
  private func endWhatWasBegun() async {
    var left = jobs.filter(\.endsWhatWasBegun).map { (job: $0, failure: (any Error)?.none) }
    var (pause, waited) = (min(interval, .seconds(1)), Duration.zero)
    while !left.isEmpty, waited + pause < interval {
      do { try await clock.sleep(for: pause) } catch { return }
      waited += pause
      pause *= 2
      var open: [(job: TimedJob, failure: (any Error)?)] = []
      for (job, _) in left {
        do {
          // Nothing is done by a clock that can't be believed.
          try await checkClock()
          try await job.work(now(), reports)
        } catch is CancellationError {
          return
        } catch {
          open.append((job, error))
        }
      }
      left = open
    }
    for case (let job, let failure?) in left { reports.failed(job.name, failure) }
  }

  /// Gives every job whose time has come one turn.
  func turn() async {
    do {
      try await checkClock()
      reports.succeeded("clock")
    } catch {
      return reports.failed("clock", error)
    }
    for job in jobs where !Task.isCancelled {
      if let next = nextTurns.withLockedValue({ $0[job.name] }), clock.now < next { continue }
      let began = TimerBoard.now
      func note(failed: Bool) {
        board?.ended(job.name, began: began, failed: failed, dueAfter: max(job.pause ?? interval, interval))
      }
      do {
        try await job.work(now(), reports)
        reports.succeeded(job.name)
        note(failed: false)
        pause(job)
      } catch is CancellationError {
        return
      } catch {
        reports.failed(job.name, error)
        note(failed: true)
        if job.pausesAfterFailure { pause(job) }
      }
    }
  }

  private func pause(_ job: TimedJob) {
    guard let pause = job.pause else { return }
    let next = clock.now.advanced(by: pause)
    nextTurns.withLockedValue { $0[job.name] = next }
  }
}
