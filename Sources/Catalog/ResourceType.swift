/// One resource type: one file of `schema/`.
public struct ResourceType: Sendable {
  /// The singular name, as in methods and events (`api_key`).
  public let name: String
  /// The plural, as in SQL tables and permission maps (`api_keys`).
  public let plural: String
  /// What it is, in a sentence or two, and which platform called it what.
  public let summary: String
  /// Whether its resources belong to an organization.
  public let organization: OrganizationRule
  /// A field by which `get` finds one besides `id` (`slug`, `email`).
  public let naturalKeys: [String]
  /// The declared fields. The implicit ones are in ``ResourceType/implicitFields``.
  public let fields: [Field]
  /// Combinations of fields that only one living resource may have.
  public let unique: [UniqueConstraint]
  /// The field that a lifecycle governs, and its first state.
  public let lifecycle: Lifecycle?
  /// Fields whose changed canonical content makes a new version of its own numbering (`version_number`).
  public let versionedContent: [String]
  /// What can be done: `create`, `edit`, `delete` and the special ones.
  public let commands: [Command]
  /// Facts that its events carry as `data` and that are not state (`run.logged` and the like), by event verb.
  public let facts: [Fact]
  /// Whether it can be listed from a read model of its own name; false for system types such as `session`.
  public let hasReadModel: Bool
  /// Boolean fields of which any one that is true makes a living resource public: whoever has signed in may read and
  /// use it, whatever organization it belongs to; changing it needs what it always needs.
  public let publicFields: [String]
  /// Whose eyes its resources are for, where not for all of the organization's.
  public var visibility: Visibility?
  /// Who of its organization sees its resources at all; nil where no list narrows that.
  public var recipients: [Recipient]?
  /// Values that may name people, of which no field says so.
  public var mentions: [PersonalMention] = []
  /// The read model of its versions; nil where it has none.
  package var versionTable: VersionTable?

  /// A resource type from its parts.
  public init(
    name: String, plural: String, summary: String, organization: OrganizationRule, naturalKeys: [String],
    fields: [Field], unique: [UniqueConstraint], lifecycle: Lifecycle?, versionedContent: [String],
    commands: [Command], facts: [Fact], hasReadModel: Bool, publicFields: [String] = []
  ) {
    self.name = name
    self.plural = plural
    self.summary = summary
    self.organization = organization
    self.naturalKeys = naturalKeys
    self.fields = fields
    self.unique = unique
    self.lifecycle = lifecycle
    self.versionedContent = versionedContent
    self.commands = commands
    self.facts = facts
    self.hasReadModel = hasReadModel
    self.publicFields = publicFields
    fieldsByName = Dictionary(fields.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private let fieldsByName: [String: Int]

  /// The declared field of that name.
  public func field(_ name: String) -> Field? { fieldsByName[name].map { fields[$0] } }

  /// The command of that verb.
  public func command(_ name: String) -> Command? { commands.first { $0.name == name } }

  /// Fields that every resource has without declaring them, in the order shown.
  public static let implicitFields = [
    "id", "number", "organization_id", "created_by", "created_at", "updated_at", "version", "deleted_at",
  ]

  /// The implicit `organization_id` of types that may belong to an organization: a reference that never changes, and
  /// whose target's deletion takes the resource along. Nil for types without organizations.
  public var organizationField: Field? {
    guard organization != .none else { return nil }
    var field = Field(name: "organization_id", type: .reference)
    field.summary = "The organization that it belongs to."
    field.isRequired = organization == .required
    field.isImmutable = true
    field.reference = Reference(types: ["organization"], onDelete: .cascade)
    return field
  }

  /// Every field that refers to another resource, the implicit `organization_id` included.
  public var referenceFields: [Field] {
    fields.filter { $0.reference != nil } + (organizationField.map { [$0] } ?? [])
  }

  /// Whether it has any personal field.
  public var hasPersonalFields: Bool { fields.contains { $0.personal != nil } }
}
