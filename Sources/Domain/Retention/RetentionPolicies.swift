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
      if own.isBound {
        let floor = try floor(of: retentionClass, in: source)
        if own.rule.hours < floor { return RetentionRule(hours: floor, policy: own.rule.policy, isOwn: true) }
      }
      return own.rule
    }
    return try platformRule(retentionClass, in: source)
      ?? RetentionRule(hours: retentionClass.defaultHours, policy: nil, isOwn: false)
  }

  /// For how long organizations keep a class at least: the audit trail as the platform's policy says; anything else no
  /// longer than that.
  static func floor(
    of retentionClass: RetentionClass, in source: borrowing some StateSource & ~Copyable
  ) throws -> Int64 {
    guard let platform = try platformRule(retentionClass, in: source)?.hours else { return retentionClass.floorHours }
    return retentionClass == .audit ? platform : min(platform, retentionClass.floorHours)
  }

  private static func platformRule(
    _ retentionClass: RetentionClass, in source: borrowing some StateSource & ~Copyable
  ) throws -> RetentionRule? {
    try policy(retentionClass, linkedTo: everywhere, in: source, where: { $0.organization == nil })?.rule
  }

  private static func policy(
    _ retentionClass: RetentionClass, linkedTo target: Identifier, in source: borrowing some StateSource & ~Copyable,
    where matches: (ResourceState) -> Bool
  ) throws -> (rule: RetentionRule, isBound: Bool)? {
    for link in try source.referrers(of: target, type: type, limit: .max) {
      guard let state = try source.living(link.id, type: type), matches(state), state.fields["is_active"] != false,
        state.fields["class"]?.stringValue == retentionClass.rawValue,
        let hours = state.fields["keep_hours"]?.integerValue
      else { continue }
      // What an administrator has set, no floor raises.
      let isBound = state.organization != nil && state.fields["by_administrator"] != true
      return (RetentionRule(hours: hours, policy: state.id, isOwn: state.organization != nil), isBound)
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
