import Access
import BasicTypes
import CanonicalJSON
import Domain
import Queries
import Refusals

/// Something that the server does by the clock.
struct TimedJob: Sendable {
  /// What the log of the server calls it.
  let name: String
  /// How long after a turn the next may come; nil for every turn.
  var pause: Duration?
  /// Whether a turn that failed is followed by the pause as well; else it is tried again at the next turn.
  var pausesAfterFailure = false
  /// Whether it ends what a crash left half done, and so doesn't wait for the first turn.
  var endsWhatWasBegun = false
  /// One turn; gets the present. What goes wrong with one thing out of many it reports, and goes on.
  let work: @Sendable (Timestamp, TimedReports) async throws -> Void

  /// All that a server does.
  static func all(of services: Services) -> [TimedJob] {
    let retention = TimedJob(name: "retention.sweep", pause: .seconds(3600), pausesAfterFailure: true) { _, reports in
      for waiting in try await services.engine.sweepRetention() { reports.waits(waiting) }
    }
    let due = DueWork.all(of: services.catalog).map { due in
      TimedJob.commands(
        due.method,
        find: { now, last in
          try await services.queries.candidates(for: due, at: now, after: last, limit: candidateLimit)
        },
        give: { id in
          _ = try await services.engine.apply(
            method: due.method, params: ["id": .string(id.text)], principal: .server)
        })
    }
    // Whatever a crash, or PostgreSQL that was away, has left of an erasure; a backup may bring a person back.
    let erasures = TimedJob(name: "subject.erase", endsWhatWasBegun: true) { _, _ in
      try await services.engine.finishErasures()
    }
    let restrictions = TimedJob(name: "subject.restrict") { _, _ in try await services.engine.applyRestrictions() }
    // The same of a redaction.
    let redactions = TimedJob(
      name: "redaction.create", pause: .seconds(10), pausesAfterFailure: true, endsWhatWasBegun: true
    ) { _, _ in
      try await services.engine.finishRedactions()
    }
    return due + [retention, erasures, restrictions, redactions]
  }

  /// How many resources are looked for at once.
  static let candidateLimit = 500

  /// A command for each resource that a search finds, and then for those after them, until it finds no more: those for
  /// which the command fails each time don't keep the others from theirs, however many they are.
  /// - Parameter find: gets the present, and the last resource that was found before.
  static func commands(
    _ method: String, find: @escaping @Sendable (Timestamp, _ after: Identifier?) async throws -> [Identifier],
    give: @escaping @Sendable (Identifier) async throws -> Void
  ) -> TimedJob {
    /// One resource's turn.
    @Sendable func attempt(_ id: Identifier, _ reports: TimedReports) async throws {
      do {
        try Task.checkCancellation()
        try await give(id)
      } catch let error as Refusal where error.code == .notFound || error.code == .gone {
        // Deleted since the read model was asked: nothing is due any more.
      } catch let error as Refusal where error.code != .unavailable && error.code != .overloaded {
        reports.failed(method, about: id, error)
      }
    }
    return TimedJob(name: method) { now, reports in
      var found = try await find(now, nil)
      while let last = found.last {
        for id in found { try await attempt(id, reports) }
        found = try await find(now, last)
      }
    }
  }
}
