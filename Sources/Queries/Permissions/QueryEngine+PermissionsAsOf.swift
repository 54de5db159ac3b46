import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Projections
import Records
import Refusals

extension QueryMethod {
  /// `permissions.as_of`: who could do what with a resource at a moment.
  static let permissionsAsOf = QueryMethod(
    "permissions.as_of",
    "Who could read, write, execute and administer a resource at a moment: people, API keys and SQL roles.",
    [
      .parameter("id", .uuid, "The resource, one that belongs to an organization.", isRequired: true),
      .parameter("user_id", .uuid, "Only what this person may do, and why; answered where that is nothing, too."),
      .asOf,
    ],
    result: Schemas.object([
      "items": Schemas.array(
        of: Schemas.object(
          ["by": Schemas.string, "permissions": Schemas.array(of: Schemas.string), "principal": Schemas.string])),
      "position": Schemas.integer, "resource_type": Schemas.string,
    ]),
    errors: [.forbidden, .notFound, .tooLarge], example: ["id": .string(ExampleWorld.identifier(of: "pipeline").text)],
    answer: { try await $1.engine.permissions(of: try $0.required("id"), for: $0.identifier("user_id"), AsOf($0), $1) })
}

extension QueryEngine {
  /// The most memberships, keys and the like of one organization that are looked through.
  private static let mostPlaces = 50_000

  fileprivate func permissions(
    of id: Identifier, for person: Identifier?, _ asOf: AsOf?, _ call: QueryCall
  ) async throws -> [UInt8] {
    let position: UInt64 = if let asOf { try await resolve(asOf) } else { log.head.position }
    let (type, organization) = try await log.whileWanted { [self] snapshot in
      guard let state = try snapshot.state(id), let type = catalog.type(state.type), type.hasReadModel,
        let organization = type.name == "organization" ? id : state.organization,
        try call.access(to: type).permits(state, in: snapshot)
      else { throw Refusal.notFound(type: "resource", id: id.text) }
      return (type, organization)
    }
    try authorize(call.principal, in: organization)
    let wait = call.wait.reaching(position)
    let places = try await members("workspace_members", of: organization, wait)
    let memberships = try await members("memberships", of: organization, wait)
    let keys = try await members("api_keys", of: organization, wait)
    let links = try await members("share_links", of: organization, wait)
    let roles = try await members("sql_roles", of: organization, wait)
    let officials = try await officials(wait)
    return try await log.whileWanted { [self] snapshot in
      guard let resource = try Self.past(id, position, snapshot) else {
        throw Refusal.notFound(type: type.name, id: id.text)
      }
      let moment = try snapshot.record(at: position)?.parsedHeader().at ?? clock()
      var principals = PastPrincipals(
        of: organization,
        platform: try Self.past(organization, position, snapshot)?.fields["platform"]?.stringValue)
      for place in places { if let state = try Self.past(place, position, snapshot) { principals.add(place: state) } }
      for membership in memberships {
        if let state = try Self.past(membership, position, snapshot) {
          try principals.add(membership: state) { try Self.past($0, position, snapshot) }
        }
      }
      for key in keys {
        if let state = try Self.past(key, position, snapshot) {
          try principals.add(key: state, at: moment) { try Self.past($0, position, snapshot) }
        }
      }
      for official in officials { try principals.add(official: official) { try Self.past($0, position, snapshot) } }
      let audience = Audience(type)
      let workspace = try Self.workspace(of: resource, position, snapshot)
      let asked = person.map { "user:\($0.text)" }
      let restricted = try restrictedPersons(of: resource, type, position, snapshot)
      var items: [JSON] = []
      for entry in principals.entries {
        let sees = try audience.permits(
          .sees, to: entry.principal, id: id, organization: resource.organization, fields: resource.fields,
          sharing: { [organization] }, referred: { try Self.past($0, position, snapshot)?.fields })
        if let asked, asked != entry.principal.actor { continue }
        var facts = entry.facts
        let allowed =
          sees ? Self.permissions(of: entry.principal, on: resource, type, workspace, principals, &facts) : []
        if !sees, asked != nil { facts["why_not"] = "it is not among what they see" }
        guard !allowed.isEmpty || asked != nil else { continue }
        if Self.isHeldBack(entry.principal, by: restricted) { facts["restricted"] = true }
        items.append(.object(facts.merging(Self.item(entry.principal.actor, allowed))))
      }
      if let asked {
        if items.isEmpty {
          items.append(
            .object(
              Self.item(asked, []).merging(["by": "no place in the organization, or an account that may not act"])))
        }
        return JSON.object([
          "items": .array(items), "position": JSON(position: position), "resource_type": .string(type.name),
        ]).canonicalBytes
      }
      // SQL roles hold no office, and of some types no row is for them.
      let isForRoles = audience.policy.map { $0 != "false" } ?? false
      for role in roles where isForRoles {
        guard let state = try Self.past(role, position, snapshot), let name = state.fields["name"]?.stringValue else {
          continue
        }
        items.append(
          .object(
            Self.item("sql_role:\(name)", [.read]).merging([
              "by": "SQL role", "personal_columns": state.fields["personal"] ?? false,
              "since": .string(state.createdAt.text),
            ])))
      }
      for link in links where workspace != nil {
        guard let state = try Self.past(link, position, snapshot), state.reference("workspace_id") == workspace,
          let item = Self.item(ofLink: state, at: moment)
        else { continue }
        items.append(item)
      }
      if audience.publicFields.contains(where: { resource.fields[$0] == true }) {
        items.append(
          .object(
            Self.item("everybody", [.read]).merging([
              "by": "the resource is public: whoever belongs to some organization reads and uses it"
            ])))
      }
      items.append(
        .object(
          Self.item("local", Permission.allCases).merging([
            "by": "whoever runs as the server's user or as root on its machine, through the Unix socket"
          ])))
      return JSON.object([
        "items": .array(items), "position": JSON(position: position), "resource_type": .string(type.name),
      ]).canonicalBytes
    }
  }

