import BasicTypes
import Dispatch
import NIOConcurrencyHelpers
import Refusals
import Vault

/// Hashes and checks passwords, which is slow by design, on threads of its own:
/// never on an event loop, never on the writer.
///
/// So many at once and so many waiting, no more: strangers who try passwords can't use up the machine.
final class PasswordWorkers: Sendable {
  private static let waitingLimit = 64
  private let queues: [DispatchQueue]
  private let state = NIOLockedValueBox((waiting: 0, next: 0))

  init(threads: Int = 2) {
    queues = (0..<threads).map { DispatchQueue(label: "daybook.passwords.\($0)") }
  }

  /// The bcrypt hash of a password that was prepared.
  func hash(_ password: String) async throws -> String {
    try await run {
      do {
        return try Password.hash(password)
      } catch let error as VaultError where error.code == .passwordUnusable {
        throw Refusal.invalidParam("/password", error.message)
      }
    }
  }

  /// Whether the password is the one that was hashed: as RFC 8265 prepares it, or as it was given, since passwords were
  /// once hashed unprepared.
  func verify(_ password: String, hash: String) async throws -> Bool {
    let prepared = try? OpaqueString.prepare(password)
    return try await run {
      if let prepared, Password.verify(prepared, against: hash) { return true }
      // As long for whoever has an account as for whoever hasn't: it depends on the password alone.
      if let prepared, prepared.utf8.elementsEqual(password.utf8) { return false }
      return Password.verify(password, against: hash)
    }
  }

  private func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    let queue: DispatchQueue? = state.withLockedValue { state in
      guard state.waiting < PasswordWorkers.waitingLimit else { return nil }
      state.waiting += 1
      state.next = (state.next + 1) % queues.count
      return queues[state.next]
    }
    guard let queue else { throw Refusal.overloaded(retryAfterMilliseconds: 1000) }
    return try await withCheckedThrowingContinuation { continuation in
      queue.async {
        let result = Result { try work() }
        self.state.withLockedValue { $0.waiting -= 1 }
        continuation.resume(with: result)
      }
    }
  }
}
