import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// How long data is kept, and its removal.
enum RetentionBehaviours {
  /// The most events that one sweep records for the deletion of runs.
  private static let deletionLimit = 50_000

  /// `retention_policy.create`: one a class for an organization, and one a class for all that have none.
  static let createPolicy = Behaviour(
    normalize: { given in
      guard given["class"] == "audit", given["action"]?.unlessNull == nil else { return given }
      var params = given
      params["action"] = "archive"
      return params
    },
    check: { context in
      if let problem = problem(context.fields["class"], context.fields["action"]) { context.refuse("/action", problem) }
    },
    decide: { decision in
      let organization = try decision.newOrganization()
      try decision.authorize(in: organization)
      if organization == nil {
        let transaction = decision.transaction
        for link in try transaction.referrers(
          of: RetentionPolicies.everywhere, type: RetentionPolicies.type, limit: .max)
        {
          guard
            try transaction.living(link.id, type: RetentionPolicies.type)?.fields["class"] == decision.fields["class"]
          else { continue }
          throw Refusal.conflict(
            reason: "unique", "There is one with this class already.",
            ["fields": ["organization_id", "class"], "constraint": "retention_policy_class"])
        }
      }
      let event = try decision.applyCreation(
        try bound(decision, decision.fields["class"], in: organization))
      if let state = try decision.transaction.state(event.resource), let target = RetentionPolicies.target(of: state) {
        try decision.transaction.link(event.resource, type: decision.type.name, to: target)
      }
    })

  /// `retention_policy.edit`.
  static let editPolicy = Behaviour(decide: { decision in
    let state = try decision.target()
    if let action = decision.fields["action"], let problem = problem(state.fields["class"], action) {
      throw Refusal.invalidParam("/action", problem)
    }
    let bound = try bound(decision, state.fields["class"], in: state.organization)
    try decision.edit(
      state, decision.type, event: decision.command.event, values: decision.fields.merging(bound))
  })

  /// Holds an organization's policy to the floor, and notes where an administrator has set it.
  private static func bound(
    _ decision: Decision, _ retentionClass: JSON?, in organization: Identifier?
  ) throws -> JSONObject {
    guard organization != nil, let hours = decision.fields["keep_hours"]?.integerValue,
      let retentionClass = retentionClass?.stringValue.flatMap({ RetentionClass(rawValue: $0) })
    else { return [:] }
    if decision.principal.isAdministrator { return ["by_administrator": true] }
    let floor = try RetentionPolicies.floor(of: retentionClass, in: decision.transaction)
    guard hours >= floor else {
      throw Refusal.invalidParam(
        "/keep_hours", "must be at least \(floor): for so long the platform keeps \(retentionClass.rawValue)")
    }
    return ["by_administrator": false]
  }

  private static func problem(_ retentionClass: JSON?, _ action: JSON?) -> String? {
    guard let name = retentionClass?.stringValue, let action = action?.stringValue else { return nil }
    if name == RetentionClass.audit.rawValue {
      return action == "archive" ? nil : "must be archive: the audit trail is never deleted"
    }
    return action == "delete" ? nil : "must be delete: only the audit trail is archived"
  }

