import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// People's places in workspaces.
enum WorkspaceMemberBehaviours {
  /// `workspace_member.create`.
  static let create = Behaviour(organizationSource: "workspace_id", decide: { try $0.applyCreation() })

  /// `workspace_member.edit`: a new role; the last owner keeps theirs.
  static let edit = Behaviour(decide: { decision in
    let state = try decision.target()
    if let role = decision.fields["role"]?.stringValue, role != "owner", state.workspaceRole == .owner,
      let workspace = state.reference("workspace_id")
    {
      try WorkspaceRules.requireOwner(of: workspace, in: decision) { $0 != state.id }
    }
    try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
  })

  /// `workspace_member.delete`: by the workspace's owners, or by the member, who leaves; never the last owner's.
  static let delete = Behaviour(authorizesItself: true, decide: { try $0.deleteAsPersonOrAuthorized() })
}
