import BasicTypes
import Crypto
import Files
import MerkleTree

/// A witness's private key as a file, in the text form of Go's `note` package: `PRIVATE+KEY+name+key id+base64`.
public enum WitnessKey {
  private static let prefix = "PRIVATE+KEY+"

  /// Makes a key in a new file that only its owner reads.
  /// - Throws: ``NoteError`` for a name that can't name a signer; ``FileError``, also where the file is there.
  public static func make(name: String, file: String) throws -> NoteSigner {
    let key = Curve25519.Signing.PrivateKey()
    let signer = try NoteSigner(name: name, key: key, algorithm: .cosignature)
    let id = withUnsafeBytes(of: signer.verifier.keyID.bigEndian) { Hex.encode($0) }
    let secret = Base64.encode([NoteAlgorithm.cosignature.rawValue] + Array(key.rawRepresentation))
    try FileSystem<FileError>.create(
      FileSystem<FileError>.absolute(file), Array("\(prefix)\(name)+\(id)+\(secret)\n".utf8))
    return signer
  }

  /// Reads a key.
  /// - Throws: ``NoteError`` where the file holds none, ``FileError``.
  public static func read(_ file: String) throws -> NoteSigner {
    guard let text = FileSystem<FileError>.text(file) else {
      throw NoteError.malformed("there is no file \(file) with a witness's key")
    }
    let line = text.split(separator: "\n").first ?? ""
    let parts = line.dropFirst(prefix.utf8.count).split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard line.hasPrefix(prefix), parts.count == 3, let secret = Base64.decode(String(parts[2])), secret.count == 33,
      secret[0] == NoteAlgorithm.cosignature.rawValue
    else { throw NoteError.malformed("\(file) is not a key that daybook witness key has made") }
    let key = try Curve25519.Signing.PrivateKey(rawRepresentation: secret.dropFirst())
    let signer = try NoteSigner(name: String(parts[0]), key: key, algorithm: .cosignature)
    guard withUnsafeBytes(of: signer.verifier.keyID.bigEndian, { Hex.encode($0) }) == String(parts[1]) else {
      throw NoteError.malformed("the key id in \(file) is not that of its name and key")
    }
    return signer
  }
}
