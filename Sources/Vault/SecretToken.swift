import BasicTypes
import Crypto

/// Secrets that people and programs carry: API keys, share links.
public enum SecretToken {
  /// A new secret: the prefix (such as `dbk_`), then letters and digits that hold at least that many random bytes. From
  /// the system's generator, without a bias.
  public static func make(prefix: String, bytes: Int = 32) -> String {
    // One of 62 characters holds log₂ 62 = 5.954… bits.
    let count = Int((Double(bytes) * 8 / 5.954).rounded(.up))
    var generator = SystemRandomNumberGenerator()
    var text = Array(prefix.utf8)
    text.reserveCapacity(text.count + count)
    for _ in 0..<count { text.append(alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// SHA-256 of a secret as 64 lower-case hexadecimal digits: what is stored in its place. The secret is random and
  /// long, so a fast hash is enough.
  public static func sha256Hex(_ text: String) -> String {
    Hex.encode(Array(SHA256.hash(data: Array(text.utf8))))
  }

  private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
}
