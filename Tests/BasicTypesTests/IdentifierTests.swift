import BasicTypes
import TestBasics
import Testing

@Suite struct IdentifierTests {
  @Test func `the text of 36 characters and the sixteen bytes are two forms of one identifier`() throws {
    let text = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    let identifier = try #require(Identifier(text))
    #expect(identifier.text == text && identifier.description == text)
    #expect(identifier.high == 0xf81d_4fae_7dec_11d0 && identifier.low == 0xa765_00a0_c91e_6bf6)
    #expect(Identifier(bytes: identifier.bytes) == identifier)
    #expect(identifier.bytes.first == 0xf8 && identifier.bytes.last == 0xf6)
    #expect(Identifier(text.uppercased()) == identifier, "either case is read, lower case is written")
  }

  @Test(.seeded) func `any sixteen bytes come back from their text`() throws {
    var random = try Seeded()
    for _ in 0..<2000 {
      let identifier = Identifier(high: random.next(), low: random.next())
      #expect(Identifier(identifier.text) == identifier && Identifier(bytes: identifier.bytes) == identifier)
    }
  }

  @Test(arguments: [
    "", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae-7dec-11d0-a765-00a0c91e6bf66",
    "f81d4fae7dec11d0a76500a0c91e6bf6", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}",
    "f81d4fae-7dec-11d0-a76500a0-c91e6bf6", "g81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    " f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae-7dec-11d0-a765-00a0c91e6bé",
  ])
  func `a text of any other form is no identifier`(_ text: String) {
    #expect(Identifier(text) == nil)
  }

  @Test func `any other number of bytes is no identifier`() {
    for count in [0, 15, 17, 32] { #expect(Identifier(bytes: [UInt8](repeating: 1, count: count)) == nil) }
  }

  @Test(.seeded) func `identifiers are in the order of their bytes`() throws {
    var random = try Seeded()
    for _ in 0..<2000 {
      // Equal high words, so that the low ones decide, in half of the cases.
      let high: UInt64 = random.next()
      let left = Identifier(high: high, low: random.next())
      let right = Identifier(high: Bool.random(using: &random) ? high : random.next(), low: random.next())
      #expect((left < right) == left.bytes.lexicographicallyPrecedes(right.bytes))
    }
  }

  @Test func `version 5 gives the identifier that RFC 9562 publishes`() throws {
    // RFC 9562, appendix A.4.
    let dns = try #require(Identifier("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    #expect(
      Identifier.version5(namespace: dns, name: "www.example.com").text == "2ed6657d-e927-568b-95e1-2665a8aea6a2")
    #expect(Identifier.urlNamespace.text == "6ba7b811-9dad-11d1-80b4-00c04fd430c8")
    #expect(
      Identifier.version5(namespace: dns, name: "www.example.com")
        != Identifier.version5(namespace: .urlNamespace, name: "www.example.com"))
  }

  @Test func `version 7 has the time in front, as RFC 9562 publishes it`() throws {
    // RFC 9562, appendix A.6: 2022-02-22T19:22:22.000Z is 017F22E2-79B0.
    let time = try #require(Timestamp("2022-02-22T19:22:22.00Z"))
    let identifier = Identifier.version7(at: time)
    #expect(identifier.text.hasPrefix("017f22e2-79b0-7000-"))
    #expect(identifier.low >> 62 == 0b10, "the variant of RFC 9562")
  }

  @Test(.seeded) func `of two version 7 identifiers the one of the later microsecond is the greater`() throws {
    var random = try Seeded()
    for _ in 0..<2000 {
      let time = Timestamp(microseconds: Int64.random(in: 0...4_000_000_000_000_000, using: &random))
      let later = Timestamp(microseconds: time.microseconds + Int64.random(in: 1...2000, using: &random))
      let (first, second) = (
        Identifier.version7(at: time, using: &random), Identifier.version7(at: later, using: &random)
      )
      #expect(first < second, "\(time) \(later)")
      #expect(first.high >> 12 & 0xF == 7 && first.low >> 62 == 0b10)
    }
  }

  @Test func `a time before 1970 makes the identifier of 1970`() {
    #expect(Identifier.version7(at: Timestamp(microseconds: -1)).text.hasPrefix("00000000-0000-7000-"))
  }

  @Test func `the bits of version and variant are set over a hash, which needs sixteen bytes`() throws {
    let stamped = try #require(Identifier.stamped(version: 8, hash: [UInt8](repeating: 0xFF, count: 20)))
    #expect(stamped.text == "ffffffff-ffff-8fff-bfff-ffffffffffff")
    #expect(Identifier.stamped(version: 8, hash: [UInt8](repeating: 0, count: 15)) == nil)
  }
}
