import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// What the platforms' documents say is to go, by platform and class: what no document names is kept.
struct RetentionDocuments: Sendable {
  /// What a document says of one class.
  struct Rule: Sendable, Equatable {
    let hours: Int64
    let age: PlatformRetention.Age
    /// What must hold for a row of a resource, that it goes: it is one of the documented table's, and of those that
    /// the document takes of it.
    let conditions: [Condition]

    /// Whether a resource of these fields is one that the document lets go.
    func takes(_ fields: JSONObject, in source: borrowing some StateSource & ~Copyable) throws -> Bool {
      for condition in conditions {
        guard try condition.holds(fields, in: source) else { return false }
      }
      return true
    }
  }

  /// What must hold, with what a field that nobody has told counts as, as one that no report has said: its default.
  struct Condition: Sendable, Equatable {
    private let condition: PlatformCondition
    private let untold: String?

    init(_ condition: PlatformCondition, of type: ResourceType?, in catalog: Catalog) {
      let holder =
        condition.reference.map { name in
          type?.field(name)?.reference?.types.first.flatMap { catalog.type($0) }
        } ?? type
      self.condition = condition
      untold = holder?.field(condition.field)?.defaultValue?.stringValue
    }

    /// Whether a row with these fields meets the condition.
    func holds(_ fields: JSONObject, in source: borrowing some StateSource & ~Copyable) throws -> Bool {
      var value = fields[condition.field]
      if let reference = condition.reference {
        guard let id = fields[reference]?.stringValue.flatMap({ Identifier($0) }),
          let state = try source.state(id)
        else { return condition.includesAbsent }
        value = state.fields[condition.field]
      }
      guard let word = value?.stringValue ?? untold else { return condition.includesAbsent }
      return condition.words.contains(word)
    }
  }

  private let rules: [String: [RetentionClass: Rule]]

  init(catalog: Catalog) {
    var rules: [String: [RetentionClass: Rule]] = [:]
    for platform in catalog.platforms {
      for entry in platform.retention {
        guard let known = RetentionClass(rawValue: entry.retentionClass) else { continue }
        let table = platform.table(entry.table)
        let type = table?.resource.flatMap { catalog.type($0) }
        rules[platform.name, default: [:]][known] = Rule(
          hours: entry.keepHours, age: entry.age,
          conditions: ((table?.when ?? []) + entry.only).map { Condition($0, of: type, in: catalog) })
      }
    }
    self.rules = rules
  }

  /// What the document of an organization's platform says of a class; nil where it says nothing, or there is none.
  func rule(
    _ retentionClass: RetentionClass, organization: Identifier?, in source: borrowing some StateSource & ~Copyable
  ) throws -> Rule? {
    guard let organization, let platform = try source.state(organization)?.fields["platform"]?.stringValue else {
      return nil
    }
    return rules[platform]?[retentionClass]
  }
}
