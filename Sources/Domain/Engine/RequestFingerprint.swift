import BasicTypes
import CanonicalJSON
import Crypto
import EventLog
import Records
import Vault

/// What tells whether a command id is given again for the same request: kept as long as the answer, and so in two
/// parts, none of which says anything of a secret, or of a person once that person is erased.
struct RequestFingerprint: Sendable, Equatable {
  /// A keyed hash of all that is neither secret nor personal: of secrets and personal values only that they were given.
  let open: [UInt8]
  /// SHA-256 of the personal values, the reason among them; nil where there are none. It is kept sealed with the keys
  /// of all persons that the command's events are about.
  let personal: [UInt8]?

  /// What was kept for requests before 2026-11-30 is known no more: it covered secrets. Any request counts as the same.
  static let unknown = [UInt8](repeating: 0, count: 32)
}

/// Collects what a fingerprint is made of.
struct RequestParts {
  private var open: [UInt8] = []
  private var personal = SHA256()
  private var hasPersonal = false

  /// Adds a command: its method, and what it was given.
  mutating func add(_ method: String, _ params: JSONObject, _ command: CommandModel) {
    add(method, params) { command.parameters.exposure[$0] ?? .personal }
  }

  /// Adds the parameters that a batch has besides its commands.
  mutating func add(batch method: String, _ params: JSONObject) {
    add(method, params) { $0 == CommonParameter.reason.rawValue ? .personal : .open }
  }

  private mutating func add(_ method: String, _ params: JSONObject, _ exposure: (String) -> ParameterExposure) {
    var shown = JSONObject(minimumCapacity: params.count)
    var hidden = JSONObject()
    for (name, value) in params where !RequestParts.isLeftOut(name) {
      switch exposure(name) {
      case .open: shown.append(key: name, value: value)
      case .secret: shown.append(key: name, value: Self.withheld)
      case .secretMembers(let scope):
        shown.append(key: name, value: SecretMembers.withheld(value, field: name, scope: scope))
      case .personal:
        shown.append(key: name, value: Self.withheld)
        hidden.append(key: name, value: value)
      }
    }
    open.append(contentsOf: method.utf8)
    open.append(UInt8(ascii: "\n"))
    shown.writeCanonical(into: &open)
    // Each command has its line, so that a value can't move from one to another.
    personal.update(data: hidden.canonicalBytes + [UInt8(ascii: "\n")])
    hasPersonal = hasPersonal || !hidden.isEmpty
  }

  /// Where somebody is may have changed when a request is made again.
  private static func isLeftOut(_ name: String) -> Bool {
    name == CommonParameter.commandID.rawValue || name == CommonParameter.origin.rawValue
  }

  private static let withheld: JSON = ["withheld": true]

  /// The fingerprint of what was added.
  func fingerprint(by vault: Vault) -> RequestFingerprint {
    RequestFingerprint(
      open: vault.lookupHash("command", open), personal: hasPersonal ? Array(personal.finalize()) : nil)
  }
}

/// What of a parameter may stand in what is kept of a request.
enum ParameterExposure: Sendable {
  /// All of it.
  case open
  /// Only that it was given.
  case secret
  /// All but the secrets in it.
  case secretMembers(SecretScope)
  /// All of it, as long as the person is there.
  case personal
}

/// A digest that opens only while all of some keys are there: each has a share, and they make the digest together.
enum SharedDigest {
  /// A digest for more people is not kept: each costs a token.
  static let mostShares = 64

  /// Adds persons, each once, until there are too many.
  static func add(_ more: [Identifier], to subjects: inout [Identifier]) {
    for id in more where subjects.count <= mostShares && !subjects.contains(id) { subjects.append(id) }
  }

  /// The shares, each sealed for one of the persons; with the organization's key where there is nobody.
  static func seal(
    _ digest: [UInt8], for subjects: [Identifier], organization: Identifier?, event: Identifier, by vault: Vault
  ) throws -> JSON {
    let place = Sealer.Place(event: event, resource: event, organization: organization)
    let owners: [KeyOwner] = subjects.isEmpty ? [place.fallback] : subjects.map { .subject($0) }
    var last = digest
    var shares: [[UInt8]] = []
    var random = SystemRandomNumberGenerator()
    for _ in owners.dropFirst() {
      let share = (0..<digest.count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      for index in last.indices { last[index] ^= share[index] }
      shares.append(share)
    }
    shares.append(last)
    return .array(
      try zip(owners, shares).map { owner, share in
        try vault.seal(.string(Base64.encode(share)), for: owner, context: place.context(field))
      })
  }

  /// Puts the shares together; nil where a key is gone or isn't there.
  static func open(_ shares: JSON, by vault: Vault) throws -> [UInt8]? {
    var digest: [UInt8]?
    for share in shares.arrayValue ?? [] {
      guard let event = Vault.eventID(of: share),
        case .value(let opened) = try vault.open(share, resourceID: event, field: field),
        let bytes = opened.stringValue.flatMap({ Base64.decode($0) })
      else { return nil }
      guard let before = digest else {
        digest = bytes
        continue
      }
      guard before.count == bytes.count else { return nil }
      digest = zip(before, bytes).map { $0 ^ $1 }
    }
    return digest
  }

  private static let field = "command"
}
