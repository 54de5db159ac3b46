import CanonicalJSON
import TestBasics
import Testing

@Suite struct ParsingTests {
  private func fault(_ text: String, _ options: JSONParseOptions = .init()) -> JSONParseError? {
    fault(Array(text.utf8), options)
  }

  private func fault(_ bytes: [UInt8], _ options: JSONParseOptions = .init()) -> JSONParseError? {
    do throws(JSONParseError) {
      _ = try JSON.parse(bytes, options: options)
      return nil
    } catch {
      return error
    }
  }

  @Test(.needsSharedData)
  func `JSONTestSuite: all y_ documents are accepted, all n_ ones refused, and no i_ one crashes`() throws {
    var counts: [Character: Int] = [:]
    for name in try Repository.sharedNames(in: "json/parsing", ending: ".json") {
      let bytes = try Repository.shared("json/parsing/" + name)
      let options = JSONParseOptions(duplicateKeys: name.hasPrefix("y_object_duplicated_key") ? .lastWins : .reject)
      let fault = fault(bytes, options)
      counts[name.first ?? "?", default: 0] += 1
      switch name.prefix(2) {
      case "y_":
        #expect(fault == nil, "\(name)")
        let value = try JSON.parse(bytes, options: options)
        #expect(try JSON.parse(value.canonicalBytes) == value, "\(name)")
      case "n_":
        #expect(fault != nil, "\(name)")
        if let fault { #expect(fault.offset >= 0 && fault.offset <= bytes.count, "\(name)") }
      default:
        if fault == nil {
          let value = try JSON.parse(bytes, options: options)
          #expect(try JSON.parse(value.canonicalBytes) == value, "\(name)")
        }
      }
    }
    #expect(counts["y"] == 95 && counts["n"] == 188 && counts["i"] == 35, "\(counts)")
  }

  @Test(
    arguments: [
      ("", .unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("[1,", .unexpectedEnd, 3), ("{\"a\"", .unexpectedEnd, 4),
      ("\"abc", .unexpectedEnd, 4), ("tru", .unexpectedEnd, 3), ("-", .unexpectedEnd, 1), ("1.", .unexpectedEnd, 2),
      ("1e+", .unexpectedEnd, 3), ("\"\\u12", .unexpectedEnd, 5),
      ("[1,]", .unexpectedByte, 3), ("{\"a\":1,}", .unexpectedByte, 7), ("{\"a\" 1}", .unexpectedByte, 5),
      ("[1}", .unexpectedByte, 2), ("{\"a\":1]", .unexpectedByte, 6), ("+1", .unexpectedByte, 0),
      ("trup", .unexpectedByte, 3), ("'a'", .unexpectedByte, 0), ("{1:2}", .unexpectedByte, 1),
      ("\u{FEFF}{}", .unexpectedByte, 0), ("[1a]", .unexpectedByte, 2), ("NaN", .unexpectedByte, 0),
      ("[\u{A0}1]", .unexpectedByte, 1),
      ("01", .invalidNumber, 1), ("-01", .invalidNumber, 2), ("[-a]", .invalidNumber, 2), ("[1.]", .invalidNumber, 3),
      ("[1.5e]", .invalidNumber, 5), ("[.5]", .unexpectedByte, 1),
      ("[1e400]", .numberOutOfRange, 1), ("[-1.5E9999]", .numberOutOfRange, 1),
      ("[2e308]", .numberOutOfRange, 1), ("1e99999999999999999999999", .numberOutOfRange, 0),
      ("\"a\u{1}\"", .controlCharacter, 2), ("\"abcdefghij\n\"", .controlCharacter, 11),
      ("\"\0\"", .controlCharacter, 1),
      ("\"\\x\"", .invalidEscape, 1), ("\"ab\\u12G4\"", .invalidEscape, 3), ("\"\\U0041\"", .invalidEscape, 1),
      ("\"\\ud800\"", .loneSurrogate, 1), ("\"\\udc00\"", .loneSurrogate, 1), ("\"\\ud800\\u0041\"", .loneSurrogate, 1),
      ("\"\\udc00\\ud800\"", .loneSurrogate, 1), ("\"\\ud800\\n\"", .loneSurrogate, 1),
      ("{\"\\udfff\":1}", .loneSurrogate, 2),
      ("1 2", .trailingBytes, 2), ("{}}", .trailingBytes, 2), ("[] ,", .trailingBytes, 3),
      ("{\"a\":1,\"b\":2,\"a\":3}", .duplicateKey, 13), ("{\"a\":1,\"\\u0061\":3}", .duplicateKey, 7),
    ] as [(String, JSONParseError.Code, Int)])
  func `each kind of fault is named with the byte it is at`(text: String, code: JSONParseError.Code, offset: Int) {
    #expect(fault(text) == JSONParseError(code: code, offset: offset))
  }

  @Test(
    arguments: [
      ([0x80], .invalidUTF8), ([0xC0, 0x80], .invalidUTF8), ([0xC1, 0xBF], .invalidUTF8), ([0xC3], .invalidUTF8),
      ([0xC3, 0x28], .invalidUTF8), ([0xE0, 0x9F, 0xBF], .invalidUTF8), ([0xE2, 0x82], .invalidUTF8),
      ([0xE2, 0x28, 0xA1], .invalidUTF8), ([0xE2, 0x82, 0x28], .invalidUTF8), ([0xF0, 0x8F, 0xBF, 0xBF], .invalidUTF8),
      ([0xF0, 0x9F, 0x98], .invalidUTF8), ([0xF4, 0x90, 0x80, 0x80], .invalidUTF8),
      ([0xF5, 0x80, 0x80, 0x80], .invalidUTF8),
      ([0xFF], .invalidUTF8), ([0xED, 0xA0, 0x80], .loneSurrogate), ([0xED, 0xBF, 0xBF], .loneSurrogate),
    ] as [([UInt8], JSONParseError.Code)])
  func `bytes that aren't UTF-8 are refused, surrogates written as bytes too`(bytes: [UInt8], code: JSONParseError.Code)
  {
    for lead in ["", "é", "0123456789"] {
      let quoted = Array(("\"" + lead).utf8)
      #expect(fault(quoted + bytes + Array("\"".utf8)) == JSONParseError(code: code, offset: quoted.count))
      #expect(fault(quoted + Array("\\n".utf8) + bytes + Array("\" ".utf8))?.offset == quoted.count + 2)
    }
    #expect(fault(Array("\"".utf8) + bytes) != nil)
  }

  @Test func `every scalar at the edge of a UTF-8 length is read, as bytes and as an escape`() throws {
    for value: UInt32 in [0x20, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x1F602, 0x10FFFF] {
      let scalar = try #require(Unicode.Scalar(value))
      let text = String(Character(scalar))
      #expect(try JSON.parse("\"\(text)\"") == .string(text))
      let escaped = text.utf16.map { unit in
        "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
      }.joined()
      #expect(try JSON.parse("\"x\(escaped)y\"") == .string("x\(text)y"))
      #expect(try JSON.parse("\"\(escaped.uppercased().replacing("U"))\"") == .string(text))
    }
    #expect(try JSON.parse(#""\"\\\/\b\f\n\r\t""#) == .string("\"\\/\u{8}\u{C}\n\r\t"))
  }

  @Test func `depth 512 is accepted by default and 513 refused, whichever container it is`() throws {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
      let inner = open == "[" ? "[]" : "{}"
      func nested(_ depth: Int) -> String {
        String(repeating: open, count: depth - 1) + inner + String(repeating: close, count: depth - 1)
      }
      #expect(throws: Never.self) { try JSON.parse(nested(512)) }
      #expect(fault(nested(513)) == JSONParseError(code: .tooDeep, offset: open.utf8.count * 512))
      #expect(fault(nested(4), JSONParseOptions(maximumDepth: 3))?.code == .tooDeep)
      #expect(fault(nested(3), JSONParseOptions(maximumDepth: 3)) == nil)
    }
    #expect(fault("1", JSONParseOptions(maximumDepth: 0)) == nil)
    #expect(fault("[]", JSONParseOptions(maximumDepth: 0))?.code == .tooDeep)
  }

  @Test func `a hundred thousand opening brackets end in tooDeep at the limit`() {
    #expect(fault(String(repeating: "[", count: 100_000)) == JSONParseError(code: .tooDeep, offset: 512))
    #expect(fault(String(repeating: "{\"a\":[", count: 100_000))?.code == .tooDeep)
  }

  @Test func `a value of depth 512 is parsed, written, compared, hashed, diffed and released on a stack of 512 KiB`() {
    onStack(ofBytes: 512 * 1024) {
      let deepest = String(repeating: "[{\"a\":", count: 256) + "1" + String(repeating: "}]", count: 256)
      do {
        let value = try JSON.parse(deepest)
        let again = try JSON.parse(deepest)
        #expect(value.canonicalString == deepest)
        #expect(value == again)
        #expect(value.hashValue == again.hashValue)
        #expect(JSONDifference.compare(value, again).isEmpty)
      } catch {
        Issue.record(error)
      }
    }
  }

  @Test func `a duplicate key is refused at its second place, or its last value stays, however many keys there are`()
    throws
  {
    for count in [2, 5, 24, 25, 300] {
      let members = (0..<count).reversed().map { "\"k\($0)\":\($0)" }
      let text = "{" + (members + ["\"k1\":\"again\""]).joined(separator: ",") + "}"
      let offset = text.utf8.count - "\"k1\":\"again\"}".utf8.count
      #expect(fault(text) == JSONParseError(code: .duplicateKey, offset: offset))
      let value = try JSON.parse(text, options: JSONParseOptions(duplicateKeys: .lastWins))
      #expect(value["k1"] == "again")
      #expect(value["k0"] == 0)
      #expect(value.objectValue?.count == count)
    }
    #expect(try JSON.parse("{\"\u{E9}\":1,\"e\u{301}\":2}").objectValue?.count == 2)
  }

  @Test func `a large object whose keys arrive backwards is sorted, not inserted one by one`() throws {
    let text = "{" + (0..<50_000).reversed().map { "\"\(100_000 + $0)\":\($0)" }.joined(separator: ",") + "}"
    let object = try #require(try JSON.parse(text).objectValue)
    #expect(object.count == 50_000)
    #expect(object.map(\.key) == (0..<50_000).map { String(100_000 + $0) })
    #expect(object["149999"] == 49_999)
  }

  @Test func `bytes that lie in one piece, in pieces and in raw memory parse alike`() throws {
    let text = "{\"a\":[1,\"é\"]}"
    let expected: JSON = ["a": [1, "é"]]
    #expect(try JSON.parse(Array(text.utf8)) == expected)
    #expect(try JSON.parse(Array("xx\(text)yy".utf8)[2..<(2 + text.utf8.count)]) == expected)
    #expect(try JSON.parse(Array(text.utf8.reversed()).reversed()) == expected)
    #expect(try Array(text.utf8).withUnsafeBytes { try JSON.parse($0) } == expected)
    #expect(try Array(text.utf8).withUnsafeBufferPointer { try JSON.parse($0) } == expected)
    #expect(fault([]) == JSONParseError(code: .unexpectedEnd, offset: 0))
    #expect(throws: JSONParseError.self) { try JSON.parse(UnsafeBufferPointer(start: nil, count: 0)) }
  }

  @Test func `the description of a fault names the byte and quotes nothing of the text`() {
    for code in JSONParseError.Code.allCases {
      #expect(JSONParseError(code: code, offset: 1234).description.contains("byte 1234"))
    }
    #expect(fault("{\"secret\":1,\"secret\":2}")?.description.contains("secret") == false)
  }

  @Test func `every prefix of a document is refused, and every changed byte either refused or read, without a crash`()
    throws
  {
    let text = #"{"a":[1,-2.5e3,"é😂\n\ud83d\ude02",{"b":null}],"c":true,"big":123456789012345678901234567890}"#
    let bytes = Array(text.utf8)
    _ = try JSON.parse(bytes)
    for length in 0..<bytes.count { #expect(fault(Array(bytes[..<length])) != nil, "\(length)") }
    for index in bytes.indices {
      for byte in UInt8.min...UInt8.max {
        var damaged = bytes
        damaged[index] = byte
        guard fault(damaged) == nil else { continue }
        let value = try JSON.parse(damaged)
        #expect(try JSON.parse(value.canonicalBytes) == value)
      }
    }
  }
}

extension String {
  /// Upper-case hex digits behind a lower-case `u`.
  fileprivate func replacing(_ upper: Character) -> String {
    String(map { $0 == upper ? "u" : $0 })
  }
}
