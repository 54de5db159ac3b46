import Access
import BasicTypes
import CanonicalJSON
import NIOConcurrencyHelpers
import Records
import Refusals

extension CommandEngine {
  /// Records that a person signed in, and from where (`user.logged_in`): at most once a minute a person. Returns when
  /// it is on the disk; at once for a principal that is no user.
  /// - Throws: ``Refusal``: `unauthenticated` where the person may no longer act, else why it couldn't be recorded.
  public func recordSignIn(of principal: Principal, from origin: Origin) async throws {
    guard case .user(let id) = principal.kind, let command = commands["user.record_login"] else { return }
    var params: JSONObject = ["id": .string(id.text)]
    // An address of a link carries its interface, which is none of the address.
    if let ip = origin.ip { params["ip"] = .string(String(ip.prefix { $0 != "%" })) }
    var reader = ParameterReader(command: command, principal: principal)
    let prepared = try reader.read(params, origin: origin, engine: self)
    _ = try await withCheckedThrowingContinuation { continuation in
      submit(prepared, on: principal.tenant) { continuation.resume(with: $0) }
    }
  }

  /// Notes that an API key is used, and has it recorded (`api_key.used`) where that
  /// was last done a minute ago. Waits for nothing.
  ///
  /// Safe to call with every call of a connection: but for once a minute it is a look into a table.
  /// - Parameter failure: gets why it couldn't be recorded, on the writer's thread.
  public func noteUse(of principal: Principal, failure: @escaping @Sendable (Refusal) -> Void) {
    guard case .apiKey(let id, _) = principal.kind, keyUses.isDue(id, now: clock()) else { return }
    do {
      let command = try prepare(
        method: "api_key.mark_used", params: ["id": .string(id.text)], principal: .server, origin: Origin())
      submit(command, on: nil) { if case .failure(let error) = $0 { failure(error) } }
    } catch {
      failure(Refusal(causedBy: error))
    }
  }
}

/// When each API key's use was last recorded, so that it is once a minute.
final class KeyUses: Sendable {
  /// How long one record lasts, in seconds.
  static let interval: Int64 = 60
  /// Beyond so many keys, those that are due again anyway are forgotten.
  private static let limit = 10_000
  private let recorded = NIOLockedValueBox<[Identifier: Timestamp]>([:])

  /// Whether a use is to be recorded now; if so, it counts as recorded.
  func isDue(_ key: Identifier, now: Timestamp) -> Bool {
    recorded.withLockedValue { recorded in
      if let last = recorded[key], now.isWithin(KeyUses.interval, of: last) { return false }
      if recorded.count >= KeyUses.limit {
        recorded = recorded.filter { now.isWithin(KeyUses.interval, of: $0.value) }
      }
      recorded[key] = now
      return true
    }
  }
}
