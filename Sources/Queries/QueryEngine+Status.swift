import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Projections
import Refusals

extension QueryEngine {
  /// `projection.status`: how far each read model is against the true head of the log.
  func projectionStatus(_ parameters: inout QueryParameters, _ principal: Principal) async throws -> [UInt8] {
    try parameters.finish()
    let head = log.head.position
    let items = await projections.status().map { status -> JSON in
      var item: JSONObject = [
        "name": .string(status.name), "position": JSON(position: status.position), "head": JSON(position: status.head),
        "lag_events": JSON(position: status.lagEvents), "state": .string(status.state.rawValue),
      ]
      item["lag_seconds"] = JSON(finite: status.lagSeconds) ?? .null
      if let error = status.error {
        // What PostgreSQL says of an event may be about any tenant's.
        item["error"] = [
          "position": error.position.map { JSON(position: $0) } ?? .null,
          "message": principal.isAdministrator ? .string(error.message) : "told to administrators",
        ]
      }
      return .object(item)
    }
    return JSON.object(["items": .array(items), "position": JSON(position: head)]).canonicalBytes
  }

  /// `gdpr.records`: the record of processing activities, for officers, auditors and administrators.
  func recordsOfProcessing(_ parameters: inout QueryParameters, _ principal: Principal) throws -> [UInt8] {
    try parameters.finish()
    guard principal.isAdministrator || principal.platformRole == "officer" || principal.platformRole == "auditor" else {
      throw Refusal.forbidden(permission: "gdpr:read")
    }
    return JSON.object(["items": catalog.processingRecord]).canonicalBytes
  }
}
