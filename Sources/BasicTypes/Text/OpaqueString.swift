/// Passwords as RFC 8265, section 4.2, prepares them before they are compared (the profile OpaqueString of PRECIS):
/// the same password is the same bytes, on whichever keyboard it was typed.
public enum OpaqueString {
  /// Why a text is no password. It quotes nothing of it.
  public enum Problem: Error, Sendable, Equatable {
    case empty
    /// It holds a character that PRECIS' FreeformClass (RFC 8264, section 4.3) doesn't have, or not in this place.
    case disallowed

    /// What is wrong, as a refusal says it of a parameter.
    public var text: String {
      switch self {
      case .empty: "must not be empty"
      case .disallowed:
        "holds a character that a password can't have (RFC 8265): a control character, an invisible one, or one that "
          + "Unicode has not assigned"
      }
    }
  }

  /// The text with spaces of every kind as U+0020, in Normalization Form C. Case stays.
  /// - Throws: What is wrong with it.
  public static func prepare(_ text: String) throws(Problem) -> String {
    if text.isEmpty { throw .empty }
    if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text }
    let scalars = Array(text.unicodeScalars)
    for index in scalars.indices where !isAllowed(index, in: scalars) { throw .disallowed }
    var mapped = String.UnicodeScalarView()
    for scalar in scalars { mapped.append(scalar.properties.generalCategory == .spaceSeparator ? " " : scalar) }
    return UnicodeForm.composed(String(mapped))
  }

  // MARK: - FreeformClass

  private static func isAllowed(_ index: Int, in text: [Unicode.Scalar]) -> Bool {
    let scalar = text[index]
    if let isInPlace = isInPlace(index, in: text) { return isInPlace }
    switch scalar.value {
    case 0x20...0x7E: return true
    // Exceptions of RFC 5892, section 2.6: never allowed.
    case 0x640, 0x7FA, 0x302E, 0x302F, 0x3031...0x3035, 0x303B: return false
    // Old Hangul jamo.
    case 0x1100...0x11FF, 0xA960...0xA97C, 0xD7B0...0xD7FB: return false
    default: break
    }
    let properties = scalar.properties
    switch properties.generalCategory {
    case .control, .surrogate, .unassigned, .privateUse, .lineSeparator, .paragraphSeparator: return false
    // Format characters that are no ignorable ones, such as the sign of a year in Arabic, belong to no category.
    case .format: return false
    default: return !properties.isDefaultIgnorableCodePoint && !properties.isNoncharacterCodePoint
    }
  }

  /// Whether a character stands where RFC 5892, appendix A, lets it; nil for those that may stand anywhere.
  private static func isInPlace(_ index: Int, in text: [Unicode.Scalar]) -> Bool? {
    let before = index > 0 ? text[index - 1] : nil
    let after = index + 1 < text.count ? text[index + 1] : nil
    switch text[index].value {
    case 0x200C: return before.map(isVirama) == true || joins(index, in: text)
    case 0x200D: return before.map(isVirama) == true
    case 0xB7: return before == "l" && after == "l"
    case 0x375: return after.map { String($0).contains(#/\p{Script=Greek}/#) } ?? false
    case 0x5F3, 0x5F4: return before.map { String($0).contains(#/\p{Script=Hebrew}/#) } ?? false
    case 0x30FB:
      let letter = #/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/#
      return text.contains { $0.value != 0x30FB && String($0).contains(letter) }
    case 0x660...0x669: return !text.contains { (0x6F0...0x6F9).contains($0.value) }
    case 0x6F0...0x6F9: return !text.contains { (0x660...0x669).contains($0.value) }
    default: return nil
    }
  }

  private static func isVirama(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.canonicalCombiningClass.rawValue == 9
  }

  /// Whether the letters on both sides would join each other across it.
  private static func joins(_ index: Int, in text: [Unicode.Scalar]) -> Bool {
    let before = text[..<index].last { !isTransparent($0) }
    let after = text[(index + 1)...].first { !isTransparent($0) }
    guard let before, let after else { return false }
    return JoiningLetters.shared.joinsNext(before) && JoiningLetters.shared.joinsPrevious(after)
  }

  private static func isTransparent(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: true
    case .format: scalar.value != 0x200C && scalar.value != 0x200D
    default: false
    }
  }
}
