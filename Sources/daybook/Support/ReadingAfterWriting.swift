import CanonicalJSON
import DaybookClient

extension DaybookClient {
  /// How long a person waits for the read models before the command gives up, in milliseconds.
  private static let patience: Int64 = 60_000

  /// Calls a method; one that reads PostgreSQL waits for all that the log holds by now, so that what another run of
  /// this program has just written is seen.
  ///
  /// A PostgreSQL that is starting and read models that are behind are waited for up to a minute, and a terminal is
  /// told how far they are. Whoever gives `at_least`, `as_of` or `timeout_ms` has chosen how to wait: the method is
  /// called as it is.
  /// - Throws: `ClientError`: `.remote` with the code `stale` or `unavailable` where a minute was not enough, and at
  ///   once where PostgreSQL is away.
  func callAfterWrites(_ method: String, _ params: JSONObject) async throws -> JSON {
    let readsModels = method.hasSuffix(".list") || method == "audit.search" || method == "lineage.graph"
    guard readsModels, !["at_least", "as_of", "timeout_ms"].contains(where: { params.contains($0) }) else {
      return try await call(method, params)
    }
    var waiting = params
    let head = try await call("log.head")["position"]?.integerValue ?? 0
    waiting["at_least"] = .integer(head)
    waiting["timeout_ms"] = .integer(Self.patience)
    guard Terminal.showsProgress else { return try await call(method, waiting) }
    let progress = Task { await self.tellProgress(to: head) }
    let result: Result<JSON, any Error>
    do { result = .success(try await call(method, waiting)) } catch { result = .failure(error) }
    progress.cancel()
    await progress.value
    return try result.get()
  }

  /// Says from time to time how far the read models are, until the task is cancelled; nothing at first, since a read
  /// model is behind by milliseconds nearly always.
  private func tellProgress(to head: Int64) async {
    var isTold = false
    do {
      try await Task.sleep(for: .seconds(1))
      while true {
        let items = try await call("projection.status")["items"]?.arrayValue ?? []
        let reached = items.compactMap { $0["position"]?.integerValue }.min() ?? 0
        Terminal.overwrite("waiting for the read models: at position \(min(reached, head)) of \(head)")
        isTold = true
        try await Task.sleep(for: .seconds(1))
      }
    } catch {
      // Cancelled, or the connection is gone, which the call itself tells.
    }
    if isTold { Terminal.overwrite("") }
  }
}
