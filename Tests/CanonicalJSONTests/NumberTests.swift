import CanonicalJSON
import Glibc
import TestBasics
import Testing

@Suite struct NumberTests {
  private func text(_ value: Double) -> String {
    var bytes: [UInt8] = []
    JSONText.writeDouble(value, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(
    arguments: [
      (0x0000_0000_0000_0000, "0"), (0x8000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"),
      (0x8000_0000_0000_0001, "-5e-324"), (0x7FEF_FFFF_FFFF_FFFF, "1.7976931348623157e+308"),
      (0xFFEF_FFFF_FFFF_FFFF, "-1.7976931348623157e+308"), (0x4340_0000_0000_0000, "9007199254740992"),
      (0xC340_0000_0000_0000, "-9007199254740992"), (0x4430_0000_0000_0000, "295147905179352830000"),
      (0x44B5_2D02_C7E1_4AF5, "9.999999999999997e+22"), (0x44B5_2D02_C7E1_4AF6, "1e+23"),
      (0x44B5_2D02_C7E1_4AF7, "1.0000000000000001e+23"), (0x444B_1AE4_D6E2_EF4E, "999999999999999700000"),
      (0x444B_1AE4_D6E2_EF4F, "999999999999999900000"), (0x444B_1AE4_D6E2_EF50, "1e+21"),
      (0x3EB0_C6F7_A0B5_ED8C, "9.999999999999997e-7"), (0x3EB0_C6F7_A0B5_ED8D, "0.000001"),
      (0x41B3_DE43_5555_5553, "333333333.3333332"), (0x41B3_DE43_5555_5554, "333333333.33333325"),
      (0x41B3_DE43_5555_5555, "333333333.3333333"), (0x41B3_DE43_5555_5556, "333333333.3333334"),
      (0x41B3_DE43_5555_5557, "333333333.33333343"), (0xBECB_F647_612F_3696, "-0.0000033333333333333333"),
      (0x4314_3FF3_C1CB_0959, "1424953923781206.2"),
    ] as [(UInt64, String)])
  func `RFC 8785 appendix B: each double has the RFC's text`(bits: UInt64, expected: String) throws {
    let value = Double(bitPattern: bits)
    #expect(text(value) == expected)
    #expect(JSON(finite: value)?.canonicalString == expected)
    #expect(JSON.number(value).canonicalString == expected)
    #expect(try JSON.parse(expected).canonicalString == expected)
    #expect(try JSON.parse(expected) == .number(value))
    #expect(JSON.number(value) == JSON(finite: value))
  }

  @Test func `what isn't finite is no JSON number`() {
    #expect(JSON(finite: .nan) == nil)
    #expect(JSON(finite: .infinity) == nil)
    #expect(JSON(finite: -.infinity) == nil)
  }

  @Test(arguments: [
    ("1.0", "1"), ("-0", "0"), ("-0.0", "0"), ("0e5", "0"), ("-0E-5", "0"), ("0e99999999999999999999", "0"),
    ("1e2", "100"),
    ("1E+2", "100"), ("10e-1", "1"), ("0.000001", "0.000001"), ("0.0000001", "1e-7"), ("1e-7", "1e-7"),
    ("123456.789e-2", "1234.56789"), ("4.50", "4.5"), ("2e-3", "0.002"), ("1E30", "1e+30"),
    ("0.000000000000000000000000001", "1e-27"), ("333333333.33333329", "333333333.3333333"),
    ("1e20", "100000000000000000000"), ("1e21", "1e+21"), ("1e22", "1e+22"), ("1.5e300", "1.5e+300"),
    ("9007199254740993.0", "9007199254740992"), ("9223372036854775807.0", "9223372036854776000"),
    ("1234567890123456768.0", "1234567890123456800"), ("123e-10000000", "0"), ("-1e-400", "0"),
    ("0.1", "0.1"), ("-12.5", "-12.5"), ("5e-324", "5e-324"), ("2.2250738585072011e-308", "2.225073858507201e-308"),
    ("0.30000000000000004", "0.30000000000000004"), ("100000000000000000000000000000.0", "1e+29"),
    ("1.00000000000000000000000000000000000000001", "1"), ("12345678901234567890.5", "12345678901234567000"),
  ])
  func `a literal with a fraction or exponent is written as ECMAScript writes its double`(
    literal: String, expected: String
  ) throws {
    let value = try JSON.parse(literal)
    #expect(value.canonicalString == expected)
    #expect(try JSON.parse(expected) == value)
  }

  @Test func `integral values take the integer cases, whichever way they are written`() throws {
    func isExactly(_ text: String, _ expected: JSON) throws -> Bool {
      switch (try JSON.parse(text), expected) {
      case (.integer(let left), .integer(let right)): left == right
      case (.bigInteger(let left), .bigInteger(let right)): left == right
      case (.number(let left), .number(let right)): left == right
      default: false
      }
    }
    #expect(try isExactly("1.0", .integer(1)))
    #expect(try isExactly("1e2", .integer(100)))
    #expect(try isExactly("-0", .integer(0)))
    #expect(try isExactly("-0.0", .integer(0)))
    #expect(try isExactly("9223372036854775807", .integer(.max)))
    #expect(try isExactly("-9223372036854775808", .integer(.min)))
    #expect(try isExactly("9223372036854775808", .bigInteger("9223372036854775808")))
    #expect(try isExactly("-9223372036854775809", .bigInteger("-9223372036854775809")))
    #expect(try isExactly("18446744073709551616", .bigInteger("18446744073709551616")))
    #expect(try isExactly("1e20", .bigInteger("100000000000000000000")))
    #expect(try isExactly("1e21", .number(1e21)))
    #expect(try isExactly("0.5", .number(0.5)))
  }

  @Test(arguments: [
    "9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "9999999999999999999", "18446744073709551615", "18446744073709551616", "123456789012345678901234567890",
    "-100000000000000000000000000000000001", "1" + String(repeating: "0", count: 400),
  ])
  func `an integer literal beyond 2^53 is kept digit by digit`(literal: String) throws {
    #expect(try JSON.parse(literal).canonicalString == literal)
    #expect(try JSON.parse("[\(literal) ]").canonicalString == "[\(literal)]")
    #expect(JSON(integerText: literal) == (try JSON.parse(literal)))
  }

  @Test func `integer text is checked before it becomes a value`() {
    for text in ["", "-", "01", "-01", "+1", "1.0", "1e5", " 1", "1 ", "0x1", "12345678901234567890a", "\"", "1,2"] {
      #expect(JSON(integerText: text) == nil, "\(text)")
    }
    #expect(JSON(integerText: "-0") == 0)
    #expect(JSON(integerText: "-0")?.canonicalString == "0")
    #expect(JSON(integerText: "42") == 42)
  }

  @Test func `integers are written in decimal, the extremes too`() {
    for value in [0, 7, 10, -1, -10, 99, 100, 4711, .max, .min, .max - 1] as [Int64] {
      var bytes: [UInt8] = []
      JSONText.writeInteger(value, into: &bytes)
      #expect(String(decoding: bytes, as: UTF8.self) == String(value))
    }
  }

  @Test func `accessors convert between the number cases where nothing is lost`() throws {
    #expect(JSON.integer(3).doubleValue == 3)
    #expect(JSON.number(3).integerValue == 3)
    #expect(JSON.number(3.5).integerValue == nil)
    #expect(try JSON.parse("1e20").doubleValue == 1e20)
    #expect(try JSON.parse("1e20").integerValue == nil)
    #expect(try JSON.parse("1" + String(repeating: "0", count: 400)).doubleValue == nil)
  }

  @Test(.seeded)
  func `random doubles are written with the fewest digits, the nearest such, and read back as themselves`() throws {
    var random = RandomJSON(generator: try Seeded())
    for _ in 0..<20_000 {
      let value = random.finiteDouble()
      let written = text(value)
      #expect(strtod(written, nil) == value, "\(value)")
      let (precision, shortest) = shortestByPrinting(value)
      let digits = significantDigits(written)
      // printf rounds correctly at each length; at powers of two a shorter text than its shortest may exist.
      #expect(digits.count <= precision, "\(value)")
      if digits.count == significantDigits(shortest).count {
        #expect(digits == significantDigits(shortest), "\(value)")
      }
      if value.magnitude >= 1e21 || value != value.rounded() {
        #expect(try JSON.parse(written).doubleValue == value, "\(value)")
      }
    }
  }

  @Test(.seeded)
  func `random literals of any length and exponent are read as the nearest double`() throws {
    var generator = try Seeded()
    for _ in 0..<20_000 {
      let integral = String(
        UInt64.random(in: 0...(.max >> UInt64.random(in: 0..<64, using: &generator)), using: &generator))
      let fraction = String(
        UInt64.random(in: 0...(.max >> UInt64.random(in: 0..<64, using: &generator)), using: &generator))
      let exponent = Int.random(in: -40...40, using: &generator)
      let literal = "\(integral).\(fraction)e\(exponent)"
      let expected = JSON(finite: strtod(literal, nil))
      #expect(try JSON.parse(literal) == expected, "\(literal)")
    }
  }

  /// The fewest digits at which printf's text reads back as the same double.
  private func shortestByPrinting(_ value: Double) -> (precision: Int, text: String) {
    for precision in 1...17 {
      var buffer = [CChar](repeating: 0, count: 40)
      let count = withVaList([Int32(precision - 1), value]) { vsnprintf(&buffer, buffer.count, "%.*e", $0) }
      let text = String(decoding: buffer[..<Int(count)].map(UInt8.init(bitPattern:)), as: UTF8.self)
      if strtod(text, nil) == value { return (precision, text) }
    }
    return (17, "")
  }

  private func significantDigits(_ text: String) -> String {
    let digits = text.prefix { $0 != "e" }.filter(\.isNumber).drop { $0 == "0" }
    return String(String(digits.reversed().drop { $0 == "0" }).reversed())
  }
}
