import CanonicalJSON
import EventLog
import Vault

extension LogRecord {
  /// Whether a vault has had the keys of all values that are sealed in the record, destroyed or not.
  ///
  /// A reason may be sealed several times; it is looked into as far as it opens.
  public func needsNoKey(besidesThoseOf vault: Vault) throws -> Bool {
    guard body.contains(UInt8(ascii: "$")) else { return true }
    let body = try JSON.parse(body)
    if let reason = body["reason"], Vault.isSealed(reason) {
      let opened = try vault.openFully(reason, resourceID: parsedHeader().resource, field: "reason")
      if opened == .locked { return false }
    }
    return Self.allSealed(in: body) { vault.owner(of: $0) != nil }
  }

  private static func allSealed(in value: JSON, satisfy condition: (JSON) -> Bool) -> Bool {
    if Vault.isSealed(value) { return condition(value) }
    if let members = value.objectValue { return members.allSatisfy { allSealed(in: $0.value, satisfy: condition) } }
    return value.arrayValue?.allSatisfy { allSealed(in: $0, satisfy: condition) } ?? true
  }
}
