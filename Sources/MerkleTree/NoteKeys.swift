import BasicTypes
import Crypto

/// How a note is signed.
public enum NoteAlgorithm: UInt8, Sendable, Hashable {
  /// Ed25519 over the text of the note.
  case ed25519 = 0x01
  /// A witness's timestamped statement about a checkpoint: C2SP `cosignature/v1`, Ed25519 over a time and the text.
  case cosignature = 0x04

  /// The first four bytes of SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key), big-endian.
  func keyID(name: String, publicKey: [UInt8]) -> UInt32 {
    let input = Array(name.utf8) + [0x0A, rawValue] + publicKey
    return input.withUnsafeBytes { RFC6962.sha256($0) }.withUnsafeBytes { bytes in
      bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }
  }

  /// What a cosignature signs.
  static func cosignedMessage(_ text: String, seconds: UInt64) -> [UInt8] {
    Array("cosignature/v1\ntime \(seconds)\n\(text)".utf8)
  }
}

/// A public key under a name, written `name+key id in hex+base64(algorithm ‖ key)`: what checks the signatures of a
/// note.
public struct NoteVerifier: Sendable, Hashable {
  /// The name that signature lines carry.
  public let name: String
  /// How the key signs.
  public let algorithm: NoteAlgorithm
  /// The 32 bytes of the Ed25519 public key.
  public let publicKey: [UInt8]
  /// The key id that signature lines carry.
  public let keyID: UInt32

  /// A verifier of these parts.
  ///
  /// - Throws: ``NoteError`` where the name holds a space or a plus sign, or the key is not 32 bytes.
  public init(name: String, algorithm: NoteAlgorithm = .ed25519, publicKey: [UInt8]) throws(NoteError) {
    guard SignedNote.isName(name) else {
      throw NoteError.malformed("a signer's name is not empty and has no spaces and no plus sign")
    }
    guard publicKey.count == 32 else { throw NoteError.malformed("an Ed25519 public key has 32 bytes") }
    self.name = name
    self.algorithm = algorithm
    self.publicKey = publicKey
    keyID = algorithm.keyID(name: name, publicKey: publicKey)
  }

  /// The verifier that a key text spells.
  ///
  /// - Throws: ``NoteError`` where it is malformed, of an unknown algorithm, or its key id is not that of its key.
  public init(vkey: String) throws(NoteError) {
    let parts = vkey.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let id = Hex.decode(String(parts[1])), id.count == 4,
      let key = Base64.decode(String(parts[2])), let first = key.first
    else { throw NoteError.malformed("a key text is name+key id in hex+base64 of the key") }
    guard let algorithm = NoteAlgorithm(rawValue: first) else { throw NoteError.unknownAlgorithm(first) }
    try self.init(name: String(parts[0]), algorithm: algorithm, publicKey: Array(key.dropFirst()))
    guard keyID == id.reduce(0, { $0 << 8 | UInt32($1) }) else {
      throw NoteError.malformed("the key id in the key text is not that of its name and key")
    }
  }

  /// The key text.
  public var vkey: String {
    let id = withUnsafeBytes(of: keyID.bigEndian) { Hex.encode($0) }
    return "\(name)+\(id)+\(Base64.encode([algorithm.rawValue] + publicKey))"
  }

  /// Whether the note bears this key's signature and every signature line that claims to be this key's is right.
  public func verifies(_ note: SignedNote) -> Bool {
    let own = note.signatures.filter(isOwn)
    return !own.isEmpty && own.allSatisfy { isValid($0, over: note.text) }
  }

  /// The checkpoint of a note that bears this key's signature; nil where the bytes are none, or its log has another
  /// name.
  public func checkpoint(of note: some Collection<UInt8>, origin: String) -> Checkpoint? {
    // A note that can't be read is none of this log's, which is what nil says.
    guard let signed = try? SignedNote(parsing: note), verifies(signed),
      let checkpoint = try? Checkpoint(text: signed.text), checkpoint.origin.utf8.elementsEqual(origin.utf8)
    else { return nil }
    return checkpoint
  }

  /// When this witness cosigned the note; nil where it did not, where the signature is wrong, or for a key that doesn't
  /// cosign.
  public func cosignatureTime(_ note: SignedNote) -> Timestamp? {
    guard algorithm == .cosignature, verifies(note),
      let seconds = note.signatures.filter(isOwn).map({ NoteVerifier.seconds(of: $0) }).max(),
      seconds <= UInt64(Timestamp.maximum.microseconds / 1_000_000)
    else { return nil }
    return Timestamp(microseconds: Int64(seconds) * 1_000_000)
  }

  /// Whether a signature line of the note has this key's name and id, right or wrong.
  public func isClaimed(by note: SignedNote) -> Bool { note.signatures.contains(where: isOwn) }

  private func isOwn(_ signature: NoteSignature) -> Bool {
    signature.keyID == keyID && signature.name.utf8.elementsEqual(name.utf8)
  }

  private func isValid(_ signature: NoteSignature, over text: String) -> Bool {
    // A public key that is no point of the curve verifies nothing.
    guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return false }
    switch algorithm {
    case .ed25519:
      return key.isValidSignature(signature.signature, for: Array(text.utf8))
    case .cosignature:
      guard signature.signature.count == 72 else { return false }
      let message = NoteAlgorithm.cosignedMessage(text, seconds: NoteVerifier.seconds(of: signature))
      return key.isValidSignature(signature.signature[8...], for: message)
    }
  }

  private static func seconds(of signature: NoteSignature) -> UInt64 {
    signature.signature.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// A private key under a name: what signs checkpoints (the log), or cosigns them (a witness).
public struct NoteSigner: Sendable {
  /// The public half, to hand out.
  public let verifier: NoteVerifier
  private let key: Curve25519.Signing.PrivateKey

  /// A signer of these parts.
  ///
  /// - Throws: ``NoteError`` where the name can't name a signer.
  public init(
    name: String, key: Curve25519.Signing.PrivateKey, algorithm: NoteAlgorithm = .ed25519
  ) throws(NoteError) {
    verifier = try NoteVerifier(name: name, algorithm: algorithm, publicKey: Array(key.publicKey.rawRepresentation))
    self.key = key
  }

  /// A signature over the text of a note; `time`, in whole seconds, is part of it for a witness and ignored otherwise.
  ///
  /// - Throws: what swift-crypto throws where it can't sign.
  public func signature(over text: String, at time: Timestamp = .now) throws -> NoteSignature {
    let bytes: [UInt8]
    switch verifier.algorithm {
    case .ed25519:
      bytes = Array(try key.signature(for: Array(text.utf8)))
    case .cosignature:
      let seconds = UInt64(max(0, time.microseconds) / 1_000_000)
      let signature = try key.signature(for: NoteAlgorithm.cosignedMessage(text, seconds: seconds))
      bytes = withUnsafeBytes(of: seconds.bigEndian) { Array($0) } + Array(signature)
    }
    return NoteSignature(name: verifier.name, keyID: verifier.keyID, signature: bytes)
  }

  /// The note of a checkpoint, signed by this key alone.
  ///
  /// - Throws: what swift-crypto throws where it can't sign.
  public func sign(_ checkpoint: Checkpoint) throws -> SignedNote {
    try SignedNote(text: checkpoint.text, signatures: [signature(over: checkpoint.text)])
  }
}
