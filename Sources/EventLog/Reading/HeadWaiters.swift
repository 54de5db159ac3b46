import Dispatch
import Synchronization
import Waiting

/// Those who wait for the log to grow beyond a position.
///
/// However many there are, whoever advances the head is held up by none: they are looked through on a queue, once for
/// all advances that came meanwhile.
final class HeadWaiters: Sendable {
  private struct Head: Sendable {
    var position: UInt64
    var isClosed = false
  }
  private let head: Awaited<Head>
  private let newest: Atomic<UInt64>
  private let isWaking = Atomic<Bool>(false)
  private let queue = DispatchQueue(label: "daybook.log.waiters")

  init(head: UInt64) {
    self.head = Awaited(Head(position: head))
    newest = Atomic(head)
  }

  /// Returns the head once it is beyond the position; throws when cancelled or closed.
  func wait(after position: UInt64) async throws -> UInt64 {
    try await head.wait(until: { head -> Result<UInt64, any Error>? in
      if head.isClosed { return .failure(EventLogError(.closed, "The log is closed: the server is stopping.")) }
      return head.position > position ? .success(head.position) : nil
    })
  }

  /// Notes the new head. Returns at once; from one thread only.
  func advance(to position: UInt64) {
    newest.store(position, ordering: .sequentiallyConsistent)
    guard !isWaking.exchange(true, ordering: .sequentiallyConsistent) else { return }
    queue.async { self.wake() }
  }

  private func wake() {
    isWaking.store(false, ordering: .sequentiallyConsistent)
    let position = newest.load(ordering: .sequentiallyConsistent)
    head.update { $0.position = position }
  }

  func close() { head.update { $0.isClosed = true } }
}
