import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// A node of the lineage graph: a task run, or the datasets that are one since one names the other among its symlinks.
struct LineageNode: Sendable {
  /// Everything that the node stands for; the first one is the one by which the walk came to it.
  let members: [Identifier]
  /// What is shown of it; nil for what the caller may not read.
  let shown: JSONObject?
  /// By what nodes of one distance are ordered.
  let name: String
  /// Whether more datasets may be one with it than were looked at.
  let isCut: Bool
}

/// Reads edges and nodes as they were at one moment, for one caller.
struct LineageReader: Sendable {
  let engine: QueryEngine
  let edgeAccess: Access
  /// After which event; nil for the present.
  let position: UInt64?
  /// What was not reported since then is left out; nil for nothing.
  let since: Timestamp?

  /// The most datasets that are taken for one.
  static let maximumMembers = 1000

  /// The state of a resource at that moment, where the caller may read it.
  func state(_ id: Identifier, in snapshot: borrowing LogSnapshot) throws -> ResourceState? {
    let state = if let position { try snapshot.fold(id, through: position) } else { try snapshot.state(id) }
    guard let state, let type = engine.catalog.type(state.type),
      try engine.access(to: type, edgeAccess.principal).permits(state, in: snapshot)
    else { return nil }
    return state
  }

  // MARK: - Edges

  /// An edge; nil for a deleted one, one that the caller may not read, and one that nobody has reported since then.
  func edge(_ id: Identifier, in snapshot: borrowing LogSnapshot) throws -> LineageEdge? {
    let state = if let position { try snapshot.fold(id, through: position) } else { try snapshot.state(id) }
    guard let state, !state.isDeleted, try edgeAccess.permits(state, in: snapshot),
      let source = state.fields["source_id"]?.stringValue.flatMap({ Identifier($0) }),
      let target = state.fields["target_id"]?.stringValue.flatMap({ Identifier($0) })
    else { return nil }
    // Edges of before edges had the field have the time beside the job.
    let reported = state.fields["reported_at"] ?? state.fields["reported_fields"]?["run_id"]
    if let since, let time = reported?.stringValue.flatMap({ Timestamp($0) }), time < since { return nil }
    var details = JSONObject()
    for name in ["relationship_type", "pipeline_id", "run_id"] { details[name] = state.fields[name] }
    details["reported_at"] = reported
    var pipelines = [state.fields["pipeline_id"]?.stringValue.flatMap { Identifier($0) }].compactMap(\.self)
    details["columns"] = columns(of: state.fields, &pipelines)
    return LineageEdge(id: state.id, source: source, target: target, pipelines: pipelines, details: details)
  }

  /// The columns of an edge; where several jobs reported some, each with the jobs that did.
  private func columns(of fields: JSONObject, _ pipelines: inout [Identifier]) -> JSON? {
    let times = fields["reported_fields"]?.objectValue ?? [:]
    func isTold(_ key: String) -> Bool {
      guard let since, let time = times[key]?.stringValue.flatMap({ Timestamp($0) }) else { return true }
      return time >= since
    }
    guard let byJob = fields["columns_by_job"]?.objectValue else {
      let keys = times.keys.filter { $0 == "columns" || $0.utf8.starts(with: "columns.".utf8) }
      return keys.allSatisfy(isTold) ? fields["columns"] : nil
    }
    var jobs: [JSON: [JSON]] = [:]
    for (name, entries) in byJob where isTold("columns.\(name)") {
      if let id = Identifier(name), !pipelines.contains(id) { pipelines.append(id) }
      let job = Identifier(name).map { JSON.string($0.text) }
      for entry in entries.arrayValue ?? [] { jobs[entry, default: []] += job.map { [$0] } ?? [] }
    }
    // In the order that they have in the field.
    let all = (fields["columns"]?.arrayValue ?? []).compactMap { entry -> JSON? in
      guard let names = jobs[entry], var object = entry.objectValue else { return nil }
      object["pipeline_ids"] = .array(names)
      return .object(object)
    }
    return .array(all)
  }

  // MARK: - Nodes

