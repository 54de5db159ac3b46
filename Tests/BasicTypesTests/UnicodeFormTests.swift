import BasicTypes
@_spi(_Unicode) import Swift
import TestBasics
import Testing

@Suite struct UnicodeFormTests {
  /// Characters whose class the standard library takes for 0 when it orders marks, against UAX #15.
  private static let misordered: Set<UInt32> = [0xF73, 0xF75, 0xF81]

  /// The planes that have characters.
  private static let all = (Array(UInt32(0)...0x2FFFF) + Array(0xE0000...0xE0FFF)).compactMap { Unicode.Scalar($0) }

  /// What the standard library makes of a text, by data of its own.
  private func composition(_ text: String) -> [UInt8] { bytes(String(String.UnicodeScalarView(text._nfc))) }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func `every character alone has the composition that the standard library gives it`() {
    for scalar in Self.all {
      let text = String(scalar)
      let isSame = bytes(UnicodeForm.composed(text)) == composition(text)
      if !isSame { Issue.record("U+\(String(scalar.value, radix: 16))") }
    }
  }

  @Test(.seeded) func `any text has one composition and one folding, in whichever form it comes`() throws {
    var random = try Seeded()
    let folding = Self.all.filter { UnicodeForm.folded(String($0)) != String($0) || $0.properties.isDiacritic }
    let marks = (UInt32(0x300)...0x36F).compactMap { Unicode.Scalar($0) }
    let jamo = (UInt32(0x1100)...0x11FF).compactMap { Unicode.Scalar($0) }
    for _ in 0..<20_000 {
      var scalars = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        let pool = [folding, marks, jamo, Self.all][Int.random(in: 0..<4, using: &random)]
        if let scalar = pool.randomElement(using: &random), !Self.misordered.contains(scalar.value) {
          scalars.append(scalar)
        }
      }
      let text = String(scalars)
      let numbers = scalars.map { String($0.value, radix: 16) }.joined(separator: " ")
      #expect(bytes(UnicodeForm.composed(text)) == composition(text), "\(numbers)")
      let folded = UnicodeForm.folded(text)
      for other in [folded, String(String.UnicodeScalarView(text._nfd)), UnicodeForm.composed(text)] {
        #expect(bytes(UnicodeForm.folded(other)) == bytes(folded), "\(numbers)")
      }
      #expect(bytes(UnicodeForm.composed(folded)) == bytes(folded), "\(numbers)")
      // The rule by which SQL gets the same.
      let lower = String(decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
      #expect(bytes(UnicodeForm.beyondASCII(text) ?? lower) == bytes(folded), "\(numbers)")
    }
  }

  @Test func `capitals and small letters fold to one, in every script that has both`() {
    for scalar in Self.all where scalar.properties.isCased {
      let properties = scalar.properties
      // The dotless i, and the dotted capital, are letters of their own but in Turkish.
      guard scalar != "\u{131}", scalar != "\u{130}" else { continue }
      let folded = UnicodeForm.folded(String(scalar))
      for other in [properties.uppercaseMapping, properties.lowercaseMapping, properties.titlecaseMapping] {
        if bytes(UnicodeForm.folded(other)) != bytes(folded) { Issue.record("U+\(String(scalar.value, radix: 16))") }
      }
    }
  }

