import CanonicalJSON

/// Everything that `schema/` says: the resource types, their fields, commands and rules, checked and in one value.
///
/// Commands, validation, `rpc.discover`, JSON Schemas, the permission matrix and the record of processing all come from it.
public struct Catalog: Sendable {
  /// The resource types, in the order of their file names.
  public let types: [ResourceType]
  /// The platforms' documents, table by table, in the order of their file names; see ``Platform``.
  public let platforms: [Platform]
  /// SHA-256 (hex) of the canonical JSON of all files: the `schema` of every event that is written under it.
  public let revision: String
  /// The files as canonical JSON, by file name: what the `catalog.revised` event keeps.
  public let source: JSONObject

  private let typesByName: [String: Int]
  private let commandsByMethod: [String: (type: Int, command: Int)]

  /// A catalog of types that have been checked against each other.
  public init(types: [ResourceType], platforms: [Platform] = [], revision: String, source: JSONObject) {
    self.types = types
    self.platforms = platforms
    self.revision = revision
    self.source = source
    var byName: [String: Int] = [:]
    var byMethod: [String: (type: Int, command: Int)] = [:]
    for (index, type) in types.enumerated() {
      byName[type.name] = index
      for (position, command) in type.commands.enumerated() {
        byMethod["\(type.name).\(command.name)"] = (index, position)
      }
    }
    typesByName = byName
    commandsByMethod = byMethod
  }

  /// The resource type of that name (`pipeline`).
  public func type(_ name: String) -> ResourceType? {
    typesByName[name].map { types[$0] }
  }

  /// The platform of that name (`etl_builder`).
  public func platform(_ name: String) -> Platform? { platforms.first { $0.name == name } }

  /// The command that a method name (`pipeline.rollback`) means, with its resource type.
  public func command(_ method: String) -> (type: ResourceType, command: Command)? {
    commandsByMethod[method].map { (types[$0.type], types[$0.type].commands[$0.command]) }
  }

  /// Every command's method name, in order.
  public var commandMethods: [String] {
    types.flatMap { type in type.commands.map { "\(type.name).\($0.name)" } }
  }
}

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
  /// Boolean fields of which any one that is true makes a living resource public: whoever has signed in may read and use it, whatever organization it
  /// belongs to; changing it needs what it always needs.
  public let publicFields: [String]
  /// Whose eyes its resources are for, where not for all of the organization's.
  public var visibility: Visibility?

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

  /// The implicit `organization_id` of types that may belong to an organization: a reference that never changes, and whose target's deletion takes
  /// the resource along. Nil for types without organizations.
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

/// Whether the resources of a type belong to an organization.
public enum OrganizationRule: String, Sendable {
  /// `organization_id` is required at creation (a key's or a one-organization user's own is the default) and never changes.
  case required
  /// `organization_id` may be absent.
  case optional
  /// The type has no `organization_id` (users, organizations themselves).
  case none
}

/// The kind of value that a field holds, and what PostgreSQL makes of it.
public enum FieldType: String, Sendable, CaseIterable {
  /// Text with a length limit in characters (`varchar`).
  case string
  /// Text without a declared limit.
  case text
  /// Lower-case letters, digits, `-` and `_`.
  case slug
  /// An e-mail address: one `@`, no spaces.
  case email
  /// A 32-bit integer.
  case integer
  /// A 64-bit integer.
  case bigint
  /// A double.
  case float
  /// `true` or `false`.
  case boolean
  /// An RFC 3339 time, kept in UTC with microseconds (`timestamptz`).
  case timestamp
  /// Any JSON value (`jsonb`).
  case json
  /// A JSON object (`jsonb`).
  case object
  /// A JSON array of strings (`text[]` in SQL).
  case tags
  /// A JSON array of objects whose members ``Field/items`` describes (`jsonb`).
  case list
  /// One of ``Field/values``.
  case `enum`
  /// The id of another resource (`uuid`).
  case reference
  /// A UUID that refers to nothing here.
  case uuid
  /// An IPv4 or IPv6 address (`inet`).
  case ip
}

