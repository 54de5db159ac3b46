/// The forms in which texts are compared that are written in more than one way.
///
/// Both are pure functions of the text, by tables of one version of Unicode that come with Daybook: the same on every
/// machine and with every toolchain. What is compared on one side of a search by SQL is folded here, too, and stored
/// beside the text; see ``folded(_:)``.
public enum UnicodeForm {
  /// The version of Unicode whose data both follow. What was folded by another one has to be folded anew.
  public static let version = UnicodeData.version

  /// The text in Normalization Form C (UAX #15): `é` is one character, however it was typed.
  public static func composed(_ text: String) -> String {
    let tables = UnicodeTables.shared
    guard !isASCII(text), text.unicodeScalars.contains(where: { tables.kind($0.value) != 0 }) else { return text }
    return String(
      decoding: utf8(tables.composed(tables.decomposed(text.unicodeScalars.lazy.map(\.value)))), as: UTF8.self)
  }

  /// The text without what case and canonical form make of it: canonical caseless matching (Unicode Standard, D145)
  /// with full case folding, in Normalization Form C. `ÉCLAIR` and `éclair` are one; so are `STRASSE` and `Straße`.
  ///
  /// It doesn't depend on a language: `İ` is folded to `i̇`, `I` to `i`, and `ı` stays.
  public static func folded(_ text: String) -> String {
    beyondASCII(text) ?? lowerASCII(text)
  }

  /// The folded text where turning A to Z to lower case alone doesn't give it; nil for most texts.
  ///
  /// The read models keep this beside a text that is searched without case. What they hold for nil is `lower()` of the
  /// text in PostgreSQL's collation `C`, which is the same there on every server.
  public static func beyondASCII(_ text: String) -> String? {
    guard !isASCII(text) else { return nil }
    let folded = foldedBeyondASCII(text)
    return folded.elementsEqual(lowerASCII(text).utf8) ? nil : String(decoding: folded, as: UTF8.self)
  }

  private static func foldedBeyondASCII(_ text: String) -> [UInt8] {
    let tables = UnicodeTables.shared
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count + 8)
    for scalar in text.unicodeScalars {
      // Where nothing combines with what stands before it, each character is folded by itself.
      guard tables.kind(scalar.value) & UnicodeTables.combines == 0 else {
        return utf8(tables.folded(text.unicodeScalars.lazy.map(\.value)))
      }
      tables.appendFolded(scalar.value, to: &result)
    }
    return result
  }

  private static func isASCII(_ text: String) -> Bool {
    text.utf8.withContiguousStorageIfAvailable { bytes in
      var all: UInt8 = 0
      for byte in bytes { all |= byte }
      return all < 0x80
    } ?? text.utf8.allSatisfy { $0 < 0x80 }
  }

  /// The text with A to Z in lower case.
  private static func lowerASCII(_ text: String) -> String {
    guard text.utf8.contains(where: { (0x41...0x5A).contains($0) }) else { return text }
    return String(decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }

  private static func utf8(_ codes: [UInt32]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(codes.count * 2)
    for code in codes { UnicodeTables.append(code, to: &result) }
    return result
  }
}
