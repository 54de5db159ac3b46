import BasicTypes
import CanonicalJSON

/// Somebody who works somewhere.
struct Person: Sendable {
  let id: Identifier
  let given: String
  let family: String
  let email: String
  let username: String
  let keycloakID: String
  /// The role on the platform.
  let role: String
  /// The role in the organization.
  let membershipRole: String

  var fullName: String { "\(given) \(family)" }

  /// Makes so many people of a tenant: an owner, an engineer, then others, no two with the same name.
  static func crew(_ count: Int, of tenant: Tenant, in setting: Setting) -> [Person] {
    var chance = setting.chance("\(tenant.slug) people")
    var seen: Set<String> = []
    return (0..<count).map { index in
      var given = chance.one(of: Names.given)
      var family = chance.one(of: Names.family)
      // A second name keeps people apart where a company is larger than the lists.
      while !seen.insert("\(given) \(family)").inserted {
        given = chance.one(of: Names.given)
        family = "\(chance.one(of: Names.family))-\(chance.one(of: Names.family))"
      }
      let local = setting.own("\(given).\(family)".lowercased(), separator: "+")
      return Person(
        id: setting.identifier("\(tenant.slug) person \(index)"), given: given, family: family,
        email: "\(local)@\(tenant.domain)",
        username: setting.own("\(given).\(family).\(tenant.slug.prefix(4))".lowercased(), separator: "."),
        keycloakID: setting.identifier("\(tenant.slug) keycloak \(index)").text,
        role: index < 2 || chance.happens(0.4) ? "developer" : "viewer",
        membershipRole: index == 0 ? "owner" : index == 1 ? "admin" : "member")
    }
  }

  /// The fields that a platform knows of a person.
  func fields(on platform: Platform) -> JSONObject {
    var fields: JSONObject = ["id": .id(id), "email": .string(email), "role": .string(role)]
    switch platform {
    case .etlBuilder:
      fields["username"] = .string(username)
      fields["full_name"] = .string(fullName)
    case .djangoETL:
      fields["username"] = .string(username)
      fields["first_name"] = .string(given)
      fields["last_name"] = .string(family)
      fields["is_staff"] = .bool(false)
      fields["preferences"] = ["theme": "dark", "page_size": 50]
    case .dataAggregator:
      fields["full_name"] = .string(fullName)
      if role == "developer" { fields["role"] = "editor" }
    case .mecapy:
      fields["keycloak_id"] = .string(keycloakID)
      fields["username"] = .string(username)
      fields["first_name"] = .string(given)
      fields["last_name"] = .string(family)
      fields["display_name"] = .string(fullName)
    case .etlab:
      fields["display_name"] = .string(fullName)
      fields["avatar_url"] = .string("https://avatars.example.com/\(username).png")
    }
    return fields
  }
}
