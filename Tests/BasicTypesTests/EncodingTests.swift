import BasicTypes
import Foundation
import TestBasics
import Testing

@Suite struct EncodingTests {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func `base64 gives the vectors of RFC 4648 section 10`(_ text: String, _ encoded: String) {
    #expect(Base64.encode(Array(text.utf8)) == encoded)
    #expect(Base64.decode(encoded) == Array(text.utf8))
  }

  @Test(arguments: [
    "Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Z===", "Zm8=\n", "Zm 8", "Zm-_", "Zé=", "Zg=a",
    // Bits left over that are not zero: RFC 4648 §3.5.
    "Zh==", "Zm9=",
  ])
  func `base64 that the encoder would not write is refused`(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test(.seeded) func `any bytes come back from base64 and hex, and Foundation writes the same base64`() throws {
    var random = try Seeded()
    for length in 0..<200 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      let text = Base64.encode(bytes)
      #expect(text == Data(bytes).base64EncodedString() && Base64.decode(text) == bytes, "\(length) bytes")
      let hex = Hex.encode(bytes)
      #expect(hex == bytes.map { String(format: "%02x", $0) }.joined() && Hex.decode(hex) == bytes, "\(length) bytes")
    }
  }

  @Test func `hex is written in lower case and read in either`() {
    #expect(Hex.encode([0x00, 0x0A, 0xFF, 0x90]) == "000aff90")
    #expect(Hex.decode("000AfF90") == [0x00, 0x0A, 0xFF, 0x90] && Hex.decode("") == [])
  }

  @Test(arguments: ["0", "0g", "0x00", " 00", "00 ", "é", "00\n", "－0"])
  func `hex of an odd length, or with another character, is refused`(_ text: String) {
    #expect(Hex.decode(text) == nil)
  }
}
