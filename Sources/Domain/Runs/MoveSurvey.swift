import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Refusals
import Vault

/// What of a namespace is in the wrong organization: found before the decision, where nobody waits for it, and looked
/// at again by it.
struct MoveSurvey: Sendable {
  /// A job's pipeline, and runs of it that reports have made.
  struct Job: Sendable {
    let pipeline: Identifier
    /// The first runs, as many as one call may move.
    let runs: [Identifier]
  }

  /// Pipelines of which something is to be moved, enough of them for one call.
  private(set) var jobs: [Job] = []
  /// Whether there are more, or more runs of these.
  private(set) var hasMore = false
  /// Pipelines that stay, since something else refers to them than reports have made; of a namespace of datasets, the
  /// datasets that stay besides their copies.
  private(set) var kept = 0
  /// The first datasets of which something is to be done: once no pipeline is left, those that were copied and may go;
  /// of a namespace of datasets, those that may go or weren't copied.
  private(set) var datasets: [Identifier] = []
  /// The datasets that runs of the organization name, where ``datasets`` are told.
  private(set) var named: Set<Identifier> = []

  /// How many links one reading of the log follows.
  private static let page = 1000

  /// Looks at what is there.
  static func make(_ engine: CommandEngine, _ command: PreparedCommand) async throws -> MoveSurvey {
    var survey = MoveSurvey()
    // Nobody else is told anything; the decision refuses them.
    guard command.principal.isAdministrator else { return survey }
    let order = try MoveOrder(command)
    switch order.kind {
    case .job:
      try await survey.addJobs(order, engine)
      if survey.jobs.isEmpty { try await survey.addDatasets(order, engine) }
    case .dataset: try await survey.addDatasets(order, engine)
    }
    return survey
  }

  private mutating func addJobs(_ order: MoveOrder, _ engine: CommandEngine) async throws {
    var after: Identifier?
    var room = order.limit
    while true {
      // A job costs room too, so that those without runs don't come all at once.
      let (found, last) = try engine.reading { snapshot -> ([(job: Job?, isCut: Bool)], Identifier?) in
        let page = try snapshot.referrers(of: order.from, type: "pipeline", after: after, limit: Self.page)
        var found: [(job: Job?, isCut: Bool)] = []
        for id in page {
          guard room > 0 else {
            found.append((nil, true))
            return (found, nil)
          }
          guard let state = try snapshot.living(id, type: "pipeline"), state.organization == order.from,
            order.fits(state.fields["namespace"])
          else { continue }
          let job = try Self.job(id, room: room, snapshot)
          room -= job.job.map { max(1, $0.runs.count) } ?? 0
          found.append(job)
        }
        return (found, page.count == Self.page ? page.last : nil)
      }
      for (job, isCut) in found {
        if isCut { hasMore = true }
        if let job { jobs.append(job) } else if !isCut { kept += 1 }
      }
      guard let last, room > 0 else { return }
      after = last
      await Task.yield()
    }
  }

  /// What of a pipeline may be moved; no job where it has to stay as it is.
  private static func job(
    _ pipeline: Identifier, room: Int, _ snapshot: borrowing LogSnapshot
  ) throws -> (job: Job?, isCut: Bool) {
    var runs: [Identifier] = []
    var after: Identifier?
    while true {
      let links = try snapshot.referrers(of: pipeline, type: "run", after: after, limit: Self.page)
      for id in links {
        guard let run = try snapshot.living(id, type: "run"), MoveOrder.isReported(run),
          try !MoveOrder.hasTooMuch(id, in: snapshot)
        else { continue }
        if runs.count == room { return (Job(pipeline: pipeline, runs: runs), true) }
        runs.append(id)
      }
      guard links.count == Self.page, let last = links.last else { break }
      after = last
    }
    if runs.isEmpty, try MoveOrder.isUsed(pipeline, in: snapshot) { return (nil, false) }
    return (Job(pipeline: pipeline, runs: runs), false)
  }

  private mutating func addDatasets(_ order: MoveOrder, _ engine: CommandEngine) async throws {
    var named: Set<Identifier> = []
    try await eachLinked("run", to: order.from, engine) { run, _ in
      for field in ["input_dataset_ids", "output_dataset_ids"] {
        for id in run.fields[field]?.arrayValue ?? [] {
          if let id = id.stringValue.flatMap({ Identifier($0) }) { named.insert(id) }
        }
      }
    }
    self.named = named
    var found: [Identifier] = []
    var kept = 0
    try await eachLinked("dataset", to: order.from, engine) { dataset, snapshot in
      let isCopied = try order.isCopied(dataset.id, in: snapshot, engine)
      let isMeant = order.kind == .job ? isCopied : order.fits(dataset.fields["namespace"])
      guard isMeant else { return }
      let stays = try named.contains(dataset.id) || MoveOrder.isLinked(dataset, named: named, in: snapshot)
      if stays, order.kind == .dataset { kept += 1 }
      if stays, isCopied { return }
      if found.count <= order.limit { found.append(dataset.id) }
    }
    self.kept += kept
    hasMore = found.count > order.limit
    datasets = Array(found.prefix(order.limit))
  }

