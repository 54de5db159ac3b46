import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// How long an organization's data of a class is kept, and who said so.
struct RetentionRule: Sendable, Equatable {
  let hours: Int64
  /// The policy in force; nil for the documents' own period.
  let policy: Identifier?
  /// Whether the policy is the organization's own.
  let isOwn: Bool
}

extension RetentionPolicies {
  /// The rule for a class of an organization's data; of what belongs to none where there is no organization.
  static func rule(
    _ retentionClass: RetentionClass, organization: Identifier?, in source: borrowing some StateSource & ~Copyable
  ) throws -> RetentionRule {
    if let organization,
      let own = try policy(
        retentionClass, linkedTo: organization, in: source, where: { $0.organization == organization })
    {
      return own
    }
    return try policy(retentionClass, linkedTo: everywhere, in: source, where: { $0.organization == nil })
      ?? RetentionRule(hours: retentionClass.defaultHours, policy: nil, isOwn: false)
  }

  private static func policy(
    _ retentionClass: RetentionClass, linkedTo target: Identifier, in source: borrowing some StateSource & ~Copyable,
    where matches: (ResourceState) -> Bool
  ) throws -> RetentionRule? {
    for link in try source.referrers(of: target, type: type, limit: .max) {
      guard let state = try source.living(link.id, type: type), matches(state), state.fields["is_active"] != false,
        state.fields["class"]?.stringValue == retentionClass.rawValue,
        let hours = state.fields["keep_hours"]?.integerValue
      else { continue }
      return RetentionRule(hours: hours, policy: state.id, isOwn: state.organization != nil)
    }
    return nil
  }

  /// The rules of an organization, as an answer shows them.
  static func description(organization: Identifier?, in source: borrowing some StateSource & ~Copyable) throws -> JSON {
    .array(
      try RetentionClass.allCases.map { retentionClass in
        let rule = try rule(retentionClass, organization: organization, in: source)
        return [
          "class": .string(retentionClass.rawValue), "keep_hours": .integer(rule.hours),
          "action": retentionClass == .audit ? "archive" : "delete",
          "source": rule.policy == nil ? "default" : rule.isOwn ? "organization" : "global",
          "policy_id": rule.policy.map { .string($0.text) } ?? .null,
        ]
      })
  }
}
