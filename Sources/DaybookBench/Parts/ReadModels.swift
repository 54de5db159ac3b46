import CanonicalJSON
import DaybookClient

/// How far a server's read models are.
struct ReadModels {
  /// The position of the one furthest behind.
  let position: Int
  /// Events that it lacks.
  let lag: Int
  /// Whether all wait for nothing but new events.
  let isIdle: Bool
  /// Whether PostgreSQL is there.
  let isAvailable: Bool

  /// Asks the server.
  /// - Throws: ``BenchFailure`` where a read model has stopped at an event.
  static func ask(_ server: DaybookProcess) async throws -> ReadModels {
    let status = try await server.client.call("projection.status")
    let items = status["items"]?.arrayValue ?? []
    var position = Int.max
    var lag = 0
    var isIdle = !items.isEmpty
    var isAvailable = !items.isEmpty
    for item in items {
      let state = item["state"]?.stringValue ?? ""
      if state == "parked" { throw BenchFailure("a read model has stopped: \(item.canonicalString)") }
      if state != "running" { isIdle = false }
      if state == "unavailable" { isAvailable = false }
      position = min(position, Int(item["position"]?.integerValue ?? 0))
      lag = max(lag, Int(item["lag_events"]?.integerValue ?? 0))
    }
    return ReadModels(
      position: items.isEmpty ? 0 : position, lag: lag, isIdle: isIdle && lag == 0, isAvailable: isAvailable)
  }

  /// Waits until they hold everything.
  /// - Throws: ``BenchFailure`` where they get nowhere for two minutes.
  @discardableResult
  static func settle(_ server: DaybookProcess, watch: (ReadModels) -> Void = { _ in }) async throws -> ReadModels {
    var furthest = -1
    var deadline = Clock.now + 120
    while true {
      let now = try await ask(server)
      watch(now)
      if now.isIdle { return now }
      if now.position > furthest {
        furthest = now.position
        deadline = Clock.now + 120
      }
      guard Clock.now < deadline else {
        throw BenchFailure("the read models stay at position \(now.position), \(now.lag) events behind")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }
}
