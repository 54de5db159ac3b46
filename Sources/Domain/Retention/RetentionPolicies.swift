import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// How long an organization's data of a class is kept, and who said so.
struct RetentionRule: Sendable, Equatable {
  /// nil where it is kept for ever.
  let hours: Int64?
  /// The policy in force; nil where there is none.
  let policy: Identifier?
  /// Whether the policy is the organization's own.
  let isOwn: Bool
  /// What the document of the organization's platform says; a policy changes the period and nothing else of it.
  var document: RetentionDocuments.Rule?

  /// What is older goes, at an instant; nil where nothing does.
  func before(_ retentionClass: RetentionClass, at now: Timestamp) -> Timestamp? {
    // A preview says itself until when it is kept, or is kept for ever.
    if retentionClass == .previews { return retentionClass.due(at: now, hours: 0) }
    return hours.map { retentionClass.due(at: now, hours: $0) }
  }

  /// Whether the time that counts is each line's own, and not when it was recorded.
  var isByLine: Bool { document?.age == .line }

  /// Where the period comes from, in the word of answers.
  var source: String {
    if policy != nil { return isOwn ? "organization" : "global" }
    return document != nil ? "document" : hours != nil ? "default" : "kept"
  }
}

extension RetentionPolicies {
  /// The rule for a class of an organization's data; of what belongs to none where there is no organization.
  static func rule(
    _ retentionClass: RetentionClass, organization: Identifier?, in source: borrowing some StateSource & ~Copyable,
    _ documents: RetentionDocuments
  ) throws -> RetentionRule {
    let document = try documents.rule(retentionClass, organization: organization, in: source)
    var rule =
      try policy(retentionClass, organization: organization, in: source)
      ?? RetentionRule(hours: document?.hours ?? retentionClass.defaultHours, policy: nil, isOwn: false)
    rule.document = document
    return rule
  }

  /// The policy in force: an organization's own, raised to the floor where it is bound to it, else the platform's.
  private static func policy(
    _ retentionClass: RetentionClass, organization: Identifier?, in source: borrowing some StateSource & ~Copyable
  ) throws -> RetentionRule? {
    if let organization,
      let own = try policy(
        retentionClass, linkedTo: organization, in: source, where: { $0.organization == organization })
    {
      if own.isBound {
        let floor = try floor(of: retentionClass, in: source)
        if let hours = own.rule.hours, hours < floor {
          return RetentionRule(hours: floor, policy: own.rule.policy, isOwn: true)
        }
      }
      return own.rule
    }
    return try platformRule(retentionClass, in: source)
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
  static func description(
    organization: Identifier?, in source: borrowing some StateSource & ~Copyable, _ documents: RetentionDocuments
  ) throws -> JSON {
    .array(
      try RetentionClass.allCases.map { retentionClass in
        let rule = try rule(retentionClass, organization: organization, in: source, documents)
        return [
          "class": .string(retentionClass.rawValue), "keep_hours": rule.hours.map(JSON.integer) ?? .null,
          "action": retentionClass == .audit ? "archive" : "delete",
          "source": .string(rule.source),
          "policy_id": rule.policy.map { .string($0.text) } ?? .null,
        ]
      })
  }
}
