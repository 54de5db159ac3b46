import BasicTypes
import FoundationEssentials
import Waiting

/// Takes large lines apart, and checks large parameters, on threads of its own: an event loop serves many connections,
/// none of which should wait for another's megabytes, and no tenant for those of another.
final class LineWorkers: Sendable {
  /// From so many bytes on, a line or the parameters of a call are large.
  static let large = 64 << 10

  private let workers = FairWorkers(
    label: "daybook.lines", processors: min(2, ProcessInfo.processInfo.activeProcessorCount))

  /// What the work comes to.
  /// - Parameter caller: On whose account it takes time.
  func run<Value: Sendable>(
    for caller: Identifier?, _ work: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    try await workers.run(for: caller, work)
  }
}