  /// The persons of whom a resource has personal values that could only be stored then (GDPR Art. 18).
  private func restrictedPersons(
    of resource: ResourceState, _ type: ResourceType, _ position: UInt64, _ snapshot: borrowing LogSnapshot
  ) throws -> [Identifier] {
    guard let model = rules.model.types[type.name] else { return [] }
    return try model.persons(of: resource).filter { person in
      guard let record = try snapshot.subjectRecord(of: person),
        let then = try Self.past(record.id, position, snapshot)
      else { return false }
      return Subjects.isRestricted(then)
    }
  }

  /// Whether a restriction keeps somebody from changing and deleting a resource, and from seeing the person's values:
  /// everybody but that person, with the keys that they made, and officers.
  private static func isHeldBack(_ principal: Principal, by restricted: [Identifier]) -> Bool {
    restricted.contains { $0 != principal.subject && !principal.isShownRestricted(of: $0) }
  }

  /// A share link that let people in then, whoever has its token; nil for one that didn't.
  private static func item(ofLink link: ResourceState, at moment: Timestamp) -> JSON? {
    let expiry = link.fields["expires_at"]?.stringValue.flatMap { Timestamp($0) }
    guard link.fields["is_active"]?.boolValue == true, expiry.map({ $0 > moment }) ?? true else { return nil }
    return .object(
      item("share_link:\(link.id.text)", []).merging([
        "by": "share link: whoever has its token, and signs in, joins the workspace",
        "name": link.fields["token_prefix"] ?? .null, "workspace_role": link.fields["role"] ?? .null,
        "expires_at": link.fields["expires_at"] ?? .null,
        "made_by": link.creator.map { .string("user:\($0.text)") } ?? .null, "since": .string(link.createdAt.text),
      ]))
  }

