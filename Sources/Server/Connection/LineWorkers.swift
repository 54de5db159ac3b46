import Dispatch
import Synchronization

/// Takes large lines apart, and checks large parameters, on threads of its own: an event loop serves many connections,
/// none of which should wait for another's megabytes.
final class LineWorkers: Sendable {
  /// From so many bytes on, a line or the parameters of a call are large.
  static let large = 64 << 10

  private let queues: [DispatchQueue]
  private let turn = Atomic<UInt>(0)

  init(threads: Int = 2) {
    queues = (0..<threads).map { DispatchQueue(label: "daybook.lines.\($0)") }
  }

  /// What the work comes to.
  func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    let queue = queues[Int(turn % UInt(queues.count))]
    return try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result { try work() }) }
    }
  }
}
