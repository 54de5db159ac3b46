import Catalog

/// What the members of an organization don't share with each other unless they say so, since the document of its
/// platform has it so. Owners, admins, officers and auditors of the organization are not narrowed; a guest is by that.
package enum Narrowing: Sendable, Hashable {
  /// A workspace, what lies in it and who is in it is for those who have a place in it (ETLab).
  case workspaces
  /// A file is for its owner, until it is public (MecaPy).
  case files

  /// The word of `organization.platform` for the platform whose document it is.
  package var platform: String {
    switch self {
    case .workspaces: "etlab"
    case .files: "mecapy"
    }
  }

  /// How a member is narrowed; nil where they aren't.
  /// - Parameter role: as in ``Principal/organizations``.
  package init?(role: String, platformRole: String?, platform: String?) {
    guard role == "member", platformRole != "officer", platformRole != "auditor", platformRole != "admin" else {
      return nil
    }
    switch platform {
    case Narrowing.workspaces.platform: self = .workspaces
    case Narrowing.files.platform: self = .files
    default: return nil
    }
  }

  /// How resources of a type are narrowed; nil for types that aren't.
  package init?(of type: String) {
    switch type {
    case "workspace", "workspace_member", "share_link", "pipeline", "schema_definition", "run", "task_run":
      self = .workspaces
    case "file": self = .files
    default: return nil
    }
  }

  /// What every member may do with what is their own, whatever their platform role: these platforms have no such roles.
  package func permissionsOnOwn(_ plural: String) -> Set<Permission> {
    switch (self, plural) {
    case (.workspaces, "workspaces"): [.write]
    case (.workspaces, "connections"): [.write, .execute]
    case (.workspaces, "runs"): [.execute]
    case (.files, "files"), (.files, "calculations"): [.write, .execute]
    default: []
    }
  }
}
