import Glibc
import NIOConcurrencyHelpers

/// How other threads ask a connection's thread to cancel what it waits for: a flag for the call under way, and a pipe
/// that wakes the thread's `poll`. A request for a call that is over already has no effect.
final class Interruption: Sendable {
  private struct State {
    var lastTicket: UInt64 = 0
    var current: UInt64?
    var isRequested = false
  }
  private let state = NIOLockedValueBox(State())
  /// Readable while an interruption is requested.
  let descriptor: CInt

  private let writeEnd: CInt

  init() throws(PostgresError) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw PostgresError(.connectionFailed, message: "no pipe for a connection: \(String(cString: strerror(errno)))")
    }
    (descriptor, writeEnd) = (ends[0], ends[1])
    for end in ends {
      // Neither fails for a descriptor that is open.
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
  }

  deinit {
    close(descriptor)
    close(writeEnd)
  }

  /// Begins a call; only one is under way at a time.
  func begin() -> UInt64 {
    state.withLockedValue { state in
      drain(&state)
      state.lastTicket += 1
      state.current = state.lastTicket
      return state.lastTicket
    }
  }

  func end() {
    state.withLockedValue { state in
      drain(&state)
      state.current = nil
    }
  }

  /// Asks for the cancellation of that call, or of whichever is under way.
  func request(_ ticket: UInt64? = nil) {
    state.withLockedValue { state in
      guard let current = state.current, ticket == nil || ticket == current else { return }
      guard !state.isRequested else { return }
      state.isRequested = true
      // At most one byte is ever in the pipe, so there is room for it.
      var byte: UInt8 = 1
      _ = write(writeEnd, &byte, 1)
    }
  }

  var isRequested: Bool { state.withLockedValue { $0.isRequested } }

  private func drain(_ state: inout State) {
    guard state.isRequested else { return }
    state.isRequested = false
    var byte: UInt8 = 0
    _ = read(descriptor, &byte, 1)
  }
}
