import Access
import BasicTypes
import Postgres

/// The rendering for the audit trail, whose rows are `t` with their personal columns in `p`.
extension RecordScope {
  /// The condition that a row is the caller's to read; nil where all are.
  func sql(in sql: inout SQLBuilder) -> String? {
    guard let organizations else { return nil }
    var own = "t.organization_id = ANY(\(sql.bind(organizations.sorted())))"
    if !veiled.isEmpty {
      own += " AND t.resource_type <> ALL(\(sql.bind(.array(veiled.sorted()), as: "text[]")))"
    }
    func belongs(_ organizations: String, and more: String = "") -> String {
      """
      EXISTS (SELECT FROM daybook.memberships m WHERE m.user_id = t.resource_id \
      AND m.organization_id = ANY(\(organizations)) AND m.is_guest IS NOT TRUE AND m.created_at <= t.at + interval '1 ms' \
      AND (m.deleted_at IS NULL OR m.deleted_at >= t.at)\(more))
      """
    }
    var peoples: [String] = []
    if !overseen.isEmpty { peoples.append(belongs(sql.bind(overseen.sorted()))) }
    if !governed.isEmpty {
      // Who acted: the person, one of that organization, an administrator of the service; a key is some organization's.
      let isTold = """
         AND t.actor NOT LIKE 'api_key:%' AND (t.user_id = t.resource_id OR t.user_id IS NULL \
        OR EXISTS (SELECT FROM daybook.users a WHERE a.id = t.user_id AND a.role = 'admin') \
        OR EXISTS (SELECT FROM daybook.memberships o WHERE o.user_id = t.user_id AND o.deleted_at IS NULL \
        AND o.organization_id = m.organization_id))
        """
      peoples.append(belongs(sql.bind(governed.sorted()), and: isTold))
    }
    guard !peoples.isEmpty else { return "(\(own))" }
    return """
      ((\(own)) OR (t.organization_id IS NULL AND t.resource_type = 'user' AND (\(peoples.joined(separator: " OR ")))))
      """
  }

  /// The condition that a row's reason is for the caller: as `QueryEngine.reason` has it, but that of a membership or
  /// the like not for the person whose it is; nil where every reason is.
  func reason(for principal: Principal, in sql: inout SQLBuilder) -> String? {
    if principal.isAdministrator { return nil }
    var choices = [
      "(coalesce(cardinality(p.about), 0) = 0 AND t.resource_type <> ALL('{\(Audience.typesOfPersons)}'))",
      "t.actor = \(sql.bind(.text(principal.actor), as: "text"))",
    ]
    if case .user(let id) = principal.kind {
      let person = sql.bind(.uuid(id.text), as: "uuid")
      choices.append("\(person) = ANY(p.about)")
      choices.append("t.user_id = \(person)")
      choices.append("(t.resource_type = 'user' AND t.resource_id = \(person))")
    }
    if !officed.isEmpty {
      let officed = sql.bind(self.officed.sorted())
      choices.append("t.organization_id = ANY(\(officed))")
      choices.append(
        "(t.organization_id IS NULL AND cardinality(p.given_in) > 0 AND p.given_in <@ \(officed))")
    }
    return "(\(choices.joined(separator: " OR ")))"
  }

  /// The condition that a row's address and user agent are for the caller: what was done in an organization, for all
  /// who read its audit trail; from where somebody signed in or changed an account, for that person, officers and
  /// administrators. Nil where all are.
  func origin(for principal: Principal, in sql: inout SQLBuilder) -> String? {
    if principal.isAdministrator { return nil }
    var choices = ["t.organization_id IS NOT NULL", "t.actor = \(sql.bind(.text(principal.actor), as: "text"))"]
    if case .user(let id) = principal.kind { choices.append("t.user_id = \(sql.bind(.uuid(id.text), as: "uuid"))") }
    if !officed.isEmpty {
      choices.append(
        """
        (t.resource_type = 'user' AND EXISTS (SELECT FROM daybook.memberships m WHERE m.user_id = t.resource_id \
        AND m.deleted_at IS NULL AND m.is_guest IS NOT TRUE AND m.organization_id = ANY(\(sql.bind(officed.sorted())))))
        """)
    }
    return "(\(choices.joined(separator: " OR ")))"
  }
}
