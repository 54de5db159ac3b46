import CanonicalJSON
import EventLog
import Records
import Refusals
import Vault

/// Configurations with their secrets, for what has to use them.
enum RevealBehaviours {
  /// `connection.reveal`, `pipeline.reveal`, `run.reveal`: shows the configurations in the clear this once, and records
  /// that they were read, by whom and why. A secret whose key was destroyed shows as `{"erased":true}`.
  static let reveal = Behaviour(decide: { decision in
    let state = try decision.target()
    let plain = try decision.plain(state)
    var data = JSONObject()
    for field in decision.type.fields where field.secretScope != nil {
      guard let value = plain.fields[field.name] else { continue }
      guard SecretMembers.holdsSealed(value) else {
        data[field.name] = value
        continue
      }
      guard SecretMembers.tokens(in: value).allSatisfy({ decision.engine.vault.owner(of: $0.token) != nil }) else {
        throw Refusal.unavailable(
          component: "vault", "The key of a secret in \(field.name) is missing from the vault.")
      }
      data[field.name] = SecretMembers.withoutSealed(value)
    }
    decision.secretMembers["data"] = .object(data)
    try decision.record(decision.command.event, on: state, decision.type, data: [:])
  })
}
