import CanonicalJSON
import TestBasics
import Testing

@Suite struct CanonicalScannerTests {
  @Test(.seeded) func `the members of an object stand where the parser finds them`() throws {
    var random = RandomJSON(generator: try Seeded())
    for _ in 0..<1000 {
      let object = random.object(depth: 2)
      let before = Array("[1,".utf8)
      let bytes = before + JSON.object(object).canonicalBytes + Array(",2]".utf8)
      let members = try #require(CanonicalScanner.members(of: bytes, from: before.count))
      #expect(members.count == object.count)
      for (member, (key, value)) in zip(members, object) {
        #expect(try JSON.parse(bytes[(member.key.lowerBound - 1)...member.key.upperBound]) == .string(key))
        #expect(try JSON.parse(bytes[member.value]) == value)
      }
    }
  }

  @Test(arguments: [(#""a""#, "a"), (#""""#, ""), (#""\"""#, nil), (#""a\n""#, nil), ("1", nil), ("\"", nil)])
  func `a plain text is a string without escapes`(_ value: String, _ text: String?) {
    let found = Array(value.utf8).withUnsafeBytes { bytes in
      CanonicalScanner.plainText(bytes).map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(found == text)
  }

  @Test(arguments: ["", "{", "[1]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":[1}", "{\"a\":\"", "1"])
  func `what is no whole object has no members`(_ text: String) {
    #expect(CanonicalScanner.members(of: Array(text.utf8)) == nil)
  }
}
