import BasicTypes
import Dispatch
import NIOConcurrencyHelpers

/// Threads that do the work of many callers in turns.
///
/// A caller's work is taken in the order in which it came. Among callers it is the turn of the one that was given the
/// least time, counted from when its work came, so that one that asks for much waits for its own work and not the
/// others for it. No caller has all threads at once: whoever comes finds one whose work isn't the same caller's.
///
/// It runs closures (``run(for:_:)``) and tasks (``executor(for:)``). What a task waits for takes no turn: only what
/// runs between two of its suspensions does.
package final class FairWorkers: Sendable {
  fileprivate enum Work {
    case job(UnownedJob, FairExecutor)
    case closure(@Sendable () -> Void)
  }

  private struct Lane {
    let caller: Identifier?
    var waiting: ArraySlice<Work> = []
    var running = 0
    /// The time that it was given, in nanoseconds, beginning with what the others had when it came.
    var used: UInt64
  }

  private struct State {
    /// Those of the callers that have work waiting or under way.
    var lanes: [Lane] = []
    /// How many threads are at work, or about to be.
    var active = 0
    /// The least time that a lane in turn had: what a lane that comes anew begins with.
    var floor: UInt64 = 0

    mutating func put(_ work: Work, for caller: Identifier?) {
      if let index = lanes.firstIndex(where: { $0.caller == caller }) {
        lanes[index].waiting.append(work)
      } else {
        lanes.append(Lane(caller: caller, waiting: [work], used: floor))
      }
    }

    /// The next piece of work that may run, where each lane may have so many under way.
    mutating func take(width: Int) -> (work: Work, caller: Identifier?)? {
      var chosen: Int?
      for index in lanes.indices where !lanes[index].waiting.isEmpty && lanes[index].running < width {
        if let best = chosen, lanes[best].used <= lanes[index].used { continue }
        chosen = index
      }
      guard let chosen, let work = lanes[chosen].waiting.popFirst() else { return nil }
      lanes[chosen].running += 1
      floor = max(floor, lanes[chosen].used)
      return (work, lanes[chosen].caller)
    }

    /// Notes that work of a caller is over, and how many nanoseconds it took.
    mutating func finish(_ caller: Identifier?, took nanoseconds: UInt64) {
      guard let index = lanes.firstIndex(where: { $0.caller == caller }) else { return }
      lanes[index].running -= 1
      lanes[index].used += nanoseconds
      if lanes[index].running == 0, lanes[index].waiting.isEmpty { lanes.remove(at: index) }
    }
  }

  private let threads: Int
  private let state = NIOLockedValueBox(State())
  private let queue: DispatchQueue

  /// Workers of a name, as many as there are processors, and one more.
  package init(label: String, processors: Int) {
    threads = max(1, processors) + 1
    queue = DispatchQueue(label: label, attributes: .concurrent)
  }

  /// How many pieces of work wait for their turn.
  package var waiting: Int { state.withLockedValue { $0.lanes.reduce(0) { $0 + $1.waiting.count } } }

  /// How many are under way.
  package var working: Int { state.withLockedValue { $0.lanes.reduce(0) { $0 + $1.running } } }

  /// What the work comes to, once it was its caller's turn.
  package func run<Value: Sendable>(
    for caller: Identifier?, _ work: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      put(.closure { continuation.resume(with: Result { try work() }) }, for: caller)
    }
  }

  /// Where the tasks of a caller run: give it to `Task(executorPreference:)`.
  package func executor(for caller: Identifier?) -> some TaskExecutor { FairExecutor(self, caller) }

  fileprivate func put(_ work: Work, for caller: Identifier?) {
    let isWanted = state.withLockedValue { state in
      state.put(work, for: caller)
      guard state.active < threads else { return false }
      state.active += 1
      return true
    }
    if isWanted { queue.async { self.drain() } }
  }

  /// Works until nothing may run.
  private func drain() {
    var finished: (caller: Identifier?, took: UInt64)?
    while true {
      let next = state.withLockedValue { state -> (work: Work, caller: Identifier?)? in
        if let finished { state.finish(finished.caller, took: finished.took) }
        let next = state.take(width: threads - 1)
        if next == nil { state.active -= 1 }
        return next
      }
      guard let next else { return }
      let began = DispatchTime.now().uptimeNanoseconds
      switch next.work {
      case .job(let job, let executor): job.runSynchronously(on: executor.asUnownedTaskExecutor())
      case .closure(let work): work()
      }
      finished = (next.caller, DispatchTime.now().uptimeNanoseconds - began)
    }
  }
}

/// One caller's place at the workers.
private final class FairExecutor: TaskExecutor {
  private let workers: FairWorkers
  private let caller: Identifier?

  init(_ workers: FairWorkers, _ caller: Identifier?) {
    self.workers = workers
    self.caller = caller
  }

  func enqueue(_ job: consuming ExecutorJob) { workers.put(.job(UnownedJob(job), self), for: caller) }
}

/// On whose account the running task takes the server's time: an organization, or whoever has none.
package enum Caller {
  /// Nil for administrators and the server itself.
  @TaskLocal package static var current: Identifier?
}
