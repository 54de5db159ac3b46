import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain

/// Who a connection speaks for.
enum Session: Sendable {
  /// Nobody: only `session.open`, `server.ping` and `rpc.discover` are answered.
  case none
  /// The peer itself, on the Unix socket.
  case own(Principal)
  /// Somebody who signed in, with what their client calls itself.
  case opened(Principal, userAgent: String?)

  var principal: Principal? {
    switch self {
    case .none: nil
    case .own(let principal), .opened(let principal, _): principal
    }
  }

  var userAgent: String? {
    if case .opened(_, let userAgent) = self { userAgent } else { nil }
  }

  /// The JSON Schema of ``description(of:_:)``.
  static let schema = ServerMethod.object([
    "permissions": ["type": "object"],
    "principal": ServerMethod.object([
      "actor": ["type": "string"], "is_administrator": ["type": "boolean"], "kind": ["type": "string"],
      "organizations": ["type": "object"],
    ]),
  ])

  /// What `session.open` and `session.whoami` answer: who, and the verbs that are
  /// allowed by plural resource in every organization of theirs.
  static func description(of principal: Principal, _ catalog: Catalog) -> JSONObject {
    var who: JSONObject = ["actor": .string(principal.actor), "is_administrator": .bool(principal.isAdministrator)]
    switch principal.kind {
    case .localAdministrator(let uid):
      who["kind"] = "local_administrator"
      who["uid"] = .integer(Int64(uid))
    case .user(let id):
      who["kind"] = "user"
      who["id"] = .string(id.text)
    case .apiKey(let id, let creator):
      who["kind"] = "api_key"
      who["id"] = .string(id.text)
      if let creator { who["creator_id"] = .string(creator.text) }
    case .server:
      who["kind"] = "server"
    }
    if principal.actsForPeople { who["acts_for_people"] = true }
    if let role = principal.platformRole { who["platform_role"] = .string(role) }
    if let expiresAt = principal.expiresAt { who["expires_at"] = .string(expiresAt.text) }
    who["organizations"] = .object(
      JSONObject(members: principal.organizations.map { (key: $0.key.text, value: .string($0.value)) }))
    return ["permissions": .object(permissions(of: principal, catalog)), "principal": .object(who)]
  }

  /// Verbs by plural resource. Where the caller's organizations differ, those that hold in all of them.
  private static func permissions(of principal: Principal, _ catalog: Catalog) -> JSONObject {
    let organizations: [Identifier?] = principal.seesEverything ? [nil] : principal.organizations.keys.map { $0 }
    var permissions: JSONObject = [:]
    guard !organizations.isEmpty else { return permissions }
    for plural in catalog.types.filter(\.hasReadModel).map(\.plural) + ["audit", "log"] {
      let verbs = Permission.allCases.filter { permission in
        organizations.allSatisfy { principal.allows(permission, on: plural, organization: $0) }
      }
      if !verbs.isEmpty { permissions[plural] = .array(verbs.map { .string($0.rawValue) }) }
    }
    return permissions
  }
}
