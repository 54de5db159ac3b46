import Access
import Postgres

/// The rendering as row-level security: what an SQL role sees of a read model.
///
/// A role reads for one organization, so it stands where who administers that organization stands. A session may name
/// a user by `app.current_user_id`: then it stands where that user stands as a member or a guest, and nowhere where
/// they are neither.
/// The functions of `projections/schema/projector.sql` say which organization and whose.
extension Audience {
  /// The condition of the policy; nil where no row is for an SQL role.
  package var policy: String? {
    let choices = rules.compactMap { rule -> String? in
      switch rule {
      case .tenant: Self.isOfOrganization
      // Records of everything tell of what is not for narrowed members, whichever way they are.
      case .tenantExcept where rules.count == 1:
        """
        \(Self.isOfOrganization) AND NOT (\(Self.isNarrowed(.workspaces))) AND NOT (\(Self.isNarrowed(.files)))
        """
      case .tenantExcept(let narrowing): "\(Self.isOfOrganization) AND NOT (\(Self.isNarrowed(narrowing)))"
      case .colleague(let placement):
        """
        \(Self.isNarrowed(.workspaces)) AND \(placement.field) = ANY (ARRAY(SELECT \
        projector.\(Self.own(placement))()))
        """
      case .unplaced(let placement):
        """
        \(Self.isNarrowed(.workspaces)) AND \(Self.isOwn("created_by")) AND (\(placement.field) IS NULL\
        \(Self.unplaced(placement)))
        """
      case .ownOrShared(let field, let flag):
        "\(Self.isNarrowed(.files)) AND (\(Self.isOwn(field)) OR \(PostgresIdentifier.quote(flag)))"
      case .placed(let placement):
        "\(Self.isVisited) AND \(placement.field) = ANY (ARRAY(SELECT projector.\(Self.visited(placement))()))"
      case .addressee(let field, let unless):
        """
        (\(Self.isOfOrganization)) AND \(Self.isShown(field, unless: unless)) \
        OR \(Self.isVisited) AND \(Self.isOwn(field))
        """
      case .ownOrganization:
        "id = ANY (ARRAY(SELECT projector.current_organizations() UNION SELECT projector.visited_organizations()))"
      case .sharedOrganization: "id = ANY (ARRAY(SELECT projector.visible_users()))"
      // A role is no user; the one whom a session names is seen as a member of the role's organization, or not at all.
      case .oneself, .named: nil
      // Nor does a role hold an office.
      case .offices: rules.count == 1 ? "false" : nil
      // A role stands where who administers the organization stands, unless it names somebody.
      case .stewards: "(\(Self.isOfOrganization)) AND \(Self.asking) IS NULL"
      case .maker: "(\(Self.isOfOrganization)) AND \(Self.isOwn("created_by"))"
      case .published(let fields):
        // Public to whoever belongs somewhere.
        """
        ((\(fields.map(PostgresIdentifier.quote).joined(separator: " OR "))) AND deleted_at IS NULL \
        AND EXISTS (SELECT FROM projector.current_organizations() UNION ALL SELECT FROM projector.visited_organizations()))
        """
      }
    }
    guard !choices.isEmpty else { return nil }
    let seen = choices.joined(separator: " OR ")
    guard !veiled.isEmpty else { return seen }
    return "(\(seen)) AND resource_type <> ALL ('{\(veiled.joined(separator: ","))}')"
  }

  private static let isOfOrganization = "organization_id = ANY (ARRAY(SELECT projector.current_organizations()))"

  /// Where the user whom a session names is only a guest.
  private static let isVisited = "organization_id = ANY (ARRAY(SELECT projector.visited_organizations()))"

  /// The function that answers what of a guest's workspaces a placement's field may name.
  private static func visited(_ placement: Placement) -> String {
    switch placement {
    case .itself, .direct: "visited_workspaces"
    case .byPipeline: "visited_pipelines"
    case .byRun: "visited_runs"
    }
  }

  /// Where the user whom a session names is a member who is narrowed so.
  private static func isNarrowed(_ narrowing: Narrowing) -> String {
    "organization_id = ANY (ARRAY(SELECT projector.narrowed_organizations('\(narrowing.platform)')))"
  }

  /// The function that answers what of such a member's workspaces a placement's field may name.
  private static func own(_ placement: Placement) -> String {
    switch placement {
    case .itself, .direct: "own_workspaces"
    case .byPipeline: "own_pipelines"
    case .byRun: "own_runs"
    }
  }

  /// Whether what a placement's field refers to lies in no workspace, after an `IS NULL` of it.
  private static func unplaced(_ placement: Placement) -> String {
    switch placement {
    case .itself, .direct: ""
    case .byPipeline: " OR projector.is_unplaced_pipeline(\(placement.field))"
    case .byRun: " OR projector.is_unplaced_run(\(placement.field))"
    }
  }

  private static func isOwn(_ field: String) -> String {
    "\(PostgresIdentifier.quote(field))::text = lower(\(asking))"
  }

  private static let asking = "nullif(current_setting('app.current_user_id', true), '')"

  /// The rows for the eyes of the user whom a session names: their own, everybody's, and shared ones. A session that
  /// names none reads for its organization.
  private static func isShown(_ field: String, unless: String?) -> String {
    let owner = PostgresIdentifier.quote(field)
    let shared = unless.map { " OR \(PostgresIdentifier.quote($0))" } ?? ""
    return "(\(asking) IS NULL OR \(owner) IS NULL OR \(isOwn(field))\(shared))"
  }
}
