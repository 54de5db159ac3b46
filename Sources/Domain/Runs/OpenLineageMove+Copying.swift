import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Vault

/// How copies are made, and the events that say so.
extension OpenLineageMove {
  // MARK: - Copying

  /// The declared fields, with the copies where they refer to something that has one, people who are there still as
  /// they are, and without what belongs to the first organization, was erased or was taken out.
  func references(_ values: JSONObject, _ type: ResourceModel) throws -> JSONObject {
    var kept = JSONObject()
    for field in type.fields {
      guard let value = values[field.name], field.name != "organization_id", field.name != "version_number" else {
        continue
      }
      if value == Redactions.mark, !field.field.isRequired { continue }
      if let reference = field.field.reference {
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else { continue }
        if reference.types != ["user"] {
          if let copy = fields.copies[id] { kept[field.name] = .string(copy.text) }
        } else if try decision.transaction.living(id, type: "user") != nil {
          kept[field.name] = value
        }
        continue
      }
      kept[field.name] = value
    }
    return kept
  }

  func create(_ type: ResourceModel, _ values: JSONObject, id: Identifier?) throws -> Identifier {
    let event = "\(type.name).\(type.type.command("create")?.event ?? "created")"
    return try decision.create(
      Decision.Creation(
        type: type, event: event, id: id, organization: order.to, values: values, causation: cause)
    ).resource
  }

  /// Records again what reports, logs, measurements and previews of a resource told beside its fields, as far as it can
  /// still be read and the other organization would keep it. It is sealed as of now.
  mutating func copyFacts(
    of state: ResourceState, to copy: Identifier, _ type: ResourceModel, after: Int64
  ) throws {
    let told = Set(type.facts.keys).union(["measured"])
    let first = max(after + 1, state.version - Self.mostFacts + 1)
    guard first <= state.version else { return }
    let there = after == 0 ? try reports(of: copy, type) : []
    let due = try dueTimes(type)
    let (records, oldest) = try records(of: state, from: first)
    for record in records {
      let header = try record.parsedHeader()
      guard told.contains(header.verb) else { continue }
      let body = try record.parsedBody()
      // What was dropped or redacted is empty.
      if body.data.isEmpty { continue }
      if there.contains(Self.report(body.data)) { continue }
      if let due = due[header.verb], header.at <= due {
        leftOut += 1
        continue
      }
      var data = body.data
      for (name, value) in body.data where Vault.isSealed(value) {
        let opened = try decision.engine.sealer.open(value, resource: state.id, field: "data/\(name)")
        // What is open now is sealed again; what isn't sealed there stays closed.
        let isSealedThere = type.facts[header.verb]?.sealed.contains(name) ?? false
        if isSealedThere, case .value(let open) = opened { data[name] = open } else { data[name] = nil }
      }
      guard type.facts[header.verb]?.sealed.allSatisfy({ body.data[$0] == nil || data[$0] != nil }) ?? true,
        let copied = try decision.transaction.state(copy)
      else {
        leftOut += 1
        continue
      }
      try decision.record(header.event, on: copied, type, data: data)
    }
    leftOut += oldest - after - 1
  }

  /// The last records of a resource, from a version on, as many of them as the call has time for; and the version of
  /// the first of them.
  private func records(of state: ResourceState, from first: Int64) throws -> ([LogRecord], oldest: Int64) {
    var pages: [[LogRecord]] = []
    var bytes = 0
    var oldest = state.version + 1
    func goesOn() -> Bool {
      let work = decision.transaction.work
      return bytes < Self.mostFactBytes && work.historyRecords < Self.mostRecordsRead
        && work.recordedBytes + bytes < Self.mostBytesRecorded
    }
    while oldest > first, goesOn() {
      let start = max(first, oldest - 100)
      let page = try decision.transaction.history(of: state.id, versions: start...(oldest - 1))
      bytes += page.reduce(0) { $0 + $1.body.count }
      pages.append(page)
      oldest = start
    }
    return (pages.reversed().flatMap(\.self), oldest)
  }

  /// Of each kind of facts, the time before which the organization that gets them keeps none.
  private func dueTimes(_ type: ResourceModel) throws -> [String: Timestamp] {
    var times: [String: Timestamp] = [:]
    for (verb, fact) in type.facts {
      guard let name = fact.retentionClass, let kind = RetentionClass(rawValue: name), kind != .previews else {
        continue
      }
      let rule = try RetentionPolicies.rule(
        kind, organization: order.to, in: decision.transaction, decision.engine.retentionDocuments)
      times[verb] = rule.before(kind, at: decision.now)
    }
    return times
  }

  /// What tells a report that was taken in from others; nil of what is none.
  static func report(_ data: JSONObject) -> JSON? {
    data["event_time"].map { ["at": $0, "type": data["event_type"] ?? .null, "by": data["producer"] ?? .null] }
  }

  /// The reports that a resource has already, where the same events were told to both organizations.
  func reports(of copy: Identifier, _ type: ResourceModel) throws -> Set<JSON?> {
    guard let state = try decision.transaction.state(copy), state.version > 1 else { return [] }
    var found: Set<JSON?> = []
    for record in try records(of: state, from: max(1, state.version - Self.mostFacts + 1)).0 {
      guard try type.facts[record.parsedHeader().verb] != nil else { continue }
      if let report = Self.report(try record.parsedBody().data) { found.insert(report) }
    }
    return found
  }

  // MARK: - Recording

  /// Records, before the first change, that this was moved.
  mutating func begin() throws {
    guard cause == nil else { return }
    let (id, known) = try NamespaceRules.place.resolve(decision.transaction.state)
    decision.answered = id
    let data: JSONObject = [
      "from": .string(order.from.text), "to": .string(order.to.text), "namespace": .string(order.namespace),
      "match": .string(order.match.rawValue), "kind": .string(order.kind.rawValue),
    ]
    if let known {
      cause = try decision.edit(
        known, decision.type, event: decision.command.event, values: [:], data: data, isForced: true)?.id
    } else {
      cause = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: nil, values: ["rules": []],
          data: data)
      ).id
    }
  }

  /// Deletes what has its copy.
  mutating func endDeletions() throws {
    try decision.carryOut(plan, causation: cause)
    plan = DeletionPlan()
  }
}
