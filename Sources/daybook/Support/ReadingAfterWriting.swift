import CanonicalJSON
import DaybookClient

extension DaybookClient {
  /// Calls a method; one that reads PostgreSQL waits for all that the log holds by now, so that what another run of
  /// this program has just written is seen.
  func callAfterWrites(_ method: String, _ params: JSONObject) async throws -> JSON {
    let readsModels = method.hasSuffix(".list") || method == "audit.search"
    guard readsModels, !params.contains("at_least"), !params.contains("as_of") else {
      return try await call(method, params)
    }
    var waiting = params
    waiting["at_least"] = try await call("log.head")["position"] ?? 0
    return try await call(method, waiting)
  }
}