  private func eachLinked(
    _ type: String, to organization: Identifier, _ engine: CommandEngine,
    _ body: (ResourceState, borrowing LogSnapshot) throws -> Void
  ) async throws {
    var after: Identifier?
    while true {
      let page = try engine.reading { snapshot in
        let page = try snapshot.referrers(of: organization, type: type, after: after, limit: Self.page)
        for id in page {
          if let state = try snapshot.living(id, type: type), state.organization == organization {
            try body(state, snapshot)
          }
        }
        return page
      }
      guard page.count == Self.page, let last = page.last else { return }
      after = last
      await Task.yield()
    }
  }
}

/// What shall be moved where.
struct MoveOrder {
  let from: Identifier
  let to: Identifier
  let namespace: String
  let match: NamespaceRules.Match
  let kind: NamespaceRules.Kind
  let limit: Int

  /// What a command orders.
  /// - Throws: ``Refusal`` `invalid_params`.
  init(_ command: PreparedCommand) throws {
    guard let to = command.organization else { throw Refusal.invalidParam("/organization_id", "is required") }
    guard let from = command.parameters["from"]?.stringValue.flatMap({ Identifier($0) }) else {
      throw Refusal.invalidParam("/from", "is required")
    }
    guard let namespace = command.parameters["namespace"]?.stringValue else {
      throw Refusal.invalidParam("/namespace", "is required")
    }
    self.from = from
    self.to = to
    self.namespace = namespace
    match = command.parameters["match"]?.stringValue.flatMap(NamespaceRules.Match.init) ?? .exact
    kind = command.parameters["kind"]?.stringValue.flatMap(NamespaceRules.Kind.init) ?? .job
    limit = command.parameters["limit"]?.integerValue.flatMap { Int(exactly: $0) } ?? 200
  }

  /// Whether a namespace is one of those that are meant.
  func fits(_ namespace: JSON?) -> Bool {
    namespace?.stringValue.map { match.fits($0, self.namespace) } ?? false
  }

  // MARK: - What was copied

  /// The actor under which the log remembers, as of command ids, what was copied into that organization.
  var mark: String { "move:\(to.text)" }

  /// What tells that mark from a command's.
  func fingerprint(_ id: Identifier, _ engine: CommandEngine) -> [UInt8] {
    engine.vault.lookupHash("move", to.bytes + id.bytes)
  }

  /// Where a resource was copied to, and which version of it, as the log remembers it.
  func copied(
    _ stored: StoredCommand?, _ id: Identifier, _ engine: CommandEngine
  ) throws -> (copy: Identifier, version: Int64)? {
    guard let stored, stored.fingerprint == fingerprint(id, engine) else { return nil }
    let noted = try JSON.parse(stored.result)
    guard let copy = noted["copy"]?.stringValue.flatMap({ Identifier($0) }),
      let version = noted["version"]?.integerValue
    else { return nil }
    return (copy, version)
  }

  func isCopied(_ id: Identifier, in snapshot: borrowing LogSnapshot, _ engine: CommandEngine) throws -> Bool {
    try copied(snapshot.storedCommand(actor: mark, id: id.text), id, engine) != nil
  }

  // MARK: - What stays

  /// The most tasks, and the most alerts, that go with one run: one that has more stays.
  private static let mostAlong = 500

  static func hasTooMuch<Source: StateSource & ~Copyable>(
    _ run: Identifier, in source: borrowing Source
  ) throws -> Bool {
    for type in ["task_run", "alert"] {
      if try source.referrers(of: run, type: type, limit: mostAlong + 1).count > mostAlong { return true }
    }
    return false
  }

  /// The most edges that are looked at to see whether a dataset may go.
  private static let mostLinks = 5000

  /// Whether somebody still needs a dataset: an edge of a job that stays or that people made, or another dataset that
  /// runs name and that is known by its name too.
  static func isLinked<Source: StateSource & ~Copyable>(
    _ dataset: ResourceState, named: Set<Identifier>, in source: borrowing Source
  ) throws -> Bool {
    let links = try source.referrers(of: dataset.id, type: "lineage_edge", limit: mostLinks + 1)
    if links.count > mostLinks { return true }
    for link in links {
      guard let edge = try source.living(link.id, type: "lineage_edge") else { continue }
      let isFree =
        edge.reference("pipeline_id") == nil && edge.reference("run_id") == nil && isReported(edge)
        && edge.fields["columns"]?.arrayValue?.isEmpty ?? true
      if !isFree { return true }
    }
    return (dataset.fields["alias_ids"]?.arrayValue ?? []).contains { other in
      other.stringValue.flatMap { Identifier($0) }.map { $0 != dataset.id && named.contains($0) } ?? false
    }
  }

  /// Whether reports have told of a run or an edge.
  static func isReported(_ run: ResourceState) -> Bool { run.fields["reported_fields"] != nil }

  /// Whether something else than edges refers to a pipeline, which has to stay for it.
  static func isUsed<Source: StateSource & ~Copyable>(
    _ pipeline: Identifier, in source: borrowing Source
  ) throws -> Bool {
    // Far more are enough to say so, whatever they are.
    let links = try source.referrers(of: pipeline, type: nil, limit: 10_000)
    if links.count == 10_000 { return true }
    for link in links {
      guard link.type != "lineage_edge", link.type != LegalHolds.type else { continue }
      if try source.state(link.id)?.isDeleted == false { return true }
    }
    return false
  }
}
