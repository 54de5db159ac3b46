import BasicTypes
import CanonicalJSON
import Crypto

/// What a key is for.
package enum KeyKind: Hashable, Sendable {
  /// Sealing the values of an owner.
  case data(KeyOwner)
  /// Hashing personal values for look-ups by equality.
  case index
  /// Signing checkpoints.
  case signing
}

/// One key of the store, as its line tells: wrapped under the epoch key, or destroyed.
package struct KeyRecord: Sendable {
  package let id: Identifier
  package let kind: KeyKind
  /// Counts the keys of one owner: 1, 2, 3 …
  package let version: UInt32
  /// When the key was destroyed; the record then stays to tell "erased" from "never had".
  package let destroyed: Timestamp?
  /// The number of its line in the store, from 1; the store's own header is line 1.
  package let line: UInt64
  /// Nonce ‖ ciphertext ‖ tag under the epoch key. For a destroyed key the ciphertext is empty and the tag vouches
  /// for the line.
  let wrapped: [UInt8]

  /// A record of a key, wrapped under the epoch key; destroyed where there is no key.
  package init(
    id: Identifier, kind: KeyKind, version: UInt32, destroyed: Timestamp?, line: UInt64, key: SymmetricKey?,
    epoch: UInt64, epochKey: SymmetricKey
  ) throws {
    precondition((key == nil) == (destroyed != nil), "a destroyed key is gone, and no other is")
    guard line < KeyWrap.limit else {
      throw VaultError(
        .nonceLimit, "The epoch key has wrapped \(KeyWrap.limit) keys: destroy a key to begin a new epoch.")
    }
    let description = KeyRecord.describe(id: id, kind: kind, version: version, destroyed: destroyed)
    self.id = id
    self.kind = kind
    self.version = version
    self.destroyed = destroyed
    self.line = line
    wrapped = try KeyWrap.wrap(
      key, under: epochKey,
      authenticating: KeyRecord.authenticated(description, line: line, epoch: epoch))
  }

  /// The record that a line of the store holds; nil where it is not one. The line's tag is not checked here.
  package init?(json: JSON, line: UInt64) {
    guard case .object(let object) = json, let id = object["id"]?.stringValue.flatMap({ Identifier($0) }),
      let kindName = object["kind"]?.stringValue, let number = object["version"]?.integerValue,
      let version = UInt32(exactly: number), let text = object["wrapped"]?.stringValue,
      let wrapped = Base64.decode(text)
    else { return nil }
    var destroyed: Timestamp?
    if let text = object["destroyed"] {
      guard let time = text.stringValue.flatMap({ Timestamp($0) }) else { return nil }
      destroyed = time
    }
    let kind: KeyKind
    switch kindName {
    case "index": kind = .index
    case "signing": kind = .signing
    default:
      guard let owner = KeyRecord.owner(in: object) else { return nil }
      kind = .data(owner)
    }
    // A member that this version doesn't know would fall out of what the tag vouches for.
    let description = KeyRecord.describe(id: id, kind: kind, version: version, destroyed: destroyed)
    guard description.count + 1 == object.count else { return nil }
    self.id = id
    self.kind = kind
    self.version = version
    self.destroyed = destroyed
    self.line = line
    self.wrapped = wrapped
  }

  /// Whose key a line of the store, or of a list of erasures, is about; nil where it says none.
  static func owner(in object: JSONObject) -> KeyOwner? {
    func id(_ name: String) -> Identifier? { object[name]?.stringValue.flatMap { Identifier($0) } }
    switch object["kind"]?.stringValue {
    case "subject": return id("subject").map { .subject($0) }
    case "organization": return id("organization").map { .organization($0) }
    case "expiring":
      guard let retentionClass = object["class"]?.stringValue, let month = object["month"]?.stringValue,
        object["organization"] == nil || id("organization") != nil
      else { return nil }
      return .expiring(organization: id("organization"), retentionClass: retentionClass, month: month)
    default: return nil
    }
  }

  /// What a list of erasures says of a destroyed key.
  var erasure: JSONObject {
    var object = KeyRecord.describe(id: id, kind: kind, version: version, destroyed: destroyed)
    object["id"] = nil
    object["version"] = nil
    return object
  }

  var owner: KeyOwner? {
    if case .data(let owner) = kind { return owner }
    return nil
  }

  /// The line of the store, with its line feed.
  package var bytes: [UInt8] {
    var object = KeyRecord.describe(id: id, kind: kind, version: version, destroyed: destroyed)
    object["wrapped"] = .string(Base64.encode(wrapped))
    return object.canonicalBytes + [UInt8(ascii: "\n")]
  }

  /// The key (empty for a destroyed one); nil where the line is not what was written at this place in this epoch.
  package func unwrap(epoch: UInt64, epochKey: SymmetricKey) -> SymmetricKey? {
    let description = KeyRecord.describe(id: id, kind: kind, version: version, destroyed: destroyed)
    let key = KeyWrap.unwrap(
      wrapped, under: epochKey, authenticating: KeyRecord.authenticated(description, line: line, epoch: epoch))
    guard let key, (key.bitCount == 0) == (destroyed != nil) else { return nil }
    return key
  }

  /// The members of the line but for the wrapped key.
  private static func describe(
    id: Identifier, kind: KeyKind, version: UInt32, destroyed: Timestamp?
  ) -> JSONObject {
    var members: [(key: String, value: JSON)] = [
      ("id", .string(id.text)), ("version", .integer(Int64(version))),
    ]
    if let destroyed { members.append(("destroyed", .string(destroyed.text))) }
    switch kind {
    case .index: members.append(("kind", "index"))
    case .signing: members.append(("kind", "signing"))
    case .data(.subject(let subject)):
      members.append(("kind", "subject"))
      members.append(("subject", .string(subject.text)))
    case .data(.organization(let organization)):
      members.append(("kind", "organization"))
      members.append(("organization", .string(organization.text)))
    case .data(.expiring(let organization, let retentionClass, let month)):
      members.append(("kind", "expiring"))
      if let organization { members.append(("organization", .string(organization.text))) }
      members.append(("class", .string(retentionClass)))
      members.append(("month", .string(month)))
    }
    return JSONObject(members: members)
  }

  /// What the tag vouches for: the epoch (which names the wrapping key), the place in the file, so that lines can be
  /// neither removed nor moved, and everything that the line says.
  private static func authenticated(_ description: JSONObject, line: UInt64, epoch: UInt64) -> [UInt8] {
    var bytes = Array("daybook key".utf8)
    bytes.append(bigEndian: epoch)
    bytes.append(bigEndian: line)
    bytes.append(contentsOf: description.canonicalBytes)
    return bytes
  }
}
