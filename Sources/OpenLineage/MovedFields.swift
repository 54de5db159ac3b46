import BasicTypes
import CanonicalJSON

/// What the fields of what reports made become in another organization, where everything they name has another id.
package struct MovedFields {
  /// The ids of the copies, by those of what they are copies of.
  package var copies: [Identifier: Identifier] = [:]
  private let receivedAt: Timestamp

  /// Without any copy yet.
  /// - Parameter receivedAt: The present, by the log's clock.
  package init(receivedAt: Timestamp) {
    self.receivedAt = receivedAt
  }

  /// The fields that name resources without being references.
  private static let naming = [
    "alias_ids", "columns_by_job", "context", "input_dataset_ids", "output_dataset_ids", ReportedFields.timesField,
  ]
  /// Those of them that are lists of ids, in the order of the ids.
  private static let ordered = ["alias_ids", "input_dataset_ids", "output_dataset_ids"]
  private static let columns = "columns."
  /// What stands in place of a job where a report names none.
  private static let noJob = "none"

  /// The fields with the ids of the copies in the place of theirs. References are left as they are.
  package func renamed(_ fields: JSONObject) -> JSONObject {
    var renamed = fields
    for name in Self.naming {
      guard let value = fields[name] else { continue }
      let new = self.renamed(value)
      renamed[name] =
        Self.ordered.contains(name)
        ? .array((new.arrayValue ?? []).compactMap(\.stringValue).sorted().map(JSON.string)) : new
    }
    return renamed
  }

  private func renamed(_ value: JSON) -> JSON {
    switch value {
    case .string(let text): .string(renamed(text))
    case .array(let elements): .array(elements.map(renamed))
    case .object(let object):
      .object(JSONObject(members: object.map { (key: renamed($0.key), value: renamed($0.value)) }))
    default: value
    }
  }

  private func renamed(_ text: String) -> String {
    if let id = Identifier(text) { return copies[id]?.text ?? text }
    guard text.utf8.starts(with: Self.columns.utf8), let id = Identifier(String(text.dropFirst(Self.columns.count)))
    else { return text }
    return copies[id].map { Self.columns + $0.text } ?? text
  }

  // MARK: - Where the copy's place is taken

  /// What to set on a pipeline or a dataset that is there: what reports have told later, and what it lacks. What else
  /// it has stays.
  package func missing(_ fields: JSONObject, in known: JSONObject) -> JSONObject {
    var changes = later(fields, than: known)
    let decided = known.merging(changes)
    for (name, value) in fields where name != ReportedFields.timesField {
      switch (value, decided[name]) {
      case (_, nil): changes[name] = value
      case (.object(let object), .object(let present)?):
        let lacking = object.filter { !present.contains($0.key) }
        if !lacking.isEmpty { changes[name] = .object(present.merging(lacking)) }
      default: continue
      }
    }
    if let aliases = fields["alias_ids"]?.arrayValue, let present = known["alias_ids"]?.arrayValue {
      let all = Set((aliases + present).compactMap(\.stringValue)).sorted()
      if all.count > present.count { changes["alias_ids"] = .array(all.map(JSON.string)) }
    }
    return changes
  }

  /// What reports of a resource have told later than those of another one, as if they had told both.
  private func later(_ fields: JSONObject, than known: JSONObject) -> JSONObject {
    let old = ReportedFields(fields, receivedAt: receivedAt)
    var new = ReportedFields(known, receivedAt: receivedAt)
    for (group, told) in old.times {
      let parts = group.split(separator: ".", maxSplits: 1).map(String.init)
      if let time = old.time(of: group) {
        if parts.count == 2 {
          new.decide(member: parts[1], of: parts[0], fields[parts[0]]?[parts[1]] ?? .null, at: time)
        } else {
          new.decide(group, fields[group] ?? .null, at: time)
        }
      } else if let time = told["at"]?.stringValue.flatMap({ Timestamp($0) }), let values = told["values"]?.arrayValue {
        new.decide(shared: group, values, at: min(time, receivedAt))
      } else {
        for (key, time) in old.noted(group) { new.note([key], in: group, at: time) }
      }
    }
    return new.changes
  }

  /// What to set on a run that is there, which reports that came too soon have made: what it lacks, and its state as
  /// all the reports of both tell it.
  package func missing(ofRun fields: JSONObject, in known: JSONObject) -> JSONObject {
    let states = ["status", "started_at", "completed_at", "duration_seconds"]
    if known["started_at"] == nil, known["completed_at"] == nil, known["status"] == "pending" {
      return missing(fields, in: known.filter { $0.key != "status" })
    }
    var set = missing(fields.filter { !states.contains($0.key) }, in: known)
    for name in ["input_dataset_ids", "output_dataset_ids"] {
      let present = known[name]?.arrayValue ?? []
      let all = Set(((fields[name]?.arrayValue ?? []) + present).compactMap(\.stringValue)).sorted()
      if all.count > present.count { set[name] = .array(all.map(JSON.string)) }
    }
    var state = known.filter { states.contains($0.key) }
    func take(_ report: RunStateMerge.Report, _ at: JSON?) {
      guard let at = at?.stringValue.flatMap({ Timestamp($0) }) else { return }
      state = state.merging(RunStateMerge.merge(state, report: report, at: at)).filter { !$0.value.isNull }
    }
    take(.start, fields["started_at"])
    if let status = fields["status"]?.stringValue.flatMap(RunStateMerge.Report.init), status.terminalRank != nil {
      take(status, fields["completed_at"])
    }
    for (name, value) in state where known[name] != value { set[name] = value }
    return set
  }

  /// The other names that a dataset is known by, or was before it was renamed.
  package static func otherNames(ofDataset fields: JSONObject) -> [(namespace: String, name: String)] {
    let all = (fields["symlinks"]?.arrayValue ?? []) + [fields["renamed_from"]].compactMap(\.self)
    return all.compactMap { other in
      guard let namespace = other["namespace"]?.stringValue, let name = other["name"]?.stringValue else { return nil }
      return (namespace, name)
    }
  }

  // MARK: - Edges

  /// The jobs of which an edge has columns of their own, none among them where a report named none.
  package static func jobs(ofEdge fields: JSONObject) -> [Identifier] {
    let times = fields[ReportedFields.timesField]?.objectValue ?? [:]
    return times.compactMap { key, _ in
      key.utf8.starts(with: columns.utf8) ? Identifier(String(key.dropFirst(columns.count))) : nil
    }
  }

  /// What to set on the copy of an edge: what the jobs that have copies have shown of it, by the times at which they
  /// did, as if they had reported it there.
  /// - Parameters:
  ///   - fields: The edge's.
  ///   - known: The copy's; empty where it is to be made.
  package func edge(_ fields: JSONObject, onto known: JSONObject) -> JSONObject {
    let old = ReportedFields(fields, receivedAt: receivedAt)
    var new = ReportedFields(known, receivedAt: receivedAt)
    // Where it was seen last through what stays, that says nothing of where else it was seen.
    let named = ["run_id", "pipeline_id"].compactMap { fields[$0] }
    if !named.isEmpty, named.allSatisfy({ !copy(in: $0).isNull }), let time = old.time(of: "run_id") {
      let through: JSONObject = ["run_id": copy(in: fields["run_id"]), "pipeline_id": copy(in: fields["pipeline_id"])]
      new.decide(group: "run_id", through, at: time)
    }
    if let latest = new.time(of: "run_id") {
      new.set("reported_at", .string(latest.text))
    } else if known["reported_at"] == nil, let last = fields["reported_at"] {
      new.set("reported_at", last)
    }
    for (job, columns, time) in Self.columns(of: old) {
      switch job {
      case .none: new.decide(columns: columns, of: nil, at: time)
      case .some(let job):
        if let copy = copies[job] { new.decide(columns: columns, of: copy, at: time) }
      }
    }
    let decided: Set<String> = [
      "columns", "columns_by_job", "pipeline_id", "reported_at", ReportedFields.timesField, "run_id", "source_id",
      "target_id",
    ]
    for (name, value) in fields where !decided.contains(name) && known[name] == nil { new.set(name, value) }
    if old.times.isEmpty {
      // One that people made says so without any times.
      for name in ["columns", "reported_at"] where known[name] == nil { new.set(name, fields[name] ?? .null) }
      for name in ["run_id", "pipeline_id"] where known[name] == nil { new.set(name, copy(in: fields[name])) }
    }
    return new.changes
  }

  /// What to set on an edge whose jobs have gone in part or all: the columns of those that stay, and no run or job that
  /// has gone.
  package static func rest(
    ofEdge fields: JSONObject, without gone: (Identifier) throws -> Bool
  ) rethrows -> JSONObject {
    var times = fields[ReportedFields.timesField]?.objectValue ?? [:]
    var left: [(job: Identifier?, columns: JSON, time: Timestamp)] = []
    for entry in columns(of: ReportedFields(fields, receivedAt: .maximum)) {
      if let job = entry.job, try !gone(job) {
        left.append(entry)
      } else {
        times.removeValue(forKey: columns + (entry.job?.text ?? noJob))
        times.removeValue(forKey: "columns")
      }
    }
    var rest: JSONObject = [:]
    if let last = fields["pipeline_id"]?.stringValue.flatMap({ Identifier($0) }), try gone(last) {
      times.removeValue(forKey: "run_id")
      rest = ["pipeline_id": .null, "run_id": .null]
    }
    guard times != fields[ReportedFields.timesField]?.objectValue ?? [:] else { return rest }
    let byJob = JSONObject(members: left.map { (key: $0.job?.text ?? noJob, value: $0.columns) })
    let together = ColumnLineage.sorted(Set(left.flatMap { $0.columns.arrayValue ?? [] }))
    rest[ReportedFields.timesField] = .object(times)
    rest["columns"] = left.isEmpty ? .null : .array(together)
    rest["columns_by_job"] = left.count > 1 ? .object(byJob) : .null
    return rest
  }

  private static func columns(
    of edge: ReportedFields
  ) -> [(job: Identifier?, columns: JSON, time: Timestamp)] {
    let byJob = edge["columns_by_job"]?.objectValue ?? [:]
    var all: [(job: Identifier?, columns: JSON, time: Timestamp)] = []
    for key in edge.times.keys where key.utf8.starts(with: columns.utf8) || key == "columns" {
      let name =
        key == "columns"
        ? edge["pipeline_id"]?.stringValue ?? noJob : String(key.dropFirst(columns.count))
      guard let time = edge.time(of: key), let own = byJob.isEmpty ? edge["columns"] : byJob[name] else { continue }
      all.append((Identifier(name), own, time))
    }
    return all
  }

  private func copy(in value: JSON?) -> JSON {
    value?.stringValue.flatMap { Identifier($0) }.flatMap { copies[$0] }.map { .string($0.text) } ?? .null
  }
}

extension OpenLineageReport {
  /// The id that a report would give the copy of an alert which a failed check raised; nil where no report raised it.
  /// - Parameters:
  ///   - alert: The alert's id, and its fields.
  ///   - dataset: The fields of the dataset that was checked.
  ///   - organizations: The one that it is in, and the one that it comes to.
  package static func alertIdentifier(
    ofCopy alert: (id: Identifier, fields: JSONObject), dataset: JSONObject, _ moved: MovedFields,
    from: Identifier, to: Identifier
  ) -> Identifier? {
    guard let checked = alert.fields["context"]?["dataset_id"]?.stringValue.flatMap({ Identifier($0) }),
      let run = alert.fields["run_id"]?.stringValue.flatMap({ Identifier($0) }),
      let newChecked = moved.copies[checked], let newRun = moved.copies[run]
    else { return nil }
    for element in dataset["statistics"]?["assertions"]?.arrayValue ?? [] {
      guard let check = ReportedAssertion(element),
        alertIdentifier(of: check.key, on: checked, run, at: nil, organization: from) == alert.id
      else { continue }
      return alertIdentifier(of: check.key, on: newChecked, newRun, at: nil, organization: to)
    }
    return nil
  }
}