  @Test(arguments: [
    ("ÉCLAIR à la crème", "éclair à la crème"), ("e\u{301}", "é"), ("ΣΊΣΥΦΟΣ", "σίσυφοσ"), ("σίσυφος", "σίσυφοσ"),
    ("İstanbul", "i\u{307}stanbul"), ("ıI", "ıi"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("ẞ", "ss"),
    ("\u{212A}elvin", "kelvin"), ("ﬁ", "fi"), ("Ꭰᏸ", "ᎠᏰ"), ("ꭰ", "Ꭰ"), ("ǅ", "ǆ"), ("\u{3B1}\u{345}\u{301}", "άι"),
    ("한글", "한글"), ("\u{1112}\u{1161}\u{11AB}", "한"), ("Ａ", "ａ"), ("plain TEXT", "plain text"), ("", ""),
  ])
  func `texts fold as Unicode's default caseless matching has it`(_ text: String, _ folded: String) {
    #expect(bytes(UnicodeForm.folded(text)) == bytes(folded))
  }

  @Test(arguments: [
    ("rob\u{202E}", "U+202E RIGHT-TO-LEFT OVERRIDE"), ("\u{200B}", "U+200B ZERO WIDTH SPACE"),
    ("soft\u{AD}hyphen", "U+00AD SOFT HYPHEN"), ("\u{FEFF}bom", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    ("a\u{A0}b", "U+00A0 NO-BREAK SPACE"), ("\u{3164}", "U+3164 HANGUL FILLER"),
    ("x\u{FE0F}", "U+FE0F VARIATION SELECTOR-16"), ("\u{E0041}", "U+E0041 TAG LATIN CAPITAL LETTER A"),
    ("a\u{7}", "U+0007"), ("\u{2028}", "U+2028 LINE SEPARATOR"), ("\u{378}", "U+0378"), ("\u{FFFE}", "U+FFFE"),
  ])
  func `hidden characters are found and named`(_ text: String, _ name: String) {
    #expect(HiddenCharacter.first(in: text) == name)
  }

  @Test(arguments: ["", "plain name", "rené", "rene\u{301}", "Ольга", "李小龍", "علي", "ﬁ²", "👍"])
  func `what can be seen is not hidden`(_ text: String) { #expect(HiddenCharacter.first(in: text) == nil) }

  /// RFC 8265, section 4.3, and what its rules make of other texts.
  @Test(arguments: [
    ("correct horse battery staple", "correct horse battery staple"),
    ("Correct Horse Battery Staple", "Correct Horse Battery Staple"), ("\u{3C0}\u{DF}\u{E5}", "\u{3C0}\u{DF}\u{E5}"),
    ("Jack of \u{2666}s", "Jack of \u{2666}s"), ("foo\u{1680}bar", "foo bar"), ("a\u{A0}b\u{3000}", "a b "),
    ("jose\u{301}", "jos\u{E9}"), ("\u{FF21}", "\u{FF21}"), ("\u{FB01}", "\u{FB01}"), ("\u{1F44D}", "\u{1F44D}"),
    ("l\u{B7}l", "l\u{B7}l"), ("\u{915}\u{94D}\u{200D}\u{937}", "\u{915}\u{94D}\u{200D}\u{937}"),
    ("\u{645}\u{6CC}\u{200C}\u{62E}", "\u{645}\u{6CC}\u{200C}\u{62E}"), ("\u{65E5}\u{30FB}", "\u{65E5}\u{30FB}"),
    ("\u{375}\u{3B1}", "\u{375}\u{3B1}"), ("\u{5D0}\u{5F3}", "\u{5D0}\u{5F3}"), ("\u{661}\u{662}", "\u{661}\u{662}"),
  ])
  func `passwords are prepared as RFC 8265 says`(_ given: String, _ prepared: String) throws {
    #expect(try bytes(OpaqueString.prepare(given)) == bytes(prepared))
    #expect(try bytes(OpaqueString.prepare(prepared)) == bytes(prepared))
  }

  @Test(arguments: [
    "", "my cat is a \u{9}by", "a\u{200B}b", "\u{AD}", "a\u{200D}b", "a\u{200C}b", "a\u{B7}b", "\u{30FB}", "\u{1100}",
    "\u{E000}", "\u{378}", "\u{FE0F}", "\u{640}", "\u{661}\u{6F1}", "a\u{375}b", "\u{5F3}", "\u{7F}", "\u{2028}",
    "\u{FFFF}", "\u{202E}", "\u{3164}",
  ])
  func `what RFC 8265 has no password of is refused`(_ given: String) {
    #expect(throws: OpaqueString.Problem.self) { try OpaqueString.prepare(given) }
  }
}
