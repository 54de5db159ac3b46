import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// What another catalog means for the resources that a log holds: what contradicts it, which resources lack a field
/// that it requires and has a default for, and which unique constraints have no index yet.
struct CatalogChange: Sendable {
  /// A kind of contradiction: what is wrong, and how to go about it.
  struct Contradiction: Sendable, Hashable {
    let problem: String
    let remedy: String
  }

  private let model: CatalogModel
  private let rules: IndexRules
  private var counts: [Contradiction: Int] = [:]
  /// The defaults that resources lack, by type and field.
  private var lacking: [String: JSONObject] = [:]
  /// The unique constraints whose index has to be made.
  private(set) var unindexed: Set<String> = []
  /// Who has which of their keys.
  private(set) var keys: [String: [[UInt8]: Identifier]] = [:]

  init(model: CatalogModel, rules: IndexRules) {
    self.model = model
    self.rules = rules
  }

  /// The recorded defaults, and those of the fields that were found missing. A recorded one stays as it is.
  func defaults(besides recorded: StateDefaults) -> StateDefaults {
    var all = recorded.json
    for (type, fields) in lacking {
      all[type] = .object(fields.merging(recorded.values(of: type)))
    }
    return StateDefaults(all)
  }

  private static func completed(_ state: ResourceState, _ type: ResourceModel) -> ResourceState {
    var state = state
    for field in type.fields where !state.fields.contains(field.name) {
      if let value = field.laterDefault { state.fields[field.name] = value }
    }
    return state
  }

  /// Looks at one resource.
  mutating func examine(_ state: ResourceState, in snapshot: borrowing LogSnapshot) throws {
    guard let type = model.types[state.type] else {
      guard !state.isDeleted else { return }
      return count(
        "\(state.type): the resource type is gone, but resources of it are held",
        "Keep its file, or delete its resources first.")
    }
    // A type without commands of its own holds only what Daybook records about itself.
    if type.type.hasReadModel {
      for field in type.fields where field.field.isRequired && !state.fields.contains(field.name) {
        if let value = field.laterDefault {
          lacking[type.name, default: [:]][field.name] = value
        } else if !state.isDeleted {
          count("\(type.name).\(field.name): is required, but missing", field.missingRemedy)
        }
      }
    }
    guard !state.isDeleted else { return }
    for (name, value) in state.fields {
      if let field = type.field(name) {
        if type.type.hasReadModel, let misfit = field.misfit(value) {
          count("\(type.name).\(name): \(misfit.problem)", misfit.remedy)
        }
      } else if !ResourceType.implicitFields.contains(name), state.id != CommandEngine.catalogIdentifier {
        count(
          "\(type.name).\(name): the field is gone, but values of it are held",
          "Keep it, or clear it first: give null to \(type.name).edit under the catalog that has it.")
      }
    }
    for (constraint, key) in try heldKeys(state, type, in: snapshot) where !unindexed.contains(constraint.name) {
      let holder = try snapshot.holder(constraint: constraint.name, key: key)
      if holder != state.id { unindexed.insert(constraint.name) }
    }
  }

  /// Takes down which keys of constraints without an index one resource holds, once all have been looked at.
  mutating func collectKeys(_ state: ResourceState, in snapshot: borrowing LogSnapshot) throws {
    guard !state.isDeleted, let type = model.types[state.type] else { return }
    for (constraint, key) in try heldKeys(state, type, in: snapshot) where unindexed.contains(constraint.name) {
      guard keys[constraint.name]?[key] == nil else {
        count(
          "\(type.name): several resources have the same \(constraint.fields.joined(separator: " and "))",
          "Leave the constraint \(constraint.name) out until they differ: change them by \(type.name).edit.")
        continue
      }
      keys[constraint.name, default: [:]][key] = state.id
    }
  }

  /// The unique keys of a living resource, those of its forms too, as they are once the defaults of what it lacks have
  /// been recorded.
  private func heldKeys(
    _ state: ResourceState, _ type: ResourceModel, in snapshot: borrowing LogSnapshot
  ) throws -> [(constraint: UniqueConstraint, key: [UInt8])] {
    guard !type.unique.isEmpty else { return [] }
    let state = CatalogChange.completed(state, type)
    return try type.unique.flatMap { constraint -> [(constraint: UniqueConstraint, key: [UInt8])] in
      guard try rules.binds(constraint, state.organization, { try snapshot.state($0)?.fields["platform"]?.stringValue })
      else { return [] }
      return try rules.keys(constraint, of: state, type)?.all(for: state.id).map { (constraint, $0) } ?? []
    }
  }

  private mutating func count(_ problem: String, _ remedy: String) {
    counts[Contradiction(problem: problem, remedy: remedy), default: 0] += 1
  }

  /// - Throws: ``Refusal`` `conflict` where something contradicts, with the count and the way out of each kind.
  func refuse() throws {
    guard !counts.isEmpty else { return }
    let sorted = counts.sorted { $0.key.problem < $1.key.problem }
    throw Refusal.conflict(
      reason: "state",
      "The catalog contradicts what the log holds. "
        + sorted.prefix(10).map { "\($0.key.problem) (\($0.value) resources). \($0.key.remedy)" }
        .joined(separator: " "),
      [
        "contradictions": .array(
          sorted.map { contradiction, count in
            [
              "problem": .string(contradiction.problem), "count": .integer(Int64(count)),
              "remedy": .string(contradiction.remedy),
            ]
          })
      ])
  }
}
