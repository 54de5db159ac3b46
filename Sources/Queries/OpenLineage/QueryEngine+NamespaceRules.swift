import Access
import BasicTypes
import CanonicalJSON
import EventLog
import OpenLineage
import Refusals

extension QueryMethod {
  /// `openlineage.rules`: to which organization the reports of which namespaces go.
  static let namespaceRules = QueryMethod(
    "openlineage.rules",
    "Which namespaces' OpenLineage events go to which organization, as openlineage.map said. For administrators.",
    result: Schemas.object([
      "items": Schemas.array(
        of: Schemas.object([
          "kind": Schemas.string, "match": Schemas.string, "namespace": Schemas.string,
          "organization_id": Schemas.identifier,
        ])), "position": Schemas.integer,
    ]), errors: [.forbidden], answer: { try $1.engine.namespaceRules($1.principal) })
}

extension QueryEngine {
  fileprivate func namespaceRules(_ principal: Principal) throws -> [UInt8] {
    guard principal.isAdministrator else { throw Refusal.forbidden(permission: "administrator") }
    let (rules, position) = try log.read { snapshot in
      let kept = try NamespaceRules.place.resolve { try snapshot.state($0) }.state
      return (NamespaceRules(kept?.fields["rules"]), log.head.position)
    }
    return JSON.object(["items": rules.json, "position": JSON(position: position)]).canonicalBytes
  }
}
