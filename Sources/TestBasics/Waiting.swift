import Foundation

/// Asks until there is a result; the one place where tests wait for something that nobody tells them of.
/// - Throws: When the time is over, saying for what.
package func eventually<R: Sendable>(
  _ what: String, within limit: Duration = .seconds(30), every pause: Duration = .milliseconds(20),
  _ body: () async throws -> R?
) async throws -> R {
  let deadline = ContinuousClock.now + limit
  while true {
    if let result = try await body() { return result }
    guard ContinuousClock.now < deadline else { throw HarnessError("not within \(limit): \(what)") }
    try await Task.sleep(for: pause)
  }
}

/// Runs what blocks a thread on one that may be blocked.
package func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
  }
}

/// Runs a body with something that has to be closed, whether the body throws or not.
/// - Throws: What the body throws, or else what closing throws.
package func closing<R>(_ body: () async throws -> R, _ close: () async throws -> Void) async throws -> R {
  let outcome: Result<R, any Error>
  do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
  do { try await close() } catch { if case .success = outcome { throw error } }
  return try outcome.get()
}
