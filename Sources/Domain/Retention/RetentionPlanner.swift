import BasicTypes
import CanonicalJSON
import EventLog
import MerkleTree
import NIOConcurrencyHelpers
import Records
import Vault

/// Finds out what a sweep would remove, in short reads beside the writer.
struct RetentionPlanner: Sendable {
  /// The most runs that one sweep looks to delete.
  static let runLimit = 2000
  /// How many states are read at once.
  private static let chunk = 2000

  let engine: CommandEngine
  /// One organization's data; nil for everything.
  let organization: Identifier?
  /// One class; nil for all.
  let retentionClass: RetentionClass?
  let now: Timestamp
  /// Whether the server's timer asks, which needn't look again for what it didn't find today.
  let isTimed: Bool
  /// Whether to find out, too, what falls due next.
  var looksAhead = false

  private var log: EventLog { engine.log }

  func plan() async throws -> RetentionPlan {
    let keys = engine.vault.expiringKeys()
    try await count(keys)
    let counted = engine.retention.tally.withLockedValue { $0.map { Set($0.keys.map(\.organization)) } ?? [] }
    let organizations = try await organizations(
      also: counted.union(keys.map(\.organization)).compactMap { $0 })
    var plan = RetentionPlan()
    for owner in organization.map({ [$0] }) ?? [nil] + organizations.map(Optional.some) {
      for candidate in RetentionClass.allCases where retentionClass == nil || retentionClass == candidate {
        try await add(candidate, owner, keys, to: &plan)
      }
    }
    try await countAudit(&plan)
    try await describe(organizations, &plan)
    return plan
  }

