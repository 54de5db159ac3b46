import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Dispatch
import EventLog
import Failpoints
import NIOConcurrencyHelpers
import Testing

/// What becomes of a batch that fails at each step of its commit. (What becomes of it where the process is killed
/// there, the acceptance tests show with a whole server.)
@Suite struct FailpointTests {
  /// Commits events in one batch, in order, and returns how each went.
  private func batch(_ numbers: [UInt64], on log: EventLog) async -> [Result<UInt64, any Error>] {
    let isBegun = DispatchSemaphore(value: 0)
    let mayEnd = DispatchSemaphore(value: 0)
    // While the writer is inside this decision, which records nothing, all others come to wait for it together.
    log.submit { _ in
      isBegun.signal()
      mayEnd.wait()
    } completion: { _ in
    }
    isBegun.wait()
    let results = NIOLockedValueBox<[UInt64: Result<UInt64, any Error>]>([:])
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      for number in numbers {
        log.submit({ try $0.record(.numbered(number), set: ["n": .integer(Int64(number))]).position }) { result in
          let isLast = results.withLockedValue { results in
            results[number] = result.map(\.value)
            return results.count == numbers.count
          }
          if isLast { continuation.resume() }
        }
      }
      mayEnd.signal()
    }
    return results.withLockedValue { results in numbers.compactMap { results[$0] } }
  }

  @Test func `a decision that fails leaves its batch, and its mates commit`() async throws {
    let temporary = try TestLog()
    // The first decision is the one that the others wait behind.
    let log = try temporary.open { $0.failpoints = try Failpoints(parsing: "log.decided:throw@3") }
    let results = await batch([1, 2, 3], on: log)
    #expect(try results[0].get() == 1)
    #expect(throws: Failpoints.Failure(point: .logDecided)) { try results[1].get() }
    #expect(try results[2].get() == 2)
    #expect(log.head.position == 2)
    #expect(try log.read { try $0.state(.numbered(2)) } == nil)
    // They join the batch of the one that they waited behind.
    #expect(log.statistics.largestBatch == 4)
    log.close()
    #expect(try temporary.verify().isHealthy)
  }

  @Test(arguments: [Failpoint.logPutting, .logPut, .logKeysDurable])
  func `a batch that fails leaves nothing, its callers are told, and the log goes on`(point: Failpoint) async throws {
    let temporary = try TestLog()
    let log = try temporary.open { $0.failpoints = try Failpoints(parsing: "\(point.rawValue):throw@2") }
    _ = try await log.commit { try $0.record(.numbered(9), set: ["n": 9]) }
    let results = await batch([1, 2, 3], on: log)
    #expect(results.count == 3)
    for result in results { #expect(throws: Failpoints.Failure(point: point)) { try result.get() } }
    #expect(log.head.position == 1)
    #expect(try log.read { try $0.state(.numbered(1)) } == nil)
    #expect(try log.read { try $0.entryCount("headers") } == 1)
    let again = await batch([1, 2, 3], on: log)
    #expect(try again.map { try $0.get() } == [2, 3, 4])
    log.close()
    #expect(try temporary.verify().isHealthy)
    #expect(try temporary.open().head.position == 4)
  }

  @Test func `once a batch is durable, nothing that happens then fails it`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open { $0.failpoints = try Failpoints(parsing: "log.committed:throw") }
    #expect(try await log.commit { try $0.record(.numbered(1), set: ["n": 1]).position }.value == 1)
    #expect(log.head.position == 1)
    log.close()
    #expect(try temporary.verify().isHealthy)
  }
}