  /// What a sweep would remove now.
  @Sendable private static func plan(_ engine: CommandEngine, _ prepared: PreparedCommand) async throws -> RetentionPlan
  {
    // Whoever may not sweep is refused by the decision, and nothing is searched for them.
    guard prepared.principal.allows(.admin, on: "retentions", organization: prepared.organization) else {
      return RetentionPlan()
    }
    if !prepared.common.isDryRun {
      try CommandEngine.requireTrusted(engine.log.clock)
      try engine.destroySweptKeys()
    }
    let planner = RetentionPlanner(
      engine: engine, organization: prepared.organization,
      retentionClass: prepared.parameters["class"]?.stringValue.flatMap { RetentionClass(rawValue: $0) },
      now: engine.clock(), isTimed: prepared.principal.kind == .server, looksAhead: prepared.common.isDryRun)
    do {
      return try await planner.plan()
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// `retention.sweep`: one event an organization and class that had something to remove.
  static let sweep = Behaviour<RetentionPlan>(
    prepare: { _ in .background(plan) },
    decide: { decision, plan in
      let organization = try decision.newOrganization()
      try decision.authorize(in: organization)
      if !decision.prepared.common.isDryRun { try CommandEngine.requireTrusted(decision.transaction.clock) }
      var isPartial = plan.isPartial
      // What a person orders, they have looked at; by itself nothing goes that should have gone long ago.
      let isTimed = decision.prepared.principal.kind == .server
      var swept: [JSON] = []
      var waiting: [JSON] = []
      for entry in plan.entries {
        guard try stillHolds(entry, decision) else {
          isPartial = true
          continue
        }
        let deletions = try deletions(entry, decision)
        isPartial = isPartial || !deletions.isComplete
        guard entry.retentionClass != .runs || deletions.count > 0 else { continue }
        if let oldest = deletions.oldest ?? entry.oldest, oldest < entry.backlogBefore {
          waiting.append([
            "class": .string(entry.retentionClass.rawValue),
            "organization_id": entry.organization.map { .string($0.text) } ?? .null,
            "oldest": .string(oldest.text),
            "count": .integer(Int64(entry.retentionClass == .runs ? deletions.count : entry.rows)),
          ])
          if isTimed { continue }
        }
        swept.append(try record(entry, deletions, decision))
      }
      decision.members["swept"] = .array(swept)
      if isTimed || decision.prepared.common.isDryRun { decision.members["waiting"] = .array(waiting) }
      decision.members["held"] = .array(
        plan.held.map { held in
          [
            "class": .string(held.retentionClass.rawValue), "organization_id": .string(held.organization.text),
            "hold_id": .string(held.hold.text),
          ]
        })
      decision.members["more"] = .bool(isPartial)
      guard decision.prepared.common.isDryRun else { return }
      decision.members["policies"] = .array(
        plan.policies.map { policy in
          ["organization_id": policy.organization.map { .string($0.text) } ?? .null, "classes": policy.rules]
        })
      decision.members["coming"] = .array(
        plan.coming.map { coming in
          [
            "class": .string(coming.retentionClass.rawValue),
            "organization_id": coming.organization.map { .string($0.text) } ?? .null,
            "due_at": .string(coming.at.text),
          ]
        })
    })

  /// Whether nothing has changed since the plan was made that would keep any of it.
  private static func stillHolds(_ entry: RetentionPlan.Entry, _ decision: Decision) throws -> Bool {
    let transaction = decision.transaction
    let rule = try RetentionPolicies.rule(
      entry.retentionClass, organization: entry.organization, in: transaction, decision.engine.retentionDocuments)
    let last = try RetentionPlan.identifier(entry.retentionClass, entry.organization).resolve(transaction.state).state
    guard rule == entry.rule, last?.version == entry.last?.version,
      let before = rule.before(entry.retentionClass, at: decision.now), entry.before <= before
    else { return false }
    guard let organization = entry.organization else { return true }
    return try transaction.hold(on: entry.retentionClass, of: organization) == nil
  }

  /// What goes of the runs of an entry.
  private struct Deletions {
    var plan = DeletionPlan()
    var count = 0
    /// The age of the oldest.
    var oldest: Timestamp?
    /// Whether that is all, and not only as much as one command takes.
    var isComplete = true
  }

  /// The runs of an entry that may go, with all that goes with them, as far as one command takes it.
  private static func deletions(_ entry: RetentionPlan.Entry, _ decision: Decision) throws -> Deletions {
    var found = Deletions()
    found.isComplete = entry.runs.count < RetentionPlanner.runLimit
    let type = try entry.runs.isEmpty ? nil : decision.model.type("run")
    for id in entry.runs {
      guard let type, let run = try decision.transaction.living(id, type: "run"),
        let age = try RetentionPlanner.age(of: run, entry.rule.document, in: decision.transaction),
        age < entry.before, try !RetentionPlanner.isHeld(run, type, in: decision.transaction)
      else { continue }
      let plan: DeletionPlan
      do {
        plan = try decision.deletionPlan(of: run, type)
      } catch let error as Refusal where error.code == .held || error.code == .conflict {
        // Something of it is held, or still needed: it stays.
        continue
      }
      guard found.count == 0 || found.plan.eventCount + plan.eventCount <= deletionLimit else {
        found.isComplete = false
        break
      }
      found.plan.merge(plan)
      found.count += 1
      found.oldest = min(found.oldest ?? age, age)
    }
    return found
  }

  private static func record(
    _ entry: RetentionPlan.Entry, _ deletions: Deletions, _ decision: Decision
  ) throws -> JSON {
    // A policy that keeps longer than the one before takes nothing back.
    var set: JSONObject = [
      "before": .string(max(entry.before, entry.last?.sweptBefore ?? .minimum).text),
      "through": .integer(Int64(max(entry.through, entry.last?.sweptThrough ?? 0))),
      "settled_before": .string(entry.settledBefore(isComplete: deletions.isComplete).text),
    ]
    if !entry.months.isEmpty {
      set["keys_through"] = .string(entry.keysThrough)
      set["kept_months"] = entry.keptMonths.isEmpty ? .null : .array(entry.keptMonths.map(JSON.string))
    }
    var data: JSONObject = [
      "class": .string(entry.retentionClass.rawValue), "before": .string(entry.before.text),
      "through": .integer(Int64(entry.through)),
      "action": entry.retentionClass == .audit ? "archive" : "delete",
    ]
    if let hours = entry.rule.hours { data["keep_hours"] = .integer(hours) }
    if entry.isByLine { data["age"] = "line" }
    if let policy = entry.rule.policy { data["policy_id"] = .string(policy.text) }
    if entry.retentionClass == .runs {
      data["runs"] = .integer(Int64(deletions.count))
      data["resources"] = .integer(Int64(deletions.plan.deletions.count))
    } else {
      data["rows"] = .integer(Int64(entry.rows))
    }
    if !entry.months.isEmpty { data["months"] = .array(entry.months.map(JSON.string)) }
    if let tree = entry.tree {
      data["from"] = .integer(Int64(entry.last?.sweptThrough ?? 0) + 1)
      data["tree_size"] = .integer(Int64(tree.size))
      data["root"] = .string(tree.root)
    }
    let (id, known) = try RetentionPlan.identifier(entry.retentionClass, entry.organization)
      .resolve(decision.transaction.state)
    let cause: AppendedEvent?
    if let state = known {
      cause = try decision.edit(
        state, decision.type, event: decision.command.event, values: set, data: data, isForced: true)
    } else {
      set["class"] = .string(entry.retentionClass.rawValue)
      cause = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: entry.organization, values: set,
          data: data, checksReferences: false))
    }
    try decision.carryOut(deletions.plan, causation: cause?.id)
    if !entry.months.isEmpty { decision.destroysKeys = true }
    data["organization_id"] = entry.organization.map { .string($0.text) } ?? .null
    return .object(data)
  }
}
