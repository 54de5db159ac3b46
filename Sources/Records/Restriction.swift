import BasicTypes
import Catalog
import EventLog

/// A person whose data may only be stored, or might be before, as read models take it over (GDPR Art. 18).
package struct Restriction: Sendable {
  /// Whose.
  package let person: Identifier
  /// The version of the record of it: another one means that something was decided since.
  package let version: Int64
  /// What holds personal values of theirs.
  package let resources: [Identifier]

  /// A restriction of these parts.
  package init(person: Identifier, version: Int64, resources: [Identifier]) {
    self.person = person
    self.version = version
    self.resources = resources
  }
}

extension ResourceModel {
  /// The persons whose personal values a resource has fields for.
  package func persons(of state: ResourceState) -> [Identifier] {
    subjects.compactMap { subject in
      switch subject {
      case .resource: state.id
      case .field(let name): state.reference(name)
      }
    }
  }
}
