import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// Secrets that connections use.
enum CredentialBehaviours {
  /// `credential.create`: sealed data, and the id of the key that seals it.
  static let create = Behaviour(decide: { decision in
    guard let organization = try decision.newOrganization() else {
      throw Refusal.invalidParam("/organization_id", "is required: say which organization it belongs to")
    }
    try decision.authorize(in: organization)
    try decision.applyCreation(["encryption_key_id": .string(try keyID(decision, organization))])
  })

  /// `credential.rotate`: new data; nothing is recorded where it is the old data.
  static let rotate = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let organization = state.organization, let data = decision.parameters["data"] else {
      throw Refusal.invalidParam("/data", "is required")
    }
    var values: JSONObject = ["data": data]
    if let expiry = decision.parameters["expires_at"] { values["expires_at"] = expiry }
    if let before = state.fields["data"],
      try decision.engine.sealer.open(before, resource: state.id, field: "data") == .value(data),
      values["expires_at"] == nil || values["expires_at"] == state.fields["expires_at"]
    {
      return
    }
    values["rotated_at"] = .string(decision.now.text)
    values["encryption_key_id"] = .string(try keyID(decision, organization))
    try decision.edit(state, decision.type, event: decision.command.event, values: values)
  })

  /// `credential.reveal`: shows the data this once, and records that it was read, by whom and why.
  static let reveal = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let stored = state.fields["data"] else {
      throw Refusal.notFound(type: decision.type.name, id: state.id.text)
    }
    switch try decision.engine.sealer.open(stored, resource: state.id, field: "data") {
    case .value(let data): decision.secretMembers["data"] = data
    case .erased:
      throw Refusal.gone(type: decision.type.name, id: state.id.text, since: state.updatedAt.text)
    case .locked:
      throw Refusal.unavailable(component: "vault", "The key of this credential is missing from the vault.")
    }
    try decision.record(decision.command.event, on: state, decision.type, data: [:])
  })

  /// How many days before a credential expires its organization is warned.
  static let warningDays: Int64 = 14

  /// `credential.warn_expiry`: tells the organization, once for each date, that a credential is about to expire, or
  /// has. Nothing happens where it doesn't expire within ``warningDays``, or where they have been told.
  static let warnExpiry = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let text = state.fields["expires_at"]?.stringValue, let expiry = Timestamp(text),
      state.fields["expiry_warned_for"] != .string(text),
      expiry <= decision.now.adding(seconds: warningDays * 86_400)
    else { return }
    guard
      let warned = try decision.edit(
        state, decision.type, event: decision.command.event, values: ["expiry_warned_for": .string(text)])
    else { return }
    let notification = try decision.model.type("notification")
    let verb = notification.type.command("notify")?.event ?? "created"
    let name = state.fields["name"]?.stringValue ?? ""
    let isPast = expiry <= decision.now
    try decision.create(
      Decision.Creation(
        type: notification, event: "notification.\(verb)", organization: state.organization,
        values: [
          "type": "warning", "title": isPast ? "A credential has expired" : "A credential is about to expire",
          "message": .string("The credential \(name) \(isPast ? "expired" : "expires") at \(text). Rotate it."),
          "resource_type": .string(decision.type.name), "resource_id": .string(state.id.text), "is_read": false,
        ], causation: warned.id))
  })

  /// The id of the data key that seals an organization's secrets now, as it stands in every token it makes.
  private static func keyID(_ decision: Decision, _ organization: Identifier) throws -> String {
    let probe = try decision.engine.vault.seal(
      .null, for: .organization(organization),
      context: SealContext(eventID: organization, resourceID: organization, field: "encryption_key_id"))
    guard let id = TokenKey.identifier(of: probe) else {
      throw Refusal.internalError("A sealed value has no key id.")
    }
    return id.text
  }
}

/// Reads the data-key id out of a sealed value: bytes 1 to 16 of the token, after the format version.
enum TokenKey {
  static func identifier(of token: JSON) -> Identifier? {
    guard let text = token["$sealed"]?.stringValue else { return nil }
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for character in text.utf8.prefix(24) {
      guard let value = sextet(character) else { return nil }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    guard bytes.count >= 17 else { return nil }
    return Identifier(bytes: bytes[1..<17])
  }

  private static func sextet(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
