import CanonicalJSON
import NIOConcurrencyHelpers

/// What a server tells of itself.
public struct ServerNotification: Sendable {
  /// The method, such as `log.event`.
  public let method: String
  /// Its params.
  public let params: JSONObject
}

/// The notifications of one connection, in the order they came, for one consumer.
///
/// The connection isn't read while ``limit`` of them wait, so a slow consumer slows the server's subscription down and
/// no memory grows; answers to calls wait behind them. Who calls the server from inside the loop over a busy
/// subscription does it over a second connection.
public final class NotificationQueue: AsyncSequence, Sendable {
  /// How many notifications wait at most before the connection is no longer read.
  public static let limit = 4096

  private struct State {
    var waiting: [ServerNotification] = []
    var taken = 0
    var isEnded = false
    var consumer: CheckedContinuation<ServerNotification?, Never>?
    var isHeld = false
  }

  private let state = NIOLockedValueBox(State())
  /// Makes the connection read on.
  private let onRoom: @Sendable () -> Void

  init(onRoom: @escaping @Sendable () -> Void) {
    self.onRoom = onRoom
  }

  /// Whether there is room, called by the connection before it reads; if not, `onRoom` is called when there is again.
  func hasRoom() -> Bool {
    state.withLockedValue { state in
      state.isHeld = state.waiting.count - state.taken >= Self.limit
      return !state.isHeld
    }
  }

  func push(_ notification: ServerNotification) {
    let consumer: CheckedContinuation<ServerNotification?, Never>? = state.withLockedValue { state in
      if let consumer = state.consumer {
        state.consumer = nil
        return consumer
      }
      state.waiting.append(notification)
      return nil
    }
    consumer?.resume(returning: notification)
  }

  func end() {
    let consumer = state.withLockedValue { state in
      state.isEnded = true
      defer { state.consumer = nil }
      return state.consumer
    }
    consumer?.resume(returning: nil)
  }

  /// Hands out notifications one by one; nil once the connection is closed and all that came before are taken.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let queue: NotificationQueue

    /// The next notification, or nil after the last one or when the task is cancelled.
    public mutating func next() async -> ServerNotification? {
      await queue.next()
    }
  }

  /// An iterator; use one at a time.
  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(queue: self)
  }

  private func next() async -> ServerNotification? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (answer, isReady, hasRoomAgain) = state.withLockedValue { state in
          Self.take(&state, continuation, isCancelled: Task.isCancelled)
        }
        if isReady { continuation.resume(returning: answer) }
        if hasRoomAgain { onRoom() }
      }
    } onCancel: {
      let consumer = state.withLockedValue { state in
        defer { state.consumer = nil }
        return state.consumer
      }
      consumer?.resume(returning: nil)
    }
  }

  private static func take(
    _ state: inout State, _ continuation: CheckedContinuation<ServerNotification?, Never>, isCancelled: Bool
  ) -> (ServerNotification?, isReady: Bool, hasRoomAgain: Bool) {
    guard state.taken < state.waiting.count else {
      if state.isEnded || isCancelled { return (nil, true, false) }
      precondition(state.consumer == nil, "the notifications of a connection have one consumer at a time")
      state.consumer = continuation
      return (nil, false, false)
    }
    let notification = state.waiting[state.taken]
    state.taken += 1
    if state.taken == state.waiting.count {
      state.waiting.removeAll(keepingCapacity: true)
      state.taken = 0
    }
    guard state.isHeld, state.waiting.count - state.taken <= limit / 2 else { return (notification, true, false) }
    state.isHeld = false
    return (notification, true, true)
  }
}
