/// A character that isn't seen where it stands: two names that differ by one look alike, or one is shown as another.
public enum HiddenCharacter {
  /// The first such character of a text, as its number and name (`U+200B ZERO WIDTH SPACE`); nil where there is none.
  ///
  /// Hidden are control and format characters, among them those that turn the direction of writing; what Unicode calls
  /// default ignorable, such as fillers and variation selectors; white space other than U+0020; what has no meaning
  /// yet, or never.
  public static func first(in text: String) -> String? {
    text.unicodeScalars.first(where: isHidden).map(name)
  }

  static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7F { return scalar.value < 0x20 }
    let properties = scalar.properties
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .unassigned, .surrogate: return true
    // The blank pattern of Braille.
    default: return properties.isDefaultIgnorableCodePoint || scalar.value == 0x2800
    }
  }

  /// The character's number and name, as in `U+00AD SOFT HYPHEN`; for a control character the name that it is known by.
  static func name(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    let number = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    let properties = scalar.properties
    return (properties.name ?? properties.nameAlias).map { "\(number) \($0)" } ?? number
  }
}
