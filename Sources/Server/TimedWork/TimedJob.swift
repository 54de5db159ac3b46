import BasicTypes
import CanonicalJSON
import Domain
import Queries

/// Something that the server does by the clock.
struct TimedJob: Sendable {
  /// What the log of the server calls it.
  let name: String
  /// How long after a turn that succeeded the next may come; nil for every turn.
  var pause: Duration?
  /// One turn; gets the present. What goes wrong with one thing out of many it reports, and goes on.
  let work: @Sendable (Timestamp, TimedReports) async throws -> Void

  /// All that a server does.
  static func all(of services: Services) -> [TimedJob] {
    let retention = TimedJob(name: "retention.sweep", pause: .seconds(3600)) { _, _ in
      try await services.engine.sweepRetention()
    }
    let due = DueWork.all(of: services.catalog).map { due in
      TimedJob.commands(
        due.method,
        find: { try await services.queries.candidates(for: due, at: $0, limit: candidateLimit) },
        give: { id in
          _ = try await services.engine.apply(
            method: due.method, params: ["id": .string(id.text)], principal: .server)
        })
    }
    return due + [retention]
  }

  /// How many resources one turn of a job takes care of.
  static let candidateLimit = 500

  /// A command for each resource that a search finds. One that fails doesn't keep the others from theirs.
  static func commands(
    _ method: String, find: @escaping @Sendable (Timestamp) async throws -> [Identifier],
    give: @escaping @Sendable (Identifier) async throws -> Void
  ) -> TimedJob {
    TimedJob(name: method) { now, reports in
      for id in try await find(now) {
        do {
          try Task.checkCancellation()
          try await give(id)
        } catch let error as DaybookError where error.type == "not_found" || error.type == "gone" {
          // Deleted since the read model was asked: nothing is due any more.
          continue
        } catch let error as DaybookError where error.type != "unavailable" && error.type != "overloaded" {
          reports.failed(method, about: id, error)
        }
      }
    }
  }
}
