import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage

/// A report target in memory that holds to a catalog: fields must be declared and pass their checks, unique constraints
/// hold, defaults are set.
package final class MemoryTarget: ReportTarget {
  /// An event that a report made.
  package struct Recorded: Equatable {
    /// Its name (`run.reported`).
    package let event: String
    /// Its resource.
    package let id: Identifier
    /// Its facts.
    package let data: JSONObject
  }

  /// What a report must never do; a sentence says what it did.
  package struct Misuse: Error, CustomStringConvertible {
    package let description: String
  }

  /// What a field can't hold, for which the server refuses the report.
  package struct Refused: Error {
    /// Each fault of the values.
    package let problems: [ValueProblem]
  }

  package var ownOrganization: Identifier?
  package var namespaceRules = NamespaceRules()
  package var defaultOrganization: String?
  /// Every report has come by then.
  package var receivedAt = Timestamp.maximum
  /// What there is, by id.
  package private(set) var states: [Identifier: ResourceState] = [:]
  /// What was recorded, in order.
  package private(set) var events: [Recorded] = []
  private let catalog: Catalog
  private var unique: [[UInt8]: Identifier] = [:]
  private var seen: Set<[UInt8]> = []

  /// A target without any resource.
  /// - Parameter organization: where everything goes; nil for the administrator, whose reports say it.
  package init(catalog: Catalog, organization: Identifier?) {
    self.catalog = catalog
    ownOrganization = organization
  }

  package func find(type: String, constraint: String, values: [JSON]) throws -> ResourceState? {
    let rule = try required(
      catalog.type(type)?.unique.first { $0.name == constraint }, "\(type) has no constraint \(constraint)")
    try hold(rule.fields.count == values.count, "\(constraint) is looked up by \(values.count) values")
    return unique[key(constraint, values)].flatMap { states[$0] }
  }

  package func state(_ id: Identifier) throws -> ResourceState? { states[id] }

  package func isFirstReport(digest: [UInt8], organization: Identifier) throws -> Bool {
    seen.insert(digest + organization.bytes).inserted
  }

  package func create(
    type: String, id: Identifier?, organization: Identifier?, fields: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState {
    let declared = try required(catalog.type(type), "there is no type \(type)")
    var given = fields
    for field in declared.fields where !given.contains(field.name) && !UnsaidFields.contains(field.name, of: type) {
      given[field.name] = field.defaultValue
    }
    for field in declared.fields where field.isRequired {
      try hold(given.contains(field.name), "\(type) is made without \(field.name)")
    }
    if let organization { given["organization_id"] = .string(organization.text) }
    try hold(
      (declared.organization == .required) == (organization != nil), "\(type) is made in the wrong organization")
    let identifier = id ?? Identifier.version7(at: Timestamp(microseconds: Int64(states.count)))
    try hold(states[identifier] == nil, "the id \(identifier) is taken twice")
    let state = ResourceState(
      id: identifier, type: type, organization: organization, version: 0, createdAt: .minimum, updatedAt: .minimum,
      position: 0, fields: [:])
    return try apply(state, set: given, event: event, data: data)
  }

  package func change(
    _ state: ResourceState, set: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState {
    let current = try existing(state.id)
    try hold(current == state, "a state of \(state.type) is changed that is not the last one")
    let differing = set.filter { $0.value != (current.fields[$0.key] ?? .null) }
    if differing.isEmpty, data.isEmpty { return current }
    return try apply(current, set: differing, event: event, data: data)
  }

  /// The state of that id, which must be there.
  package func existing(_ id: Identifier?) throws -> ResourceState {
    try required(id.flatMap { states[$0] }, "there is no resource \(id?.text ?? "without an id")")
  }

  /// Deletes a resource, as a person would.
  package func delete(_ id: Identifier) throws {
    var deleted = try existing(id)
    for (constraint, holder) in unique where holder == id { unique[constraint] = nil }
    deleted.merge(["deleted_at": "2026-01-01T00:00:00.000000Z"])
    states[id] = deleted
  }

  /// The resources of a type, in the order of their ids.
  package func all(_ type: String) -> [ResourceState] {
    states.values.filter { $0.type == type }.sorted { $0.id < $1.id }
  }

  /// Everything that must not depend on the order of reports, as one canonical text.
  package var summary: String {
    let lines = states.values.map { state -> (String, JSON) in
      (state.id.text, .object(["type": .string(state.type), "fields": .object(state.fields)]))
    }
    return JSONObject(members: lines.map { (key: $0.0, value: $0.1) }).canonicalString
  }

  /// Takes an event in.
  @discardableResult
  package func record(_ json: JSONObject) throws -> OpenLineageReport<MemoryTarget>.Outcome {
    try OpenLineageReport.record(OpenLineageEvent.parse(json), in: self)
  }

  private func apply(
    _ state: ResourceState, set: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState {
    let type = try required(catalog.type(state.type), "there is no type \(state.type)")
    for (name, value) in set where name != "organization_id" {
      let field = try required(type.field(name), "\(state.type) has no field \(name)")
      var problems: [ValueProblem] = []
      let normal = FieldCheck.check(value, field: field, path: "/\(name)", problems: &problems)
      guard problems.isEmpty else { throw Refused(problems: problems) }
      try hold(normal == value, "\(state.type).\(name) is not in its normal form")
      if let reference = field.reference, let text = value.stringValue {
        let target = try existing(Identifier(text))
        try hold(reference.types.contains(target.type), "\(state.type).\(name) refers to a \(target.type)")
      }
    }
    var changed = state
    changed.merge(set)
    changed.version += 1
    states[changed.id] = changed
    events.append(Recorded(event: "\(state.type).\(event)", id: state.id, data: data))
    for rule in type.unique {
      let values = rule.fields.compactMap { changed.fields[$0] }
      guard values.count == rule.fields.count else { continue }
      let holder = unique[key(rule.name, values)]
      try hold(holder == nil || holder == changed.id, "\(rule.name) is held twice")
      unique[key(rule.name, values)] = changed.id
    }
    return changed
  }

  private func key(_ constraint: String, _ values: [JSON]) -> [UInt8] {
    Array(constraint.utf8) + JSON.array(values).canonicalBytes
  }

  private func hold(_ isTrue: Bool, _ otherwise: @autoclosure () -> String) throws {
    guard isTrue else { throw Misuse(description: otherwise()) }
  }

  private func required<Value>(_ value: Value?, _ otherwise: @autoclosure () -> String) throws -> Value {
    guard let value else { throw Misuse(description: otherwise()) }
    return value
  }
}
