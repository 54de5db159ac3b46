import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// What the states of the log hold about a person: values that are sealed with their key, and references to them.
struct SubjectHoldings {
  /// How many ids of one kind are named; the rest is counted.
  private static let namedIDs = 100
  /// How many references are looked at.
  private static let limit = 100_000

  /// Each value with where it stands.
  private(set) var values: [JSON] = []
  /// References by type and field.
  private(set) var references: [JSON] = []
  /// The person, and what belongs to them alone: it goes where they go.
  private(set) var own: [Identifier] = []
  /// The API keys that they made.
  private(set) var keys: [Identifier] = []

  /// Finds them.
  /// - Parameter isTold: Whether what an organization has is for who asks.
  init(
    of person: ResourceState, _ rules: IndexRules, _ view: StateView, _ snapshot: borrowing LogSnapshot,
    where isTold: (Identifier?) -> Bool
  ) throws {
    own = [person.id]
    try add(person, of: person.id, rules, view)
    var found: [String: (field: String, type: String, count: Int, ids: [JSON])] = [:]
    for link in try snapshot.referrers(of: person.id, type: nil, limit: Self.limit) {
      guard let state = try snapshot.state(link.id), let type = rules.model.types[state.type],
        isTold(state.organization)
      else { continue }
      var isOwn = false
      for field in type.references where state.reference(field.name) == person.id {
        if field.field.reference?.onDelete == .cascade { isOwn = true }
        var entry = found["\(type.name).\(field.name)"] ?? (field.name, type.name, 0, [])
        entry.count += 1
        if entry.ids.count < Self.namedIDs { entry.ids.append(.string(state.id.text)) }
        found["\(type.name).\(field.name)"] = entry
      }
      if type.name == "api_key", state.reference("user_id") == person.id { keys.append(state.id) }
      guard isOwn else { continue }
      own.append(state.id)
      try add(state, of: person.id, rules, view)
    }
    references = found.sorted { $0.key < $1.key }.map { _, entry in
      [
        "resource_type": .string(entry.type), "field": .string(entry.field), "count": .integer(Int64(entry.count)),
        "ids": .array(entry.ids),
      ]
    }
  }

  private mutating func add(
    _ state: ResourceState, of person: Identifier, _ rules: IndexRules, _ view: StateView
  ) throws {
    guard let type = rules.model.types[state.type] else { return }
    for field in type.fields {
      guard field.subject != nil, !field.field.isHidden, let stored = state.fields[field.name], !stored.isNull,
        rules.persons(sealing: stored, resource: state.id, field: field.name).contains(person)
      else { continue }
      values.append([
        "resource_type": .string(type.name), "resource_id": .string(state.id.text),
        "organization_id": state.organization.map { .string($0.text) } ?? .null, "field": .string(field.name),
        "value": try view.personal(stored, field: field.name, resource: state.id),
      ])
    }
  }
}
