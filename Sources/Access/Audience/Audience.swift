import BasicTypes
import CanonicalJSON
import Catalog

/// Who may see the resources of one type. This is the only place that says so; it is made once from the catalog.
///
/// Three renderings answer the same question where it is asked: ``permits(_:to:id:organization:fields:sharing:)`` of a
/// state of the log, `AudienceCondition` (Queries) in the SQL of a list, `Audience.policy` (Projections) as row-level
/// security for SQL roles. They lie in the modules that know SQL, since this one does not, and each switches over
/// ``Rule`` without a default: a new rule doesn't compile until all three know it. `AudienceTests` runs one table of
/// cases through all three.
///
/// Administrators see everything, and so do auditors of the whole service; no rule says so. Which fields of a resource
/// a caller is shown that they see, ``Disclosure`` says.
package struct Audience: Sendable, Equatable {
  /// One way in which callers come to see a resource.
  package enum Rule: Sendable, Hashable {
    /// Those who belong to the organization that `organization_id` names, guests not among them. What belongs to none
    /// is for administrators.
    case tenant
    /// As ``tenant``, but for members who are narrowed so: for them it is what the two or three rules after this say.
    case tenantExcept(Narrowing)
    /// Members who are narrowed to workspaces: what lies in one where they have a place.
    case colleague(Placement)
    /// The same: what lies in no workspace, of it what they made, or a key of theirs that asks.
    case unplaced(Placement)
    /// Members who are narrowed to files: those whose field names them, and those whose boolean field is true.
    case ownOrShared(field: String, flag: String)
    /// Guests of that organization: what lies in a workspace where they have a place.
    case placed(Placement)
    /// As ``tenant``, but of them only the user whom the field refers to, and who administers the type there. All of
    /// them where the field is null, or the boolean field `unless` is true. A guest: what the field says is theirs.
    case addressee(field: String, unless: String?)
    /// An organization itself: those who belong to it.
    case ownOrganization
    /// A user: those who belong to an organization of which the user is a member.
    case sharedOrganization
    /// A user: that user.
    case oneself
    /// A membership, a place in a workspace or an invitation: the user whom the field refers to, wherever they belong.
    case named(field: String)
    /// Of the organization, only its full members who hold one of these offices (``Principal/office``).
    case offices(Set<Recipient>)
    /// Of the organization, who administers the type there.
    case stewards
    /// Of the organization, who made the resource, as `created_by` says: that person, and the keys they made.
    case maker
    /// Every user, and the API keys that may read the type at home: while the resource lives and one of the boolean
    /// fields is true. It gives the right to read, too.
    case published(anyOf: [String])
  }

  /// The types that are about a workspace itself, which only its owners change.
  package static let workspaceTypes: Set<String> = ["workspace", "workspace_member", "share_link"]

  /// How a resource lies in a workspace.
  package enum Placement: Sendable, Hashable, CaseIterable {
    /// It is the workspace.
    case itself
    /// Its `workspace_id` says in which.
    case direct
    /// As the pipeline of its `pipeline_id` does.
    case byPipeline
    /// As the run of its `run_id` does.
    case byRun

    /// The field that says it.
    package var field: String {
      switch self {
      case .itself: "id"
      case .direct: "workspace_id"
      case .byPipeline: "pipeline_id"
      case .byRun: "run_id"
      }
    }

    /// How what the field refers to lies there.
    package var next: Placement? {
      switch self {
      case .itself, .direct: nil
      case .byPipeline: .direct
      case .byRun: .byPipeline
      }
    }

    /// How resources of a type lie in workspaces; nil for types that don't.
    package init?(of type: String) {
      switch type {
      case "workspace": self = .itself
      case "pipeline", "schema_definition": self = .direct
      case "run": self = .byPipeline
      case "task_run": self = .byRun
      default: return nil
      }
    }
  }

  /// How callers must stand to a resource.
  package enum Standing: Sendable {
    /// They may know that it is there.
    case sees
    /// They may read it too: besides, they have the permission `read` on the type in the organization through which
    /// they see it.
    case reads
  }

  /// The type's plural, as permissions name it.
  package let plural: String
  /// The rules, any one of which suffices; without any, the type is for administrators.
  package let rules: [Rule]
  /// Of records that are about resources of any type: the types that only some offices see, whose records are left out
  /// for all whom these rules let in.
  package let veiled: [String]

  /// An audience of these rules.
  package init(plural: String, rules: [Rule], veiled: [String] = []) {
    self.plural = plural
    self.rules = rules
    self.veiled = veiled
  }

  /// The audience that the catalog gives a type, by its `organization`, `visible_to` and `public`.
  package init(_ type: ResourceType) {
    var rules: [Rule] =
      switch (type.name, type.organization) {
      case ("organization", _): [.ownOrganization]
      case ("user", _): [.oneself, .sharedOrganization]
      case ("membership", _), ("invitation", _): [.tenant, .named(field: "user_id")]
      case ("workspace_member", _): [.tenantExcept(.workspaces), .colleague(.direct), .named(field: "user_id")]
      case ("share_link", _): [.tenantExcept(.workspaces), .colleague(.direct)]
      case ("file", _): [.tenantExcept(.files), .ownOrShared(field: "owner_id", flag: "is_public")]
      case (_, .none): []
      case (_, .required), (_, .optional):
        if let recipients = type.recipients {
          [.offices(Set(recipients))] + (recipients.contains(.organizationAdministrators) ? [.stewards, .maker] : [])
        } else {
          [type.visibility.map { .addressee(field: $0.field, unless: $0.unless) } ?? .tenant]
        }
      }
    if let placement = Placement(of: type.name) {
      rules = rules.map { $0 == .tenant ? .tenantExcept(.workspaces) : $0 }
      rules += [.placed(placement), .colleague(placement)]
      if placement != .itself { rules.append(.unplaced(placement)) }
    }
    if !type.publicFields.isEmpty { rules.append(.published(anyOf: type.publicFields)) }
    self.init(plural: type.plural, rules: rules)
  }

  /// Records that are no resources, each of which belongs to an organization as its event does.
  package static func records(_ plural: String) -> Audience { Audience(plural: plural, rules: [.tenant]) }

  /// The audit trail: of members, only owners, admins, officers and auditors have the permission.
  package static let audit = records("audit")
  /// The log itself, as ``audit``.
  package static let log = records("log")
  /// What programs log about themselves.
  package static let systemLogs = records("systems")

  /// The types whose resources are about one person each, as ``person(of:_:)`` says, separated by commas.
  package static let typesOfPersons = "user,membership,invitation,workspace_member"

  /// The person whom each resource of the type is about: a user, or whose membership, invitation or place it is; nil
  /// for every other type.
  package func person(of id: Identifier, _ fields: JSONObject) -> Identifier? {
    for rule in rules {
      if case .oneself = rule { return id }
      if case .named(let field) = rule { return fields[field]?.stringValue.flatMap { Identifier($0) } }
    }
    return nil
  }

  /// The boolean fields that make a resource public; empty where none do.
  package var publicFields: [String] {
    for case .published(let fields) in rules { return fields }
    return []
  }
}
