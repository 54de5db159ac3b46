import Waiting

/// Those who wait for the log to grow beyond a position.
final class HeadWaiters: Sendable {
  private struct Head: Sendable {
    var position: UInt64
    var isClosed = false
  }
  private let head: Awaited<Head>

  init(head: UInt64) {
    self.head = Awaited(Head(position: head))
  }

  /// Returns the head once it is beyond the position; throws when cancelled or closed.
  func wait(after position: UInt64) async throws -> UInt64 {
    try await head.wait(until: { head -> Result<UInt64, any Error>? in
      if head.isClosed { return .failure(EventLogError(.closed, "The log is closed: the server is stopping.")) }
      return head.position > position ? .success(head.position) : nil
    })
  }

  func advance(to position: UInt64) { head.update { $0.position = position } }

  func close() { head.update { $0.isClosed = true } }
}
