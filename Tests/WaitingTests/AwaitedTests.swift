import Testing
import Waiting

@Suite struct AwaitedTests {
  private struct Late: Error, Equatable {
    let value: Int
  }

  /// A task that waits for a number, once it does.
  private func waiting(for number: Int, in value: Awaited<Int>) async -> Task<Int, any Error> {
    let (begun, continuation) = AsyncStream<Void>.makeStream()
    let task = Task {
      try await value.wait(began: { continuation.yield() }, until: { $0 >= number ? .success($0) : nil })
    }
    for await _ in begun { break }
    return task
  }

  @Test func `a wait whose condition is decided already returns at once`() async throws {
    let value = Awaited(7)
    let answer = try await value.wait(began: { Issue.record("it waited") }, until: { .success($0 * 2) })
    #expect(answer == 14)
    await #expect(throws: Late(value: 7)) {
      try await value.wait(until: { Result<Int, any Error>.failure(Late(value: $0)) })
    }
  }

  @Test func `a waiter goes on with the first value that decides its condition, and is forgotten`() async throws {
    let value = Awaited(0)
    let task = await waiting(for: 2, in: value)
    value.update { $0 = 1 }
    #expect(value.hasWaiters)
    value.update { $0 = 2 }
    #expect(!value.hasWaiters)
    value.update { $0 = 3 }
    #expect(try await task.value == 2)
  }

  @Test func `a cancelled wait throws and is forgotten`() async throws {
    let value = Awaited(0)
    let task = await waiting(for: 1, in: value)
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!value.hasWaiters)
    let early = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await value.wait(until: { Result<Int, any Error>.success($0) })
    }
    await #expect(throws: CancellationError.self) { try await early.value }
  }

  @Test func `a wait that takes too long throws what the value of that moment says`() async throws {
    let value = Awaited(5)
    await #expect(throws: Late(value: 5)) {
      try await value.wait(
        atMost: .milliseconds(1), late: { Late(value: $0) },
        until: { $0 > 5 ? Result<Int, any Error>.success($0) : nil })
    }
    #expect(!value.hasWaiters)
  }

  @Test func `of many waiters each gets the answer of its own condition`() async throws {
    let value = Awaited(0)
    try await withThrowingTaskGroup(of: (Int, Int).self) { group in
      for number in 1...200 {
        group.addTask { (number, try await value.wait(until: { $0 >= number ? .success($0) : nil })) }
      }
      group.addTask {
        for number in 1...200 { value.update { $0 = number } }
        return (0, 0)
      }
      for try await (number, answer) in group { #expect(answer >= number) }
    }
    #expect(!value.hasWaiters)
  }
}
