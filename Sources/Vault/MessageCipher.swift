import BasicTypes
import Crypto

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A data key ready for use.
struct DataKey: Sendable {
  let id: Identifier
  let version: UInt32
  let hash: KeyedHash

  init(id: Identifier, version: UInt32, key: SymmetricKey) {
    self.id = id
    self.version = version
    hash = KeyedHash(key)
  }
}

/// How one value is encrypted under a data key.
///
/// Each value gets a key of its own: HKDF-Expand (RFC 5869 §2.3; the data key is uniformly random, so §3.3 lets the
/// extract step go) of the data key over the key's id and version, the event, the resource and the field. It then goes
/// through AES-256-GCM with a random 96-bit nonce. NIST SP 800-38D §8.3 allows 2³² encryptions under one key with
/// random nonces; since that count is of one field of one resource in one event, it stays in single figures, and no
/// counter has to survive a crash. What the key is derived from is bound once more as associated data.
enum MessageCipher {
  private static let label = Array("daybook sealed value".utf8)

  /// Nonce ‖ ciphertext ‖ tag.
  static func seal(
    _ plaintext: [UInt8], under key: DataKey, nonce: AES.GCM.Nonce, context: SealContext
  ) throws -> Data {
    let info = derivationInfo(key, context)
    let box = try AES.GCM.seal(
      plaintext, using: messageKey(key, info), nonce: nonce, authenticating: info[label.count...])
    guard let combined = box.combined else { preconditionFailure("a 96-bit nonce has a combined form") }
    return combined
  }

  /// The plaintext; nil where the box was made under another key or for another context, or was changed.
  static func open(_ box: ArraySlice<UInt8>, under key: DataKey, context: SealContext) -> Data? {
    let info = derivationInfo(key, context)
    // Only authentication can fail here, and AEAD says no more than that it did.
    guard let sealed = try? AES.GCM.SealedBox(combined: box) else { return nil }
    return try? AES.GCM.open(sealed, using: messageKey(key, info), authenticating: info[label.count...])
  }

  private static func messageKey(_ key: DataKey, _ info: [UInt8]) -> SymmetricKey {
    // HKDF-Expand to one block is HMAC(key, info ‖ 0x01).
    key.hash.code(info, [1]) { SymmetricKey(data: $0) }
  }

  /// The label, then the associated data: format version, key id, key version, event id, resource id, field name with
  /// its length before it.
  private static func derivationInfo(_ key: DataKey, _ context: SealContext) -> [UInt8] {
    var info: [UInt8] = []
    info.reserveCapacity(label.count + 57 + context.field.utf8.count)
    info.append(contentsOf: label)
    info.append(SealedToken.formatVersion)
    info.append(key.id)
    info.append(bigEndian: key.version)
    info.append(context.eventID)
    info.append(context.resourceID)
    info.append(bigEndian: UInt32(context.field.utf8.count))
    info.append(contentsOf: context.field.utf8)
    return info
  }
}

/// How a key is encrypted under another key: AES-256-GCM, nonce ‖ ciphertext ‖ tag.
enum KeyWrap {
  /// NIST SP 800-38D §8.3: with random 96-bit nonces, one key encrypts no more often than this.
  static let limit: UInt64 = 1 << 32

  /// The wrapped form of a key, or of nothing, which then only vouches for the associated data.
  static func wrap(_ key: SymmetricKey?, under wrapping: SymmetricKey, authenticating: [UInt8]) throws -> [UInt8] {
    let box: AES.GCM.SealedBox
    if let key {
      box = try key.withUnsafeBytes { try AES.GCM.seal(Data($0), using: wrapping, authenticating: authenticating) }
    } else {
      box = try AES.GCM.seal(Data(), using: wrapping, authenticating: authenticating)
    }
    guard let combined = box.combined else { preconditionFailure("a 96-bit nonce has a combined form") }
    return Array(combined)
  }

  /// The key of 32 bytes, or of none where nothing was wrapped; nil where the wrapped form or its data were changed, or
  /// another key wrapped it.
  static func unwrap(_ wrapped: [UInt8], under wrapping: SymmetricKey, authenticating: [UInt8]) -> SymmetricKey? {
    // Only authentication can fail here, and AEAD says no more than that it did.
    guard let box = try? AES.GCM.SealedBox(combined: wrapped),
      var plaintext = try? AES.GCM.open(box, using: wrapping, authenticating: authenticating),
      plaintext.count == 32 || plaintext.isEmpty
    else { return nil }
    defer { plaintext.resetBytes(in: 0..<plaintext.count) }
    return SymmetricKey(data: plaintext)
  }
}