  /// The node that a resource belongs to.
  func node(_ id: Identifier, in snapshot: borrowing LogSnapshot) throws -> LineageNode {
    guard let first = try state(id, in: snapshot) else {
      return LineageNode(members: [id], shown: nil, name: id.text, isCut: false)
    }
    var members = [first]
    var seen: Set<Identifier> = [id]
    var next = 0
    var isCut = false
    // Who is one with one of them, until there are no more.
    while next < members.count, first.type == "dataset" {
      let member = members[next]
      next += 1
      isCut = isCut || (member.fields["alias_ids"]?.arrayValue?.count ?? 0) >= Self.maximumMembers
      for candidate in try others(of: member, in: snapshot) where !seen.contains(candidate) {
        guard members.count < Self.maximumMembers else {
          isCut = true
          break
        }
        guard let other = try state(candidate, in: snapshot), other.type == "dataset", !other.isDeleted,
          other.organization == first.organization, names(member, other) || names(other, member)
        else { continue }
        seen.insert(candidate)
        members.append(other)
      }
    }
    return LineageNode(
      members: members.map(\.id), shown: shown(first, Array(members.dropFirst())),
      name: first.fields["name"]?.stringValue ?? id.text, isCut: isCut)
  }

  /// The datasets that may be one with a dataset: those that its symlinks name, and those that have named it.
  private func others(of dataset: ResourceState, in snapshot: borrowing LogSnapshot) throws -> [Identifier] {
    var found = (dataset.fields["alias_ids"]?.arrayValue ?? []).compactMap {
      $0.stringValue.flatMap { Identifier($0) }
    }
    guard let organization = dataset.organization else { return found }
    for name in symlinks(of: dataset).prefix(Self.maximumMembers) {
      let key = engine.rules.key(
        "dataset_name", [.string(organization.text), name.namespace, name.name], ignoringCase: false,
        under: organization)
      if let holder = try snapshot.holder(constraint: "dataset_name", key: key) { found.append(holder) }
      // Of what was deleted since, the index knows no more; what reports make has its id from its name.
      if position != nil {
        let derived = JSON.array(["dataset", name.namespace, name.name]).canonicalString
        found.append(.version5(namespace: organization, name: derived))
      }
    }
    return found
  }

  /// What a dataset names as itself: its symlinks, and its name before it was renamed.
  private func symlinks(of dataset: ResourceState) -> [(namespace: JSON, name: JSON)] {
    let former = [dataset.fields["renamed_from"]].compactMap(\.self)
    return (former + (dataset.fields["symlinks"]?.arrayValue ?? [])).compactMap { link in
      guard let namespace = link["namespace"], let name = link["name"], namespace.stringValue != nil,
        name.stringValue != nil
      else { return nil }
      return (namespace, name)
    }
  }

  /// Whether a dataset names another one among its symlinks.
  private func names(_ dataset: ResourceState, _ other: ResourceState) -> Bool {
    symlinks(of: dataset).contains {
      $0.namespace == other.fields["namespace"] && $0.name == other.fields["name"]
    }
  }

  private func shown(_ state: ResourceState, _ others: [ResourceState]) -> JSONObject {
    var node: JSONObject = [
      "id": .string(state.id.text), "type": .string(state.type), "name": state.fields["name"] ?? .null,
    ]
    for field in ["namespace", "run_id", "step_id", "status"] { node[field] = state.fields[field] }
    if let deleted = state.fields["deleted_at"] { node["deleted_at"] = deleted }
    guard !others.isEmpty else { return node }
    let aliases = others.map { other -> JSON in
      [
        "id": .string(other.id.text), "name": other.fields["name"] ?? .null,
        "namespace": other.fields["namespace"] ?? .null,
      ]
    }
    node["aliases"] = .array(aliases)
    return node
  }

  /// The jobs that edges name, as far as the caller may read them.
  func pipelines(of edges: [LineageEdge], in snapshot: borrowing LogSnapshot) throws -> [JSON] {
    var shown: [JSON] = []
    for id in Set(edges.flatMap(\.pipelines)).sorted() {
      guard let state = try state(id, in: snapshot) else { continue }
      var pipeline: JSONObject = ["id": .string(id.text), "name": state.fields["name"] ?? .null]
      pipeline["namespace"] = state.fields["namespace"]
      shown.append(.object(pipeline))
    }
    return shown
  }
}