/// One field of a resource type, or one parameter of a command.
public struct Field: Sendable {
  /// The name, the same in JSON and SQL.
  public var name: String
  /// What it holds.
  public var type: FieldType
  /// What it means, in a sentence; may be empty.
  public var summary: String = ""
  /// Whether a living resource must have it (NOT NULL).
  public var isRequired = false
  /// What `create` sets where nothing is given.
  public var defaultValue: JSON?
  /// The greatest length, in Unicode scalars (as PostgreSQL counts `varchar(n)`).
  public var maximumLength: Int?
  /// The greatest length in bytes of UTF-8, for a text that a unique constraint indexes (an index entry of PostgreSQL holds about 2,700 bytes).
  public var maximumBytes: Int?
  /// The least value of a number.
  public var minimum: Double?
  /// The greatest value of a number.
  public var maximum: Double?
  /// The allowed values of an `enum`.
  public var values: [String] = []
  /// Other words that are accepted for a value and stored as it (`completed` for `success`).
  public var synonyms: [String: String] = [:]
  /// Where it holds personal data: whose, and why it may be held.
  public var personal: PersonalData?
  /// Whether the value is a secret that is sealed and never shown, wholly or in its named members.
  public var secret: SecretRule?
  /// What it refers to, for a `reference`.
  public var reference: Reference?
  /// Whether `edit` may change it; false for what is fixed at creation.
  public var isImmutable = false
  /// Whether commands' callers may set it at all; false for what only behaviours and lifecycles set.
  public var isAssignable = true
  /// The members of each object of a `list`.
  public var items: [Field] = []

  /// A field of that name and type, with nothing else said.
  public init(name: String, type: FieldType) {
    self.name = name
    self.type = type
  }
}

/// Whose personal data a field holds, and the record of processing for it (GDPR Art. 30).
public struct PersonalData: Sendable {
  /// Who the data subject is.
  public enum Subject: Sendable, Equatable {
    /// The resource itself is the person (a user).
    case resource
    /// The user whose id the named field holds.
    case field(String)
  }
  /// Whose it is.
  public let subject: Subject
  /// Why it is processed.
  public let purpose: String
  /// The legal basis (GDPR Art. 6).
  public let legalBasis: String
  /// The category of data (contact, identity, usage …).
  public let category: String
  /// How long it is kept.
  public let retention: String
  /// Who receives it.
  public let recipients: String

  /// The record of processing of one field.
  public init(
    subject: Subject, purpose: String, legalBasis: String, category: String, retention: String, recipients: String
  ) {
    self.subject = subject
    self.purpose = purpose
    self.legalBasis = legalBasis
    self.category = category
    self.retention = retention
    self.recipients = recipients
  }
}

/// How much of a field is secret.
public enum SecretRule: Sendable, Equatable {
  /// The whole value is sealed with the organization's key; reads never show it.
  case whole
  /// The members with these names, at any depth of the JSON value, are sealed; reads show `"********"` in their place.
  case members([String])
  /// A one-way hash (a password's, a key's): stored as it is, never shown.
  case hash
}

/// What a reference points to, and what the deletion of its target does.
public struct Reference: Sendable, Equatable {
  /// What happens to the referrer when the target is deleted (the documents' ON DELETE).
  public enum Deletion: String, Sendable {
    /// The referrer is deleted too, with an event of its own.
    case cascade
    /// The deletion is refused, and the refusal names the referrer.
    case restrict
    /// The reference is cleared (SET NULL), with an event of its own.
    case clear
  }
  /// The resource types that may be meant.
  public let types: [String]
  /// What deletion of the target does.
  public let onDelete: Deletion

  /// A reference to one of some types.
  public init(types: [String], onDelete: Deletion) {
    self.types = types
    self.onDelete = onDelete
  }
}

