import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// Invitations to workspaces.
enum ShareLinkBehaviours {
  /// How many characters of a token are kept to tell links apart: `dbs_` and eight more.
  static let prefixLength = 12

  /// `share_link.create`: makes the token, shows it this once, keeps its SHA-256.
  static let create = Behaviour(
    organizationSource: "workspace_id",
    decide: { decision in
      try checkExpiry(decision)
      let token = SecretToken.make(prefix: "dbs_")
      try decision.applyCreation([
        "token_hash": .string(SecretToken.sha256Hex(token)),
        "token_prefix": .string(String(token.prefix(prefixLength))),
      ])
      decision.secretMembers["token"] = .string(token)
    })

  /// `share_link.edit`: another expiry.
  static let edit = Behaviour(decide: { decision in
    let state = try decision.target()
    try checkExpiry(decision)
    try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
  })

  /// `share_link.mark_used`: counts one who joined.
  static let markUsed = Behaviour(decide: { decision in
    try count(decision.target(), decision, causation: nil)
  })

  /// Counts one who joined by the link.
  static func count(_ link: ResourceState, _ decision: Decision, causation: Identifier?) throws {
    let count = link.fields["use_count"]?.integerValue ?? 0
    try decision.edit(
      link, decision.model.type("share_link"), event: "share_link.used",
      values: ["use_count": .integer(min(count + 1, Int64(Int32.max)))], causation: causation)
  }

  private static func checkExpiry(_ decision: Decision) throws {
    guard let text = decision.fields["expires_at"]?.stringValue, let expiry = Timestamp(text), expiry <= decision.now
    else { return }
    throw Refusal.invalidParam("/expires_at", "must be in the future; share_link.revoke ends a link now")
  }
}
