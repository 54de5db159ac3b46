import CanonicalJSON
import TestBasics
import Testing

/// Canonical text.
@Suite struct CanonicalTests {
  @Test(.needsSharedData)
  func `the published RFC 8785 inputs give their outputs byte for byte`() throws {
    let names = try Repository.sharedNames(in: "json/canonical/input", ending: ".json")
    #expect(names.count == 6)
    for name in names {
      let value = try JSON.parse(try Repository.shared("json/canonical/input/" + name))
      #expect(value.canonicalBytes == (try Repository.shared("json/canonical/output/" + name)), "\(name)")
      let hex = String(
        decoding: try Repository.shared("json/canonical/outhex/" + name.dropLast(5) + ".txt"), as: UTF8.self)
      let bytes = hex.split { $0 == " " || $0.isNewline }.map { UInt8($0, radix: 16) }
      #expect(value.canonicalBytes.map(Optional.some) == bytes, "\(name)")
      #expect(try JSON.parse(value.canonicalBytes) == value, "\(name)")
    }
  }

  @Test func `RFC 8785 §3.2.3: keys are sorted by UTF-16 code units, surrogates before U+FB33`() throws {
    let sorted = ["\r", "1", "\u{80}", "\u{F6}", "\u{20AC}", "\u{1F600}", "\u{FB33}"]
    var object = JSONObject()
    for key in sorted.shuffled() { object[key] = 1 }
    #expect(object.keys.map { Array($0.utf8) } == sorted.map { Array($0.utf8) })
    let text = "{" + sorted.reversed().map { JSON.string($0).canonicalString + ":1" }.joined(separator: ",") + "}"
    #expect(try JSON.parse(text) == .object(object))
  }

  @Test(.seeded)
  func `the order of keys is that of their UTF-16 code units for any two strings`() throws {
    var random = RandomJSON(generator: try Seeded())
    let edges = ["", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}", "a", "ab", "\u{EE80}", "\u{FB33}"]
    for _ in 0..<3000 {
      let common = random.string()
      let left = common + (edges.randomElement(using: &random.generator) ?? "") + random.string()
      let right = common + (edges.randomElement(using: &random.generator) ?? "") + random.string()
      let object: JSONObject = [left: 1, right: 2]
      let expected = left.utf16.lexicographicallyPrecedes(right.utf16) ? left : right
      #expect(object.keys.first.map { Array($0.utf8) } == Array(expected.utf8))
    }
  }

  @Test func `RFC 8785 §3.2.2.2: only quotes, backslashes and control characters are escaped, the shortest way`() throws
  {
    #expect(JSON.string("\u{8}\t\n\u{C}\r").canonicalString == #""\b\t\n\f\r""#)
    #expect(JSON.string("\0\u{1}\u{B}\u{F}\u{1F}").canonicalString == #""\u0000\u0001\u000b\u000f\u001f""#)
    #expect(JSON.string("\"\\/").canonicalString == #""\"\\/""#)
    #expect(JSON.string("\u{7F}\u{80}é€😂\u{2028}").canonicalString == "\"\u{7F}\u{80}é€😂\u{2028}\"")
    for prefix in 0..<20 {
      let text = String(repeating: "x", count: prefix) + "\"" + String(repeating: "é", count: prefix) + "\n"
      #expect(try JSON.parse(JSON.string(text).canonicalBytes) == .string(text))
    }
  }

  @Test func `values, objects and pieces are appended behind what is there`() {
    var bytes = Array("> ".utf8)
    let object: JSONObject = ["b": [true, false, nil], "a": 1]
    object.writeCanonical(into: &bytes)
    JSON.object(object).writeCanonical(into: &bytes)
    JSONText.writeString("é", into: &bytes)
    #expect(
      String(decoding: bytes, as: UTF8.self) == #"> {"a":1,"b":[true,false,null]}{"a":1,"b":[true,false,null]}"é""#)
    #expect(object.canonicalBytes == Array(object.canonicalString.utf8))
    #expect(JSONObject().canonicalString == "{}")
    #expect(JSON.array([]).canonicalString == "[]")
  }

  @Test(.seeded)
  func `random values read back as themselves, and canonical text is a fixed point`() throws {
    var random = RandomJSON(generator: try Seeded())
    for round in 0..<2000 {
      let value = random.value()
      let bytes = value.canonicalBytes
      let again = try JSON.parse(bytes)
      #expect(again == value, "round \(round)")
      #expect(again.hashValue == value.hashValue, "round \(round)")
      #expect(again.canonicalBytes == bytes, "round \(round)")
      #expect(JSONDifference.compare(value, again).isEmpty, "round \(round)")
    }
  }

  @Test(.seeded)
  func `two random values are equal exactly when their canonical bytes are`() throws {
    var random = RandomJSON(generator: try Seeded())
    let values = (0..<300).map { _ in random.value(depth: 4) } + [1, 1.5, nil, "", [], [:]]
    for left in values {
      for right in values {
        #expect((left == right) == (left.canonicalBytes == right.canonicalBytes))
      }
    }
  }
}
