import BasicTypes
import CanonicalJSON
import Files
import NIOConcurrencyHelpers

extension Vault {
  /// Seals a value for an owner: `{"$sealed": base64}`, which ``open(_:resourceID:field:)`` turns back wherever it is
  /// copied to.
  ///
  /// Makes the owner's key where there is none; see ``persistPendingKeys()``. The plaintext is the value's canonical
  /// text.
  ///
  /// - Throws: ``VaultError`` with the code `erased` where the person's or organization's key was destroyed, or where a
  ///   key can't be made.
  public func seal(_ value: JSON, for owner: KeyOwner, context: SealContext) throws -> JSON {
    let key = try keyForSealing(owner)
    var plaintext = value.canonicalBytes
    defer { plaintext.erase() }
    let nonce = nonces.withLockedValue { $0.next() }
    let box = try MessageCipher.seal(plaintext, under: key, nonce: nonce, context: context)
    return SealedToken(keyID: key.id, keyVersion: key.version, eventID: context.eventID, box: box).json
  }

  /// Opens a sealed value that stands in a field of a resource.
  ///
  /// - Throws: ``VaultError``: `malformedToken` where it is none, `wrongContext` where it was sealed for another
  ///   resource or field, or was changed.
  public func open(_ token: JSON, resourceID: Identifier, field: String) throws -> Opened {
    let sealed = try SealedToken(token)
    let keyID = sealed.keyID
    var found = try dataKey(keyID)
    if case .unknown = found, isReadOnly, try reloadIfChanged() { found = try dataKey(keyID) }
    switch found {
    case .unknown: return .locked
    case .destroyed: return .erased
    case .key(let key):
      let context = SealContext(eventID: sealed.eventID, resourceID: resourceID, field: field)
      guard sealed.keyVersion == key.version,
        let plaintext = MessageCipher.open(sealed.box, under: key, context: context)
      else {
        throw VaultError(
          .wrongContext,
          "A sealed value in the field \(field) of \(resourceID) was made for another place, or was changed.")
      }
      return .value(try JSON.parse(plaintext))
    }
  }

  /// Whether a JSON value has the form of a sealed value. A value that a client sends may have that form too, so it
  /// must be refused where it would be stored unsealed.
  public static func isSealed(_ value: JSON) -> Bool { SealedToken.text(of: value) != nil }

  /// Whose key sealed the value, destroyed or not; nil where it is no sealed value or this store never had its key.
  public func owner(of token: JSON) -> KeyOwner? {
    // Not a token, so nobody's.
    guard let sealed = try? SealedToken(token) else { return nil }
    return store.withLockedValue { $0.record(sealed.keyID)?.owner }
  }

  /// The event that first sealed the value; nil where it is no sealed value.
  public static func eventID(of token: JSON) -> Identifier? { (try? SealedToken(token))?.eventID }

  private enum Found {
    case key(DataKey)
    case destroyed
    case unknown
  }

  private func dataKey(_ id: Identifier) throws -> Found {
    try store.withLockedValue { store in
      guard let record = store.record(id), record.owner != nil else { return .unknown }
      return record.destroyed == nil ? .key(try store.dataKey(record)) : .destroyed
    }
  }

  private func keyForSealing(_ owner: KeyOwner) throws -> DataKey {
    if let key = try store.withLockedValue({ try Vault.existingKey(owner, &$0) }) { return key }
    try owner.check()
    // A destruction re-wraps what there is; a key made meanwhile would be lost with the old epoch.
    return try disk.withLockedValue { disk in
      try requireWritable(disk)
      return try store.withLockedValue { store in
        if let key = try Vault.existingKey(owner, &store) { return key }
        return try store.makeKey(.data(owner))
      }
    }
  }

  /// The owner's newest key; nil where one may be made.
  private static func existingKey(_ owner: KeyOwner, _ store: inout KeyStore) throws(VaultError) -> DataKey? {
    guard let record = store.newest(of: owner) else { return nil }
    if record.destroyed == nil { return try store.dataKey(record) }
    if owner.canReturn { return nil }
    throw VaultError(
      .erased, "The key was destroyed at \(record.destroyed?.text ?? ""): nothing can be sealed for its owner again.")
  }

  /// Reads the store again where a writer has changed it; whether it had.
  private func reloadIfChanged() throws -> Bool {
    try disk.withLockedValue { disk in
      guard try FileSystem.identity(folder.keys) != disk.identity else { return false }
      let loaded = try Vault.load(folder, root, cacheCapacity: cacheCapacity)
      disk.identity = loaded.identity
      store.withLockedValue { $0 = loaded.store }
      return true
    }
  }
}
