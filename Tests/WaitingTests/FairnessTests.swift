import BasicTypes
import Dispatch
import Synchronization
import Testing

@testable import Waiting

/// Who was served, in order.
private final class Order: Sendable {
  private let served = Mutex<[Identifier?]>([])
  var all: [Identifier?] { served.withLock { $0 } }
  func add(_ caller: Identifier?) { served.withLock { $0.append(caller) } }
}

/// Callers that ask for much don't make the others wait for it.
@Suite(.timeLimit(.minutes(1))) struct FairnessTests {
  private let greedy = Identifier("0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b")
  private let modest = Identifier("0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4c")

  private static func spend(milliseconds: UInt64) {
    let end = DispatchTime.now().uptimeNanoseconds + milliseconds * 1_000_000
    while DispatchTime.now().uptimeNanoseconds < end {}
  }

  @Test func `work of a caller that has had little time comes before what another has waiting`() async throws {
    let workers = FairWorkers(label: "fairness", processors: 1)
    let order = Order()
    let hold = DispatchSemaphore(value: 0)
    // Both threads are held while all of it comes.
    let held = [greedy, nil].map { caller in
      Task {
        try await workers.run(for: caller) {
          hold.wait()
          Self.spend(milliseconds: 5)
        }
      }
    }
    while workers.working < 2 { await Task.yield() }
    let asked = [(greedy, 200), (modest, 5)].flatMap { caller, count in
      (0..<count).map { _ in
        Task {
          try await workers.run(for: caller) {
            Self.spend(milliseconds: 1)
            order.add(caller)
          }
        }
      }
    }
    while workers.waiting < 205 { await Task.yield() }
    for _ in held { hold.signal() }
    for task in held + asked { try await task.value }
    let all = order.all
    #expect(all.count == 205)
    let last = try #require(all.lastIndex(of: modest))
    #expect(last < 100, "the modest one's last piece was done after \(last) of 205")
  }

  @Test func `no caller has every thread`() async throws {
    let workers = FairWorkers(label: "threads", processors: 2)
    let hold = DispatchSemaphore(value: 0)
    let held = (0..<8).map { _ in Task { [greedy] in try await workers.run(for: greedy) { hold.wait() } } }
    while workers.working < 2 { await Task.yield() }
    #expect(try await workers.run(for: modest) { 7 } == 7)
    #expect(try await workers.run(for: nil) { 8 } == 8)
    for _ in held { hold.signal() }
    for task in held { try await task.value }
  }

  @Test func `a task runs by its caller's turns, and what it waits for takes none`() async throws {
    let workers = FairWorkers(label: "tasks", processors: 1)
    let gate = FairSemaphore(permits: 1)
    try await gate.acquire()
    let waiting = (0..<50).map { _ in
      Task(executorPreference: workers.executor(for: greedy)) {
        try await gate.acquire()
        gate.release()
      }
    }
    let answer = await Task(executorPreference: workers.executor(for: modest)) { 7 }.value
    #expect(answer == 7)
    gate.release()
    for task in waiting { try await task.value }
  }

  @Test func `a failure is the caller's`() async {
    struct Wrong: Error {}
    let workers = FairWorkers(label: "failures", processors: 1)
    await #expect(throws: Wrong.self) { try await workers.run(for: nil) { throw Wrong() } }
  }

  @Test func `of the permits a caller has its share at most, and another gets the next one`() async throws {
    let semaphore = FairSemaphore(permits: 4, share: 2)
    let taken = Order()
    let ask = { @Sendable (caller: Identifier?) in
      Task {
        try await Caller.$current.withValue(caller) {
          try await semaphore.acquire()
          taken.add(caller)
        }
      }
    }
    let greedyOnes = (0..<4).map { _ in ask(greedy) }
    while semaphore.waiting < 2 { await Task.yield() }
    #expect(taken.all == [greedy, greedy])
    // Two are free still, whoever waits for more than a share.
    try await ask(modest).value
    try await ask(nil).value
    #expect(taken.all == [greedy, greedy, modest, nil])
    let late = ask(nil)
    while semaphore.waiting < 3 { await Task.yield() }
    // The one who has none comes first; then who waits longest of those that may.
    Caller.$current.withValue(nil) { semaphore.release() }
    try await late.value
    Caller.$current.withValue(greedy) { semaphore.release() }
    while taken.all.count < 6 { await Task.yield() }
    #expect(taken.all.last == .some(greedy))
    #expect(semaphore.waiting == 1)
    Caller.$current.withValue(greedy) { semaphore.release() }
    for task in greedyOnes { try await task.value }
    #expect(semaphore.waiting == 0)
  }
}
