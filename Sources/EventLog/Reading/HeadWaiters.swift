import Dispatch
import Synchronization
import Waiting

/// Those who wait for the log to grow beyond a position.
///
/// However many there are, whoever advances the head is held up by none: they are looked through on a queue, once for
/// all advances that came meanwhile.
final class HeadWaiters: Sendable {
  /// Whether the log is closed.
  private let isClosed = Awaited(false)
  private let newest: Atomic<UInt64>
  private let isWaking = Atomic<Bool>(false)
  private let queue = DispatchQueue(label: "daybook.log.waiters")

  init(head: UInt64) { newest = Atomic(head) }

  /// Returns the head once it is beyond the position; throws when cancelled or closed.
  func wait(after position: UInt64) async throws -> UInt64 {
    try await isClosed.wait(until: { isClosed -> Result<UInt64, any Error>? in
      if isClosed { return .failure(EventLogError(.closed, "The log is closed: the server is stopping.")) }
      let head = self.newest.load(ordering: .sequentiallyConsistent)
      return head > position ? .success(head) : nil
    })
  }

  /// Notes the new head. Returns at once; one call at a time.
  func advance(to position: UInt64) {
    newest.store(position, ordering: .sequentiallyConsistent)
    // Whoever begins to wait after this look sees the position, since both looks are under one lock.
    guard isClosed.hasWaiters, !isWaking.exchange(true, ordering: .sequentiallyConsistent) else { return }
    queue.async { self.wake() }
  }

  private func wake() {
    isWaking.store(false, ordering: .sequentiallyConsistent)
    isClosed.update { _ in }
  }

  func close() { isClosed.update { $0 = true } }
}
