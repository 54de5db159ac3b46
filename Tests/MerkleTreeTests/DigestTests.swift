import BasicTypes
import MerkleTree
import Testing

@Suite struct DigestTests {
  @Test func `A digest comes back from its bytes, hex and base64`() throws {
    let bytes = (0..<32).map { UInt8($0 * 7 % 256) }
    let digest = try #require(Digest(bytes: bytes))
    #expect(digest.bytes == bytes)
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased()) == digest)
    #expect(Digest(base64: digest.base64) == digest)
    #expect(bytes.withUnsafeBytes { Digest(bytes: $0) } == digest)
    #expect(MemoryLayout<Digest>.size == 32)
  }

  @Test func `A digest has 32 bytes and nothing else makes one`() {
    #expect(Digest(bytes: [UInt8](repeating: 1, count: 31)) == nil)
    #expect(Digest(bytes: [UInt8](repeating: 1, count: 33)) == nil)
    #expect(Digest(hex: String(repeating: "0", count: 63)) == nil)
    #expect(Digest(hex: String(repeating: "g", count: 64)) == nil)
    #expect(Digest(base64: "AAAA") == nil)
  }

  @Test func `Digests are ordered as their bytes are`() throws {
    let digests = try (0..<200).map { index in
      try #require(Digest(hex: RFC6962.leafHash([UInt8(index)]).hex))
    }
    let sorted = digests.sorted()
    #expect(sorted == digests.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) })
    var last = [UInt8](repeating: 9, count: 32)
    last[31] = 10
    let nine = try #require(Digest(bytes: [UInt8](repeating: 9, count: 32)))
    let ten = try #require(Digest(bytes: last))
    #expect(nine < ten)
    #expect(nine != ten)
  }

  // RFC 4648 §10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func `Base64 gives the RFC's vectors both ways`(plain: String, encoded: String) {
    #expect(Base64.encode(Array(plain.utf8)) == encoded)
    #expect(Base64.decode(encoded) == Array(plain.utf8))
  }

  @Test(arguments: ["Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm-v", "Zg==Zm9v", "=Zm9", "Zm 9v", "é"])
  func `Base64 that another byte sequence's text would be is refused`(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test func `Base64 brings back every byte at every length`() {
    for length in 0..<70 {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 37 + length * 101) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    }
    let all = (0...255).map { UInt8($0) }
    #expect(Base64.decode(Base64.encode(all)) == all)
  }
}
