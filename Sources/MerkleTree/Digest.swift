import BasicTypes

/// A SHA-256 value: 32 bytes held in place, so that a tree of millions of them allocates nothing.
///
/// Ordering is that of the bytes, first to last.
public struct Digest: Sendable, Hashable, Comparable {
  // The bytes as they lie in memory, whatever the machine's byte order.
  private var words: (UInt64, UInt64, UInt64, UInt64)

  private init() { words = (0, 0, 0, 0) }

  /// The digest of 32 zeros, which stands for none where there must be one.
  public static let zero = Digest()

  /// The digest of exactly 32 bytes; nil for any other count.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    self.init()
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
  }

  /// The digest of exactly 32 bytes in memory; nil for any other count.
  public init?(bytes: UnsafeRawBufferPointer) {
    guard bytes.count == 32 else { return nil }
    self.init()
    withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
  }

  /// The digest that 64 hexadecimal digits spell, in either case; nil for anything else.
  public init?(hex: String) {
    guard let bytes = Hex.decode(hex) else { return nil }
    self.init(bytes: bytes)
  }

  /// The digest that 44 characters of padded base64 spell; nil for anything else.
  public init?(base64: String) {
    guard let bytes = Base64.decode(base64) else { return nil }
    self.init(bytes: bytes)
  }

  /// Calls the closure with the 32 bytes, which are valid only until it returns.
  @inlinable
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Swift.withUnsafeBytes(of: self, body)
  }

  /// The 32 bytes.
  public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

  /// 64 lower-case hexadecimal digits.
  public var hex: String { withUnsafeBytes { Hex.encode($0) } }

  /// 44 characters of padded base64 (RFC 4648 §4).
  public var base64: String { withUnsafeBytes { Base64.encode($0) } }

  /// Whether all 32 bytes are the same. Not in constant time: digests are no secrets.
  public static func == (left: Digest, right: Digest) -> Bool {
    left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
      && left.words.3 == right.words.3
  }

  /// Whether the first byte that differs is smaller on the left.
  public static func < (left: Digest, right: Digest) -> Bool {
    if left.words.0 != right.words.0 { return left.words.0.bigEndian < right.words.0.bigEndian }
    if left.words.1 != right.words.1 { return left.words.1.bigEndian < right.words.1.bigEndian }
    if left.words.2 != right.words.2 { return left.words.2.bigEndian < right.words.2.bigEndian }
    return left.words.3.bigEndian < right.words.3.bigEndian
  }

  /// Feeds half of the bytes, which are as random as all of them.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
  }
}

extension Digest: CustomStringConvertible {
  /// The same as ``hex``.
  public var description: String { hex }
}
