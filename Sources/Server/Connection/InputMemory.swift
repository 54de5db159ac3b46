import BasicTypes
import NIOConcurrencyHelpers

/// What one connection holds of long input: bytes that aren't taken apart yet, and calls that aren't answered. What
/// passes ``free`` is claimed of the memory that all connections share. Any thread.
final class InputMemory: Sendable {
  /// So much of a connection's input is free: what a stranger may send is never counted.
  static let free = 64 << 10
  /// Calls of fewer bytes aren't counted: a connection has a limited number of them under way.
  static let smallest = 1 << 10
  /// While calls of so many bytes are under way, a connection takes no further long one apart.
  static let most = 16 << 20

  private struct State {
    var buffered = 0
    var calls = 0
    var claimed = 0
    /// On whose account it is, from the first byte to the last.
    var tenant: Identifier?
    var whenRoom: (@Sendable () -> Void)?
  }

  private let shared: BodyMemory
  private let state = NIOLockedValueBox(State())

  /// - Parameter shared: The memory of all connections.
  init(of shared: BodyMemory) {
    self.shared = shared
  }

  /// Notes how many bytes wait to be taken apart. Answers whether there is memory for them; where there is none, as
  /// many are held as before.
  func buffer(_ bytes: Int, for tenant: Identifier?) -> Bool {
    state.withLockedValue { state in
      let before = state.buffered
      state.buffered = bytes
      guard !settle(&state, for: tenant) else { return true }
      state.buffered = before
      return false
    }
  }

  /// Holds the bytes of calls until what is returned is let go; nil where there is no memory for them.
  func hold(_ bytes: Int, for tenant: Identifier?) -> HeldInput? {
    state.withLockedValue { state in
      state.calls += bytes
      guard settle(&state, for: tenant) else {
        state.calls -= bytes
        return nil
      }
      return HeldInput(bytes, of: self)
    }
  }

  /// Whether so many bytes more would be too many calls under way; then `whenRoom` is called once, when some of them
  /// have been answered.
  func mustWait(with bytes: Int, _ whenRoom: @escaping @Sendable () -> Void) -> Bool {
    state.withLockedValue { state in
      guard state.calls > 0, state.calls + bytes > Self.most else { return false }
      state.whenRoom = whenRoom
      return true
    }
  }

  fileprivate func release(_ bytes: Int) {
    let whenRoom = state.withLockedValue { state in
      state.calls -= bytes
      // Less is never refused.
      _ = settle(&state, for: state.tenant)
      defer { state.whenRoom = nil }
      return state.whenRoom
    }
    whenRoom?()
  }

  /// Claims or gives back what has changed.
  private func settle(_ state: inout State, for tenant: Identifier?) -> Bool {
    let wanted = max(0, state.buffered + state.calls - Self.free)
    if wanted > state.claimed {
      if state.claimed == 0 { state.tenant = tenant }
      guard shared.claim(wanted - state.claimed, for: state.tenant) else { return false }
    } else if wanted < state.claimed {
      shared.release(state.claimed - wanted, for: state.tenant)
    }
    state.claimed = wanted
    return true
  }
}

/// Bytes of calls that aren't answered, held as long as anybody has this.
final class HeldInput: Sendable {
  private let bytes: Int
  private let memory: InputMemory

  fileprivate init(_ bytes: Int, of memory: InputMemory) {
    self.bytes = bytes
    self.memory = memory
  }

  deinit { memory.release(bytes) }
}
