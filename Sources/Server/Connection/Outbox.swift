import NIOCore
import Waiting

/// A batch holds so many bytes of answers more, or fewer.
struct HeldChange: Sendable, Hashable {
  let batch: Int
  let bytes: Int
}

/// Lines on their way to a client, put in by any thread and taken by the connection's event loop.
///
/// All answers of one commit arrive from the log's writer in a burst: only the first of a burst wakes the event loop,
/// which then writes them all at once.
final class Outbox: Sendable {
  /// From so many bytes on, nothing that can wait is put in any more.
  static let highWatermark = 1 << 20

  private struct State {
    var bytes: [UInt8] = []
    var answered = 0
    var held: [HeldChange] = []
    var isFlushScheduled = false
    var isChannelWritable = true
    var isClosed = false

    var hasRoom: Bool { isChannelWritable && bytes.count < Outbox.highWatermark }
  }

  private let state = Awaited(State())
  private let eventLoop: any EventLoop
  private let flush: @Sendable () -> Void

  /// - Parameter flush: Called on the event loop after something was put in.
  init(eventLoop: any EventLoop, flush: @escaping @Sendable () -> Void) {
    self.eventLoop = eventLoop
    self.flush = flush
  }

  /// Puts in what `write` appends (whole lines), and notes that so many calls are answered, and what a batch holds
  /// since.
  func put(answering count: Int, holding change: HeldChange? = nil, _ write: (inout [UInt8]) -> Void) {
    let wakes = state.update { state in
      if !state.isClosed { write(&state.bytes) }
      state.answered += count
      if let change, change.bytes != 0 { state.held.append(change) }
      defer { state.isFlushScheduled = true }
      return !state.isFlushScheduled
    }
    if wakes { eventLoop.execute(flush) }
  }

  /// Puts in what may be left out where the client doesn't keep up.
  func putIfRoom(_ write: (inout [UInt8]) -> Void) {
    if hasRoom { put(answering: 0, write) }
  }

  /// Everything put in since the last call, how many calls it answers, and what batches hold since. `spare` becomes the
  /// new store, for its capacity.
  func take(replacingWith spare: [UInt8]) -> (bytes: [UInt8], answered: Int, held: [HeldChange]) {
    state.update { state in
      state.isFlushScheduled = false
      defer {
        state.bytes = spare
        state.answered = 0
        state.held = []
      }
      return (state.bytes, state.answered, state.held)
    }
  }

  /// Whether more may be put in without memory growing.
  var hasRoom: Bool { state.read { $0.hasRoom } }

  /// Whether nothing waits to be taken.
  var isEmpty: Bool { state.read { $0.bytes.isEmpty && $0.answered == 0 } }

  /// Notes whether the channel takes more, and lets those go on who wait for it.
  func update(isChannelWritable: Bool) {
    state.update { $0.isChannelWritable = isChannelWritable }
  }

  /// Takes nothing more; those who wait for room learn that there will be none.
  func close() {
    state.update { state in
      state.isClosed = true
      state.bytes = []
    }
  }

  /// Waits until the client has taken enough of what was put in; false where the connection or the task has ended.
  func waitForRoom() async -> Bool {
    do {
      return try await state.wait { $0.isClosed ? .success(false) : $0.hasRoom ? .success(true) : nil }
    } catch {
      return false
    }
  }
}