  /// What somebody who sees a resource may do with it, and why besides their place in the organization: in a workspace
  /// by the role there, and with what is their own where the platform knows no roles.
  private static func permissions(
    of principal: Principal, on resource: ResourceState, _ type: ResourceType, _ workspace: Identifier?,
    _ principals: PastPrincipals, _ facts: inout JSONObject
  ) -> [Permission] {
    let organization = type.name == "organization" ? resource.id : resource.organization
    let given = Permission.allCases.filter { principal.allows($0, on: type.plural, organization: organization) }
    guard let organization, !principal.seesEverything, principal.rank(in: organization) == Principal.rank(of: "member"),
      principal.keyPermissions == nil || principal.bound != nil
    else { return given }
    if let workspace {
      let role = principals.role(of: principal.subject, in: workspace)
      facts["workspace_role"] = role.map(JSON.string) ?? .null
      let granted: Set<Permission> =
        switch role {
        case "owner": [.write, .execute, .admin]
        case "editor": Audience.workspaceTypes.contains(type.name) ? [] : [.write, .execute]
        default: []
        }
      return Permission.allCases.filter {
        // A key needs both: its map, and its maker's role.
        $0 == .read
          ? given.contains(.read) : granted.contains($0) && (principal.keyPermissions == nil || given.contains($0))
      }
    }
    guard let subject = principal.subject, resource.creator == subject || resource.reference("owner_id") == subject
    else { return given }
    let own = Permission.allCases.filter { principal.allowsOnOwn($0, on: type.plural, organization: organization) }
    if !own.allSatisfy(given.contains) { facts["is_own"] = true }
    return Permission.allCases.filter { given.contains($0) || own.contains($0) }
  }

  /// The workspace in which a resource lay; nil where in none.
  private static func workspace(
    of resource: ResourceState, _ position: UInt64, _ snapshot: borrowing LogSnapshot
  ) throws -> Identifier? {
    if resource.type == "workspace" { return resource.id }
    if let place = resource.reference("workspace_id") { return place }
    guard let placement = Audience.Placement(of: resource.type), placement.next != nil,
      let target = resource.reference(placement.field), let next = try past(target, position, snapshot)
    else { return nil }
    return try workspace(of: next, position, snapshot)
  }

  /// A resource as it was, where it was there.
  private static func past(
    _ id: Identifier, _ position: UInt64, _ snapshot: borrowing LogSnapshot
  ) throws -> ResourceState? {
    try snapshot.fold(id, through: position).flatMap { $0.isDeleted ? nil : $0 }
  }

  private static func item(_ principal: String, _ permissions: [Permission]) -> JSONObject {
    [
      "principal": .string(principal), "permissions": .array(permissions.map { .string($0.rawValue) }),
    ]
  }

  /// Officers and auditors of the organization, who administers its memberships, and who sees everything.
  private func authorize(_ principal: Principal, in organization: Identifier) throws {
    guard
      principal.seesEverything || principal.holds([.officers, .auditors], in: organization)
        || principal.allows(.admin, on: "memberships", organization: organization)
    else { throw Refusal.forbidden(permission: "memberships:admin") }
  }

  /// What an organization has or had of a type, deleted ones too.
  private func members(_ plural: String, of organization: Identifier, _ wait: ReadWait) async throws -> [Identifier] {
    var sql = SQLBuilder()
    let bound = sql.bind(.uuid(organization.text), as: "uuid")
    sql.append(
      "SELECT t.id FROM daybook.\"\(plural)\" t WHERE t.organization_id = \(bound) LIMIT \(Self.mostPlaces + 1)")
    let found = try await identifiers(sql, ReadModelNeed(rows: [plural]), wait)
    guard found.count <= Self.mostPlaces else {
      throw Refusal.tooLarge(
        limit: Int64(Self.mostPlaces), "The organization has had more \(plural) than this looks through.")
    }
    return found
  }

  /// The people who ever were given a role that reaches beyond organizations.
  private func officials(_ wait: ReadWait) async throws -> [Identifier] {
    let sql = SQLBuilder(
      """
      SELECT DISTINCT t.resource_id AS id FROM daybook.audit_trail t WHERE t.resource_type = 'user' \
      AND t.changes #>> '{role,to}' IN ('admin', 'auditor')
      """)
    return try await identifiers(sql, ReadModelNeed(rows: ["audit_trail"]), wait)
  }
}
