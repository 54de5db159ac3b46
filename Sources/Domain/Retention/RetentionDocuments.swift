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
    let conditions: [PlatformCondition]

    /// Whether a resource of these fields is one that the document lets go.
    func takes(_ fields: JSONObject, in source: borrowing some StateSource & ~Copyable) throws -> Bool {
      for condition in conditions {
        guard try condition.holds(fields, in: source) else { return false }
      }
      return true
    }
  }

  private let rules: [String: [RetentionClass: Rule]]

  init(catalog: Catalog) {
    var rules: [String: [RetentionClass: Rule]] = [:]
    for platform in catalog.platforms {
      for entry in platform.retention {
        guard let known = RetentionClass(rawValue: entry.retentionClass) else { continue }
        rules[platform.name, default: [:]][known] = Rule(
          hours: entry.keepHours, age: entry.age, conditions: (platform.table(entry.table)?.when ?? []) + entry.only)
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

extension PlatformCondition {
  /// Whether a row with these fields meets the condition.
  func holds(_ fields: JSONObject, in source: borrowing some StateSource & ~Copyable) throws -> Bool {
    var value = fields[field]
    if let reference {
      value = .none
      if let id = fields[reference]?.stringValue.flatMap({ Identifier($0) }) {
        value = try source.state(id)?.fields[field]
      }
    }
    guard let word = value?.stringValue else { return includesAbsent }
    return words.contains(word)
  }
}
