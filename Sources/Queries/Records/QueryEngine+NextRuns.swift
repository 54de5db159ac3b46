import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Refusals
import Schedules

extension QueryEngine {
  /// Whether resources of a type have times at which they run.
  static func hasSchedule(_ type: ResourceType) -> Bool {
    type.name == "pipeline" && type.field("schedule") != nil
  }

  /// `pipeline.next_runs`: when one pipeline's schedule fires next, in UTC; nothing where it has none or fires no more.
  func nextRuns(_ parameters: inout QueryParameters, _ access: Access) async throws -> [UInt8] {
    let identifier = parameters.requiredIdentifier("id")
    let count = parameters.integer("count", in: 1...100).map(Int.init) ?? 5
    let from = parameters.time("from") ?? .now
    try parameters.finish()
    return try await log.background { snapshot in
      let state = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      if let since = state.deletedAt {
        throw Refusal.gone(type: access.type.name, id: identifier.text, since: since.text)
      }
      var times: [Timestamp] = []
      if let value = state.fields["schedule"], !value.isNull {
        guard let schedule = Schedule(value) else {
          throw Refusal.conflict(
            reason: "state", "The schedule of this pipeline is none that can be followed.", ["allowed": []])
        }
        times = schedule.times(after: from, count: count)
      }
      return JSON.object([
        "items": .array(times.map { .string($0.text) }), "position": JSON(position: snapshot.head.position),
      ]).canonicalBytes
    }
  }
}
