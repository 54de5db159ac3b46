import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Foundation
import OpenLineage
import TestBasics
import Testing

/// A report target in memory that holds to the real catalog: fields must be declared and pass their checks, unique
/// constraints hold, defaults are set.
final class MemoryTarget: ReportTarget {
  struct Recorded: Equatable {
    let event: String
    let id: Identifier
    let data: JSONObject
  }

  // Nil where it doesn't load: then `init` fails every test.
  static let catalog: Catalog? = try? Catalog.load(folder: Repository.root + "/schema")

  let catalog: Catalog
  var ownOrganization: Identifier?
  /// Every report has come by then.
  var receivedAt = Timestamp.maximum
  private(set) var states: [Identifier: ResourceState] = [:]
  private(set) var events: [Recorded] = []
  private var unique: [String: Identifier] = [:]
  private var seen: Set<[UInt8]> = []

  init(organization: Identifier?) throws {
    catalog = try #require(Self.catalog)
    ownOrganization = organization
  }

  func find(type: String, constraint: String, values: [JSON]) throws -> ResourceState? {
    let rule = try #require(catalog.type(type)?.unique.first { $0.name == constraint })
    #expect(rule.fields.count == values.count)
    return unique[key(constraint, values)].flatMap { states[$0] }
  }

  func state(_ id: Identifier) throws -> ResourceState? { states[id] }

  func isFirstReport(digest: [UInt8], organization: Identifier) throws -> Bool {
    seen.insert(digest + organization.bytes).inserted
  }

  func create(
    type: String, id: Identifier?, organization: Identifier?, fields: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState {
    let declared = try #require(catalog.type(type))
    var given = fields
    for field in declared.fields where !given.contains(field.name) { given[field.name] = field.defaultValue }
    for field in declared.fields where field.isRequired { #expect(given.contains(field.name), "\(type).\(field.name)") }
    if let organization { given["organization_id"] = .string(organization.text) }
    #expect((declared.organization == .required) == (organization != nil))
    let identifier = id ?? Identifier.version7(at: Timestamp(microseconds: Int64(states.count)))
    #expect(states[identifier] == nil, "an id twice")
    let state = ResourceState(
      id: identifier, type: type, organization: organization, version: 0, createdAt: .minimum, updatedAt: .minimum,
      position: 0, fields: [:])
    return try apply(state, set: given, event: event, data: data)
  }

  func change(_ state: ResourceState, set: JSONObject, event: String, data: JSONObject) throws -> ResourceState {
    let current = try #require(states[state.id])
    #expect(current == state, "a change of a state that is not the last one")
    let differing = set.filter { $0.value != (current.fields[$0.key] ?? .null) }
    if differing.isEmpty, data.isEmpty { return current }
    return try apply(current, set: differing, event: event, data: data)
  }

  /// The state of that id, which must be there.
  func existing(_ id: Identifier?) throws -> ResourceState {
    let identifier = try #require(id)
    return try #require(states[identifier])
  }

  func delete(_ id: Identifier) throws {
    let state = try #require(states[id])
    for (constraint, holder) in unique where holder == id { unique[constraint] = nil }
    var deleted = state
    deleted.merge(["deleted_at": "2026-01-01T00:00:00.000000Z"])
    states[id] = deleted
  }

  private func apply(
    _ state: ResourceState, set: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState {
    let type = try #require(catalog.type(state.type))
    for (name, value) in set where name != "organization_id" {
      let field = try #require(type.field(name), "\(state.type) has no field \(name)")
      var problems: [ValueProblem] = []
      let normal = FieldCheck.check(value, field: field, path: "/\(name)", problems: &problems)
      #expect(problems.isEmpty, "\(state.type): \(problems)")
      #expect(normal == value, "\(state.type).\(name) is not in its normal form")
      if let reference = field.reference, let text = value.stringValue {
        let target = try #require(Identifier(text).flatMap { states[$0] }, "\(name) refers to nothing")
        #expect(reference.types.contains(target.type))
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
      #expect(holder == nil || holder == changed.id, "\(rule.name) twice")
      unique[key(rule.name, values)] = changed.id
    }
    return changed
  }

  private func key(_ constraint: String, _ values: [JSON]) -> String {
    constraint + JSON.array(values).canonicalString
  }

  /// Everything that must not depend on the order of reports, as one canonical text.
  var summary: String {
    let lines = states.values.map { state -> (String, JSON) in
      (state.id.text, .object(["type": .string(state.type), "fields": .object(state.fields)]))
    }
    return JSONObject(members: lines.map { (key: $0.0, value: $0.1) }).canonicalString
  }

  func all(_ type: String) -> [ResourceState] {
    states.values.filter { $0.type == type }.sorted { $0.id < $1.id }
  }

  @discardableResult
  func record(_ json: JSONObject) throws -> OpenLineageReport<MemoryTarget>.Outcome {
    try OpenLineageReport.record(OpenLineageEvent.parse(json), in: self)
  }
}

/// The events of the outside test data.
enum RealEvents {
  /// The events of a file: one a line, one alone, or an array.
  static func read(_ path: String) throws -> [JSONObject] {
    let text = String(decoding: try Repository.shared(path), as: UTF8.self)
    if path.hasSuffix(".ndjson") {
      return try text.split(separator: "\n").map { try #require(try JSON.parse(String($0)).objectValue) }
    }
    let json = try JSON.parse(text)
    if let array = json.arrayValue { return try array.map { try #require($0.objectValue) } }
    return [try #require(json.objectValue)]
  }

  static let files = [
    "openlineage/compatibility_74_run_events.ndjson", "marquez/metadata_26_run_events.json",
    "marquez/event_large.json", "marquez/event_required_no_timezone.json", "marquez/event_unicode.json",
    "marquez/event_without_schema_url.json",
  ]
}
