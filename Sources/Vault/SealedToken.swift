import BasicTypes
import CanonicalJSON

/// The bytes of a sealed value: format version ‖ data-key id ‖ key version ‖ event id ‖ nonce ‖ ciphertext ‖ tag,
/// written in JSON as `{"$sealed": base64}`. Numbers are big-endian.
struct SealedToken {
  /// The only format so far.
  static let formatVersion: UInt8 = 1
  static let member = "$sealed"

  private static let keyIDStart = 1
  private static let keyVersionStart = 17
  private static let eventIDStart = 21
  private static let boxStart = 37
  private static let nonceCount = 12
  private static let tagCount = 16

  let bytes: [UInt8]

  /// The token of a value just sealed; `box` is nonce ‖ ciphertext ‖ tag.
  init(keyID: Identifier, keyVersion: UInt32, eventID: Identifier, box: some Collection<UInt8>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(SealedToken.boxStart + box.count)
    bytes.append(SealedToken.formatVersion)
    bytes.append(keyID)
    bytes.append(bigEndian: keyVersion)
    bytes.append(eventID)
    bytes.append(contentsOf: box)
    self.bytes = bytes
  }

  /// The token that a JSON value is.
  init(_ value: JSON) throws(VaultError) {
    guard let text = SealedToken.text(of: value) else {
      throw VaultError(.malformedToken, "The value is not an object with the single member $sealed.")
    }
    guard let bytes = Base64.decode(text),
      bytes.count >= SealedToken.boxStart + SealedToken.nonceCount + SealedToken.tagCount
    else { throw VaultError(.malformedToken, "The sealed value is cut or not base64.") }
    guard bytes[0] == SealedToken.formatVersion else {
      throw VaultError(
        .malformedToken, "The sealed value has format version \(bytes[0]), which this version of Daybook does not know."
      )
    }
    self.bytes = bytes
  }

  var json: JSON {
    .object(JSONObject(members: [(key: SealedToken.member, value: .string(Base64.encode(bytes)))]))
  }

  var keyID: Identifier { bytes.identifier(at: SealedToken.keyIDStart) }

  var keyVersion: UInt32 {
    bytes[SealedToken.keyVersionStart..<SealedToken.eventIDStart].reduce(0) { $0 << 8 | UInt32($1) }
  }

  var eventID: Identifier { bytes.identifier(at: SealedToken.eventIDStart) }

  /// Nonce ‖ ciphertext ‖ tag.
  var box: ArraySlice<UInt8> { bytes[SealedToken.boxStart...] }

  /// The base64 text in a JSON value of the form of a token; nil for any other value.
  static func text(of value: JSON) -> String? {
    guard case .object(let object) = value, object.count == 1, case .string(let text)? = object[member] else {
      return nil
    }
    return text
  }
}

extension [UInt8] {
  mutating func append(_ identifier: Identifier) {
    append(bigEndian: identifier.high)
    append(bigEndian: identifier.low)
  }

  mutating func append(bigEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }

  /// The identifier of the sixteen bytes from there; the caller has checked that they exist.
  func identifier(at start: Int) -> Identifier {
    var high: UInt64 = 0
    var low: UInt64 = 0
    for index in start..<(start + 8) {
      high = high << 8 | UInt64(self[index])
      low = low << 8 | UInt64(self[index + 8])
    }
    return Identifier(high: high, low: low)
  }
}
