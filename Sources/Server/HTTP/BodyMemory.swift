import BasicTypes
import NIOConcurrencyHelpers

/// The memory of long lines, and of long bodies over HTTP, from their first bytes until their calls are answered. Who
/// finds none is told to come again. No tenant gets more than half of it.
final class BodyMemory: Sendable {
  private struct State {
    var held = 0
    var ofTenant: [Identifier?: Int] = [:]
  }

  private let limit: Int
  private let state = NIOLockedValueBox(State())

  /// - Parameter limit: How many bytes there are for all.
  init(limit: Int) {
    self.limit = limit
  }

  /// Takes so many bytes for a tenant, where there are as many; ``release(_:for:)`` must follow.
  func claim(_ bytes: Int, for tenant: Identifier?) -> Bool {
    state.withLockedValue { state in
      let own = state.ofTenant[tenant, default: 0] + bytes
      guard state.held + bytes <= limit, own <= limit / 2 else { return false }
      state.held += bytes
      state.ofTenant[tenant] = own
      return true
    }
  }

  /// Gives them back.
  func release(_ bytes: Int, for tenant: Identifier?) {
    state.withLockedValue { state in
      state.held -= bytes
      let own = state.ofTenant[tenant, default: 0] - bytes
      state.ofTenant[tenant] = own > 0 ? own : nil
    }
  }

  /// Bytes that are held.
  var held: Int { state.withLockedValue { $0.held } }
}