  /// Brings the count of payloads up to the head.
  private func count(_ keys: [ExpiringKey]) async throws {
    let first = keys.map(\.month).min { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let engine = engine
    var isMore = true
    while isMore {
      try Task.checkCancellation()
      isMore = try await log.background { snapshot in
        try engine.retention.tally.withLockedValue { box in
          var tally = box ?? RetentionTally(engine.model, engine.vault)
          // The old one must be gone, or every stretch would copy it.
          box = nil
          defer { box = tally }
          return try tally.take(snapshot, from: RetentionPlanner.start(first, snapshot))
        }
      }
    }
  }

  /// From where there can be payloads that open: the first month that has a key.
  private static func start(_ month: String?, _ snapshot: borrowing LogSnapshot) throws -> UInt64 {
    guard let month, let time = CalendarMonth.start(of: month) else { return snapshot.head.position + 1 }
    return try snapshot.position(at: Timestamp(microseconds: time.microseconds - 1)) + 1
  }

  /// The organizations that there are, and deleted ones of whose data something is left.
  private func organizations(also others: [Identifier]) async throws -> [Identifier] {
    if let organization { return [organization] }
    return try await log.background { snapshot in
      Set(try snapshot.holders(constraint: "organization_slug") + others).sorted()
    }
  }

  private func add(
    _ candidate: RetentionClass, _ owner: Identifier?, _ keys: [ExpiringKey], to plan: inout RetentionPlan
  ) async throws {
    let now = now
    let documents = engine.retentionDocuments
    let read = try await log.background { snapshot -> (entry: RetentionPlan.Entry?, hold: Identifier?) in
      let rule = try RetentionPolicies.rule(candidate, organization: owner, in: snapshot, documents)
      guard let before = rule.before(candidate, at: now) else { return (nil, nil) }
      let through = try snapshot.position(at: Timestamp(microseconds: before.microseconds - 1))
      let last = try RetentionPlan.identifier(candidate, owner).resolve({ try snapshot.state($0) }).state
      let hold = try owner.flatMap { try snapshot.hold(on: candidate, of: $0) }
      return (
        RetentionPlan.Entry(
          retentionClass: candidate, organization: owner, rule: rule, before: before, through: through, last: last),
        hold
      )
    }
    // What no rule lets go.
    guard var entry = read.entry else { return }
    if looksAhead { try await lookAhead(entry, into: &plan) }
    if candidate.isSealed {
      addPayloads(keys, to: &entry)
      guard entry.rows > 0 || !entry.months.isEmpty else { return }
    } else if candidate == .runs {
      guard let owner else { return }
      let found = try await finishedRuns(of: owner, entry)
      entry.runs = found.runs
      plan.isPartial = plan.isPartial || found.isPartial
      guard !entry.runs.isEmpty else { return }
    } else {
      // Counted for all organizations in one pass afterwards.
      guard entry.through > entry.last?.sweptThrough ?? 0 else { return }
    }
    if let hold = read.hold, let owner {
      plan.held.append(RetentionPlan.Held(retentionClass: candidate, organization: owner, hold: hold))
    } else {
      plan.entries.append(entry)
    }
  }

  /// The payloads that are due, and the months of which nothing is left then.
  private func addPayloads(_ keys: [ExpiringKey], to entry: inout RetentionPlan.Entry) {
    let own = keys.filter {
      $0.organization == entry.organization && $0.retentionClass == entry.retentionClass.rawValue
    }.map(\.month).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    engine.retention.tally.withLockedValue { tally in
      let key = RetentionTally.Key(organization: entry.organization, retentionClass: entry.retentionClass)
      if let swept = entry.last?.sweptBefore { tally?.forget(key, before: swept) }
      if entry.isByLine {
        let due = tally?.lines(key, before: entry.before)
        entry.rows = due?.rows ?? 0
        entry.oldest = due?.oldest
      } else {
        entry.rows = tally?.rows(key, since: entry.last?.sweptBefore, before: entry.before) ?? 0
        entry.oldest = tally?.oldest(key, since: entry.last?.sweptBefore, before: entry.before)
      }
      for month in own {
        guard let end = CalendarMonth.end(of: month), end <= entry.before else { continue }
        if entry.keepsMonths, let kept = tally?.keptUntil(key, month: month), kept >= entry.before {
          entry.keptMonths.append(month)
        } else {
          entry.months.append(month)
        }
      }
    }
    let end = entry.keysThrough
    entry.keptMonths.removeAll { end.utf8.lexicographicallyPrecedes($0.utf8) }
  }

  // MARK: - Runs

  private func finishedRuns(
    of owner: Identifier, _ entry: RetentionPlan.Entry
  ) async throws -> (runs: [Identifier], isPartial: Bool) {
    let before = entry.before
    let document = entry.rule.document
    let cleared = engine.retention.runsCleared.withLockedValue { $0[owner] }
    if isTimed, let cleared, cleared >= before { return ([], false) }
    let links = try await log.background { snapshot in
      try snapshot.referrers(of: owner, type: "run", limit: .max).map(\.id)
    }
    var found: [Identifier] = []
    for start in stride(from: 0, to: links.count, by: Self.chunk) {
      try Task.checkCancellation()
      let part = links[start..<min(start + Self.chunk, links.count)]
      let type = engine.model.types["run"]
      found += try await log.background { snapshot in
        try part.filter { id in
          guard let run = try snapshot.living(id, type: "run") else { return false }
          return try RetentionPlanner.isDue(run, document, before: before, in: snapshot)
            && !RetentionPlanner.isHeld(run, type, in: snapshot)
        }
      }
      if found.count >= Self.runLimit { return (Array(found.prefix(Self.runLimit)), true) }
    }
    if found.isEmpty { engine.retention.runsCleared.withLockedValue { $0[owner] = before } }
    return (found, false)
  }

  /// Whether a run is one that goes, and is older than a time.
  static func isDue(
    _ run: ResourceState, _ document: RetentionDocuments.Rule?, before: Timestamp,
    in source: borrowing some StateSource & ~Copyable
  ) throws -> Bool {
    try age(of: run, document, in: source).map { $0 < before } ?? false
  }

  /// The time by which a run's age is told: as the document says, or when it had ended and was recorded; nil where it
  /// doesn't go.
  static func age(
    of run: ResourceState, _ document: RetentionDocuments.Rule?, in source: borrowing some StateSource & ~Copyable
  ) throws -> Timestamp? {
    guard ["success", "failed", "cancelled", "timeout"].contains(run.fields["status"]?.stringValue) else { return nil }
    if let document { return try document.takes(run.fields, in: source) ? run.createdAt : nil }
    guard let end = run.fields["completed_at"]?.stringValue.flatMap({ Timestamp($0) }) else { return run.createdAt }
    return max(end, run.createdAt)
  }

  /// Whether a hold on a run, on its pipeline or on a person whom it is about keeps it, or a restriction of the data of
  /// such a person.
  static func isHeld(
    _ run: ResourceState, _ type: ResourceModel?, in source: borrowing some StateSource & ~Copyable
  ) throws -> Bool {
    if try source.activeHold(over: run, type) != nil || source.restriction(over: run, type) != nil { return true }
    return try run.reference("pipeline_id").flatMap { try source.activeHold(on: $0) } != nil
  }

  // MARK: - The audit trail

  /// Counts the rows that the archive takes over, for every organization in one pass.
  private func countAudit(_ plan: inout RetentionPlan) async throws {
    let due = plan.entries.indices.filter { plan.entries[$0].retentionClass == .audit }
    guard let end = due.map({ plan.entries[$0].through }).max() else { return }
    let owners = Dictionary(due.map { (plan.entries[$0].organization, $0) }) { first, _ in first }
    var next = (due.map { plan.entries[$0].last?.sweptThrough ?? 0 }.min() ?? 0) + 1
    while next <= end {
      try Task.checkCancellation()
      let start = next
      let positions = try await log.background { snapshot in
        try snapshot.records(from: start, limit: Self.chunk, maximumBytes: 16 << 20).map { record in
          (record.position, try record.parsedHeader().organization)
        }
      }
      guard let last = positions.last?.0 else { break }
      for (position, owner) in positions {
        guard let index = owners[owner], position <= plan.entries[index].through,
          position > plan.entries[index].last?.sweptThrough ?? 0
        else { continue }
        plan.entries[index].rows += 1
      }
      next = last + 1
    }
    let head = try await log.background { $0.head }
    for index in due { plan.entries[index].tree = (head.position, head.rootText) }
    plan.entries.removeAll { $0.retentionClass == .audit && $0.rows == 0 }
  }

  /// When the next of a class of an organization's data falls due.
  private func lookAhead(_ entry: RetentionPlan.Entry, into plan: inout RetentionPlan) async throws {
    let candidate = entry.retentionClass
    // A preview's age is until when it is kept.
    let hours = candidate == .previews ? 0 : entry.rule.hours ?? 0
    var next: Timestamp?
    if candidate.isSealed {
      let key = RetentionTally.Key(organization: entry.organization, retentionClass: candidate)
      next = engine.retention.tally.withLockedValue {
        $0?.next(key, from: entry.before, isByLine: entry.isByLine)
      }
    } else if candidate == .runs, let owner = entry.organization {
      next = try await nextRun(of: owner, entry)
    }
    guard let next else { return }
    plan.coming.append(
      RetentionPlan.Coming(
        retentionClass: candidate, organization: entry.organization, at: candidate.dueTime(of: next, hours: hours)))
  }

  /// The age of the oldest run that goes, and isn't due yet.
  private func nextRun(of owner: Identifier, _ entry: RetentionPlan.Entry) async throws -> Timestamp? {
    let document = entry.rule.document
    let links = try await log.background { snapshot in
      try snapshot.referrers(of: owner, type: "run", limit: .max).map(\.id)
    }
    var oldest: Timestamp?
    for start in stride(from: 0, to: links.count, by: Self.chunk) {
      try Task.checkCancellation()
      let part = links[start..<min(start + Self.chunk, links.count)]
      let ages = try await log.background { snapshot in
        try part.compactMap { id -> Timestamp? in
          guard let run = try snapshot.living(id, type: "run") else { return nil }
          return try RetentionPlanner.age(of: run, document, in: snapshot)
        }
      }
      oldest = ([oldest].compactMap { $0 } + ages.filter { $0 >= entry.before }).min()
    }
    return oldest
  }

  /// The policies in force, for an answer: of everything first, then those of organizations that have their own, or a
  /// platform.
  private func describe(_ organizations: [Identifier], _ plan: inout RetentionPlan) async throws {
    let owners = organization.map { [$0] } ?? organizations
    let isEverywhere = organization == nil
    let documents = engine.retentionDocuments
    plan.policies = try await log.background { snapshot in
      var policies: [(organization: Identifier?, rules: JSON)] = []
      if isEverywhere {
        policies.append((nil, try RetentionPolicies.description(organization: nil, in: snapshot, documents)))
      }
      for owner in owners {
        guard
          try !isEverywhere || snapshot.state(owner)?.fields["platform"] != nil
            || !snapshot.referrers(of: owner, type: RetentionPolicies.type, limit: 1).isEmpty
        else { continue }
        policies.append((owner, try RetentionPolicies.description(organization: owner, in: snapshot, documents)))
      }
      return policies
    }
  }
}
