import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Refusals
import Schedules

extension ResourceType {
  /// Whether its resources have times at which they run.
  var hasSchedule: Bool { name == "pipeline" && field("schedule") != nil }
}

extension QueryMethod {
  /// `pipeline.next_runs`: when one pipeline's schedule fires next, in UTC; nothing where it has none or fires no more.
  static func nextRuns(_ type: ResourceType) -> QueryMethod {
    QueryMethod(
      "\(type.name).next_runs", "When one \(type.name)'s schedule fires next, in UTC.",
      [
        .target(type), .count("count", "How many times at most.", in: 1...100, default: 5),
        .parameter("from", .timestamp, "The instant after which they are (now where absent)."),
      ],
      result: Schemas.object(["items": Schemas.array(of: Schemas.time), "position": Schemas.integer]),
      errors: [.forbidden, .notFound, .gone, .conflict], example: type.exampleTarget,
      answer: { try await $1.engine.nextRuns($0, $1.access(to: type)) })
  }
}

extension QueryEngine {
  fileprivate func nextRuns(_ arguments: Arguments, _ access: Access) async throws -> [UInt8] {
    let identifier = try arguments.required("id")
    let count = arguments.count("count")
    let from = arguments.time("from") ?? .now
    return try await log.whileWanted { snapshot in
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
