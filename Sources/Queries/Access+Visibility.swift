import Access
import BasicTypes
import Catalog
import Postgres

extension Access {
  /// A list's condition, narrowed where resources of the type are for one person's eyes: the caller's own, everybody's,
  /// shared ones, and all of organizations where the caller administers the type.
  func narrowed(_ condition: String, in sql: inout SQLBuilder) -> String {
    guard let visibility = type.visibility, !principal.isAdministrator else { return condition }
    let owner = "t.\"\(visibility.field)\""
    var choices = ["\(owner) IS NULL"]
    if let subject = principal.subject { choices.append("\(owner) = \(sql.bind(.uuid(subject.text), as: "uuid"))") }
    if let flag = visibility.unless { choices.append("t.\"\(flag)\"") }
    let administered = principal.organizations.keys.filter {
      principal.allows(.admin, on: type.plural, organization: $0)
    }
    if !administered.isEmpty { choices.append("t.\"organization_id\" = ANY(\(sql.bind(administered.sorted())))") }
    return "(\(condition) AND (\(choices.joined(separator: " OR "))))"
  }
}