/// Fields that only one living resource may have in this combination. A null in any of them exempts the resource.
public struct UniqueConstraint: Sendable, Equatable {
  /// The name, unique in the catalog (`organization_slug`).
  public let name: String
  /// The fields; `organization_id` may be one of them.
  public let fields: [String]
  /// Whether text is compared without regard to case.
  public let ignoresCase: Bool
  /// The platforms whose organizations it binds; empty for every organization.
  public let platforms: [String]

  /// A constraint of that name.
  public init(name: String, fields: [String], ignoresCase: Bool, platforms: [String]) {
    self.name = name
    self.fields = fields
    self.ignoresCase = ignoresCase
    self.platforms = platforms
  }
}

/// Resources that only one person of the organization sees, besides who administers the type there.
public struct Visibility: Sendable, Equatable {
  /// The field that refers to that user; where it is null, the resource is for everybody.
  public let field: String
  /// The boolean field that, where it is true, makes the resource everybody's.
  public let unless: String?

  /// Resources for the user whom a field names.
  public init(field: String, unless: String?) {
    self.field = field
    self.unless = unless
  }
}

/// The field that moves only along a type's commands.
public struct Lifecycle: Sendable, Equatable {
  /// The governed field (an `enum`).
  public let field: String
  /// The state of a new resource, unless `create` names one of ``initialChoices``.
  public let initial: String
  /// States that `create` may name.
  public let initialChoices: [String]

  /// A lifecycle over a field.
  public init(field: String, initial: String, initialChoices: [String]) {
    self.field = field
    self.initial = initial
    self.initialChoices = initialChoices
  }
}

/// What a caller must be allowed to do: the verbs of an API key's permission map.
public enum Permission: String, Sendable, Codable, CaseIterable {
  case read, write, execute, admin
}

/// One command of a resource type.
public struct Command: Sendable {
  /// What a command does to the resource that `id` names.
  public enum Effect: String, Sendable {
    /// Makes one.
    case create
    /// Changes one.
    case edit
    /// Deletes one, with what depends on it.
    case delete
    /// Moves one along its lifecycle.
    case transition
    /// Whatever the named behaviour computes.
    case behaviour
  }
  /// The verb of the method (`rollback`).
  public var name: String
  /// The verb of the event it records (`rolled_back`).
  public var event: String
  /// What it does, in a sentence.
  public var summary: String = ""
  /// What it does to the resource.
  public var effect: Effect
  /// What the caller needs.
  public var permission: Permission = .write
  /// Lifecycle states from which it is allowed; empty for any.
  public var from: [String] = []
  /// The lifecycle state it leads to.
  public var to: String?
  /// Values it sets besides: a constant, or the strings `$now` (the time of the event) and `$actor` (the acting user's id, or nothing).
  public var sets: JSONObject = [:]
  /// The Swift behaviour that decides it (`pipeline.rollback`).
  public var behaviour: String?
  /// Parameters of its own, besides `id` and those of every command; for `create` and `edit` the assignable fields come on top.
  public var parameters: [Field] = []
  /// Whether it refuses without a `reason`.
  public var requiresReason = false
  /// Whether it needs the `id` of an existing resource.
  public var needsIdentifier = true
  /// Whether only the local administrator and platform administrators may call it.
  public var isAdministrative = false
  /// Whether only the server itself may give it; it is not a method of the socket.
  public var isInternal = false

  /// A command of that name and effect.
  public init(name: String, event: String, effect: Effect) {
    self.name = name
    self.event = event
    self.effect = effect
  }
}

/// What an event carries as `data`: facts that are not state.
public struct Fact: Sendable {
  /// The event's verb (`logged`).
  public let event: String
  /// Members of the event's `data` that are sealed with the key of this organization, class and month; nil where none are.
  public let retentionClass: String?
  /// The names of those members.
  public let sealed: [String]

  /// The facts of one event.
  public init(event: String, retentionClass: String?, sealed: [String]) {
    self.event = event
    self.retentionClass = retentionClass
    self.sealed = sealed
  }
}
