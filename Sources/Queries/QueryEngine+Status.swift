import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Projections
import Refusals

extension QueryMethod {
  /// `projection.status`: how far each read model is against the true head of the log.
  static let projectionStatus = QueryMethod(
    "projection.status", "Each projection: its position, its lag, its state, and where it is parked.",
    result: Schemas.object([
      "items": Schemas.array(
        of: Schemas.object([
          "head": Schemas.integer, "lag_events": Schemas.integer, "lag_seconds": ["type": ["number", "null"]],
          "name": Schemas.string, "position": Schemas.integer, "state": Schemas.string,
        ])),
      "position": Schemas.integer,
    ]),
    answer: { await $1.engine.projectionStatus($1.principal) })

  /// `gdpr.records`: the record of processing activities, for officers, auditors and administrators.
  static let recordsOfProcessing = QueryMethod(
    "gdpr.records", "The record of processing activities (GDPR Art. 30), from the catalog.",
    result: Schemas.object(["items": Schemas.array(of: Schemas.anyObject)]), errors: [.forbidden],
    answer: { try $1.engine.recordsOfProcessing($1.principal) })
}

extension QueryEngine {
  fileprivate func projectionStatus(_ principal: Principal) async -> [UInt8] {
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

  fileprivate func recordsOfProcessing(_ principal: Principal) throws -> [UInt8] {
    guard principal.isAdministrator || principal.platformRole == "officer" || principal.platformRole == "auditor" else {
      throw Refusal.forbidden(permission: "gdpr:read")
    }
    return JSON.object(["items": catalog.processingRecord]).canonicalBytes
  }
}
