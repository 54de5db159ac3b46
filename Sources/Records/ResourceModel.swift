import Access
import Catalog

/// A resource type with what commands on it look up.
package final class ResourceModel: Sendable {
  /// The type itself.
  package let type: ResourceType
  /// Its singular name.
  package let name: String
  /// Its plural.
  package let plural: String
  /// Whether its resources belong to an organization.
  package let organization: OrganizationRule
  /// Who may see its resources.
  package let audience: Audience
  /// The declared fields, in their order.
  package let fields: [FieldModel]
  /// Those that refer to other resources.
  package let references: [FieldModel]
  /// Whose personal data its fields hold, each once.
  package let subjects: [PersonalData.Subject]
  /// Combinations of fields that only one living resource may have.
  package let unique: [UniqueConstraint]
  /// The fields whose changed content makes a new version.
  package let versioned: Set<String>
  /// Whether a change of such a resource can change what some principal may do.
  package let decidesPrincipals: Bool
  /// Facts by verb.
  package let facts: [String: Fact]
  /// The full name of the event that an edit records.
  package let updatedEvent: String
  /// The full name of the event that a deletion records.
  package let deletedEvent: String
  private let byName: [String: FieldModel]

  /// The model of a type.
  package init(_ type: ResourceType) {
    self.type = type
    name = type.name
    plural = type.plural
    organization = type.organization
    audience = Audience(type)
    fields = type.fields.map { FieldModel($0, of: type) }
    references = fields.filter { $0.field.type == .reference }
    subjects = fields.compactMap(\.subject).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    unique = type.unique
    versioned = Set(type.versionedContent)
    decidesPrincipals = ["user", "membership", "workspace_member", "api_key", "organization"].contains(type.name)
    facts = Dictionary(type.facts.map { ($0.event, $0) }, uniquingKeysWith: { _, last in last })
    updatedEvent = "\(type.name).\(type.command("edit")?.event ?? "edited")"
    deletedEvent = "\(type.name).\(type.command("delete")?.event ?? "deleted")"
    byName = Dictionary(fields.map { ($0.field.name, $0) }, uniquingKeysWith: { _, last in last })
  }

  /// The declared field of that name.
  package func field(_ name: String) -> FieldModel? { byName[name] }

  /// The field that the lifecycle governs.
  package var lifecycle: Lifecycle? { type.lifecycle }
}
