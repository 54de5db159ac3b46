import CanonicalJSON
import DaybookClient

/// Waits until the read models have what was recorded.
enum ReadModelWait {
  /// Returns once every read model has the events that the log has now.
  /// - Throws: ``Failure`` where one has stopped before them, `ClientError`.
  static func until(_ client: DaybookClient) async throws {
    let head = try await client.call("log.head")["position"]?.integerValue ?? 0
    while true {
      let items = try await client.call("projection.status")["items"]?.arrayValue ?? []
      let behind = items.filter { ($0["position"]?.integerValue ?? 0) < head || $0["state"] == "refilling" }
      if behind.isEmpty { return }
      if let parked = behind.first(where: { $0["state"] == "parked" }) {
        throw Failure(
          .unavailable, "All is recorded, but the read model \(parked.cell("name")) has stopped before it.",
          next: "daybook projections shows where and why.")
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }
}
