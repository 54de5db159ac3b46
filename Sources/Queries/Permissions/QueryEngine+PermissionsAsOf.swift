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
    [.parameter("id", .uuid, "The resource, one that belongs to an organization.", isRequired: true), .asOf],
    result: Schemas.object([
      "items": Schemas.array(
        of: Schemas.object(
          ["by": Schemas.string, "permissions": Schemas.array(of: Schemas.string), "principal": Schemas.string])),
      "position": Schemas.integer, "resource_type": Schemas.string,
    ]),
    errors: [.forbidden, .notFound, .tooLarge], example: ["id": .string(ExampleWorld.identifier(of: "pipeline").text)],
    answer: { try await $1.engine.permissions(of: try $0.required("id"), AsOf($0), $1) })
}

extension QueryEngine {
  /// The most memberships, keys and the like of one organization that are looked through.
  private static let mostPlaces = 50_000

  fileprivate func permissions(of id: Identifier, _ asOf: AsOf?, _ call: QueryCall) async throws -> [UInt8] {
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
      var items: [JSON] = []
      for entry in principals.entries {
        let sees = try audience.permits(
          .sees, to: entry.principal, id: id, organization: resource.organization, fields: resource.fields,
          sharing: { [organization] }, referred: { try Self.past($0, position, snapshot)?.fields })
        let allowed = Permission.allCases.filter {
          sees && entry.principal.allows($0, on: type.plural, organization: organization)
        }
        guard !allowed.isEmpty else { continue }
        items.append(.object(entry.facts.merging(Self.item(entry.principal.actor, allowed))))
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
