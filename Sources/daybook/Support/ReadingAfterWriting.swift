import CanonicalJSON
import DaybookClient
import Refusals

extension DaybookClient {
  /// How long a person waits for the read models before the command gives up; it says meanwhile how far they are.
  private static let patience = Duration.seconds(60)

  /// Calls a method; one that reads PostgreSQL waits for all that the log holds by now, so that what another run of
  /// this program has just written is seen.
  ///
  /// Read models that are far behind are waited for up to a minute, and a terminal is told how far they are. Whoever
  /// gives `at_least`, `as_of` or `timeout_ms` has chosen how to wait: the method is called once, as it is.
  /// - Throws: `ClientError`; `.remote` with the code `stale` where a minute was not enough.
  func callAfterWrites(_ method: String, _ params: JSONObject) async throws -> JSON {
    let readsModels = method.hasSuffix(".list") || method == "audit.search" || method == "lineage.graph"
    guard readsModels, !["at_least", "as_of", "timeout_ms"].contains(where: { params.contains($0) }) else {
      return try await call(method, params)
    }
    var waiting = params
    let head = try await call("log.head")["position"]?.integerValue ?? 0
    waiting["at_least"] = .integer(head)
    waiting["timeout_ms"] = 2000
    let end = ContinuousClock.now + Self.patience
    var isTold = false
    defer { if isTold { Terminal.overwrite("") } }
    while true {
      do {
        return try await call(method, waiting)
      } catch ClientError.remote(let refusal) where refusal.code == .stale && ContinuousClock.now < end {
        guard Terminal.showsProgress else { continue }
        let reached = refusal.data["position"]?.integerValue ?? 0
        Terminal.overwrite("waiting for the read models: at position \(reached) of \(head)")
        isTold = true
      }
    }
  }
}
