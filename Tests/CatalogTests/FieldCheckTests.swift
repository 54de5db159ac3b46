import CanonicalJSON
import Catalog
import Testing

@Suite struct FieldCheckTests {
  static func field(_ type: FieldType, _ change: (inout Field) -> Void = { _ in }) -> Field {
    var field = Field(name: "x", type: type)
    change(&field)
    return field
  }

  static func check(_ value: JSON, _ field: Field) -> (value: JSON, problems: [ValueProblem]) {
    var problems: [ValueProblem] = []
    let normal = FieldCheck.check(value, field: field, path: "/x", problems: &problems)
    return (normal, problems)
  }

  struct Case: Sendable {
    let type: FieldType
    let given: JSON
    let expected: JSON?
    init(_ type: FieldType, _ given: JSON, _ expected: JSON?) {
      self.type = type
      self.given = given
      self.expected = expected
    }
    init(_ type: FieldType, same given: JSON) { self.init(type, given, given) }
    init(_ type: FieldType, refused given: JSON) { self.init(type, given, nil) }
  }

  static let cases: [Case] = [
    Case(.string, same: "añ🕷"), Case(.string, refused: 1), Case(.string, refused: ["a"]),
    Case(.string, refused: "a\u{0}"),
    Case(.text, same: ""), Case(.text, refused: true), Case(.text, refused: "\u{0}"),
    Case(.slug, same: "a-b_9"), Case(.slug, same: "AcmeCorp"), Case(.slug, refused: ""), Case(.slug, refused: "a b"),
    Case(.slug, refused: "é"),
    Case(.email, same: "Ada@example.org"), Case(.email, refused: "ada"), Case(.email, refused: "@b"),
    Case(.email, refused: "a@"), Case(.email, refused: "a@b@c"), Case(.email, refused: " a@b"),
    Case(.email, refused: "a@b\n"), Case(.email, refused: "a\u{a0}@b"), Case(.email, refused: "a@b\u{0}"),
    Case(.integer, same: 2_147_483_647), Case(.integer, same: -2_147_483_648),
    Case(.integer, refused: 2_147_483_648), Case(.integer, refused: 1.5), Case(.integer, refused: "1"),
    Case(.integer, .number(3), 3),
    Case(.bigint, same: .integer(.max)), Case(.bigint, refused: .bigInteger("9223372036854775808")),
    Case(.bigint, refused: true),
    Case(.float, same: 0.5), Case(.float, same: 7), Case(.float, refused: .number(.infinity)),
    Case(.float, refused: .number(.nan)), Case(.float, .bigInteger("9223372036854775808"), 9_223_372_036_854_775_808.0),
    Case(.float, 9_007_199_254_740_993, 9_007_199_254_740_992),
    Case(.float, refused: .bigInteger("1" + String(repeating: "0", count: 400))), Case(.float, refused: "0"),
    Case(.boolean, same: false), Case(.boolean, refused: 0), Case(.boolean, refused: "true"),
    Case(.timestamp, "2020-12-28T19:52:00.001+10:00", "2020-12-28T09:52:00.001000Z"),
    Case(.timestamp, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    Case(.timestamp, refused: "0000-12-31T00:00:00Z"), Case(.timestamp, refused: "0001-01-01T00:00:00+01:00"),
    Case(.timestamp, refused: "9999-12-31T23:59:59-01:00"), Case(.timestamp, refused: "2020-12-28T19:52:00"),
    Case(.timestamp, refused: "2021-02-29T00:00:00Z"), Case(.timestamp, refused: 5),
    Case(.json, same: ["a": [1, nil, "x"]]), Case(.json, same: 0.1), Case(.json, refused: ["a": "\u{0}"]),
    Case(.json, refused: ["a\u{0}": 1]), Case(.json, refused: ["a": [["$sealed": "x"]]]),
    Case(.json, refused: ["$dropped": 1]), Case(.json, same: ["$ref": "x"]),
    Case(.json, same: .bigInteger(String(repeating: "9", count: 1000))),
    Case(.json, refused: .bigInteger(String(repeating: "9", count: 1001))),
    Case(.json, refused: [.number(.infinity)]),
    Case(.object, same: [:]), Case(.object, refused: []), Case(.object, refused: "x"),
    Case(.object, refused: ["$sealed": "x"]),
    Case(.tags, same: ["a", "a"]), Case(.tags, refused: ["a", 1]), Case(.tags, refused: "a"),
    Case(.tags, refused: ["\u{0}"]), Case(.tags, refused: [nil]),
    Case(.uuid, "0191DF7C-AAAA-7000-8000-00000000000F", "0191df7c-aaaa-7000-8000-00000000000f"),
    Case(.uuid, refused: "0191df7caaaa70008000000000000000"),
    Case(.reference, "0191DF7C-AAAA-7000-8000-00000000000F", "0191df7c-aaaa-7000-8000-00000000000f"),
    Case(.reference, refused: "x"),
    Case(.ip, same: "127.0.0.1"), Case(.ip, "2001:DB8:0:0:0:0:0:1", "2001:db8::1"), Case(.ip, refused: "127.0.0.256"),
    Case(.ip, refused: "10.0.0.0/8"), Case(.ip, refused: "127.0.0.1\u{0}"), Case(.ip, refused: "fe80::1%eth0"),
    Case(.ip, refused: "127.1"), Case(.ip, refused: ""),
  ]

  @Test(arguments: cases) func `each type takes what its column can hold, in one form`(_ one: Case) {
    let result = Self.check(one.given, Self.field(one.type))
    if let expected = one.expected {
      #expect(result.problems.isEmpty)
      #expect(result.value == expected)
    } else {
      #expect(!result.problems.isEmpty)
    }
  }

  @Test func `null passes unless the field is required`() {
    for type in FieldType.allCases {
      #expect(Self.check(.null, Self.field(type)).problems.isEmpty)
      #expect(
        Self.check(.null, Self.field(type) { $0.isRequired = true }).problems
          == [ValueProblem(path: "/x", problem: "must not be null")])
    }
  }

  @Test func `an enum takes its values and stores a synonym as what it means`() {
    let field = Self.field(.enum) {
      $0.values = ["success", "failed"]
      $0.synonyms = ["completed": "success"]
    }
    #expect(Self.check("success", field).value == "success")
    #expect(Self.check("completed", field).value == "success")
    #expect(
      Self.check("secret value", field).problems
        == [ValueProblem(path: "/x", problem: "must be one of success, failed")])
  }

  @Test func `lengths count Unicode scalars, as varchar does`() {
    let field = Self.field(.string) { $0.maximumLength = 3 }
    #expect(Self.check("🕷🕷🕷", field).problems.isEmpty)
    #expect(!Self.check("abcd", field).problems.isEmpty)
    // One grapheme of four scalars.
    #expect(!Self.check("e\u{301}\u{301}\u{301}", field).problems.isEmpty)
  }

  @Test func `an indexed text must fit its index entry`() {
    let field = Self.field(.text) { $0.maximumBytes = 2000 }
    #expect(Self.check(.string(String(repeating: "é", count: 1000)), field).problems.isEmpty)
    let problems = Self.check(.string(String(repeating: "é", count: 1001)), field).problems
    #expect(problems.first?.problem.contains("too long for an index entry") == true)
  }

  @Test func `each tag must fit its index entry`() {
    let fits = JSON.string(String(repeating: "é", count: 1000))
    #expect(Self.check(["a", fits], Self.field(.tags)).problems.isEmpty)
    let problems = Self.check(["a", .string(String(repeating: "é", count: 1000) + "a")], Self.field(.tags)).problems
    #expect(problems.map(\.path) == ["/x/1"])
    #expect(problems.first?.problem.contains("2000 bytes") == true)
  }

  @Test func `numbers keep their declared range`() {
    let field = Self.field(.integer) {
      $0.minimum = 1
      $0.maximum = 9
    }
    #expect(Self.check(1, field).problems.isEmpty && Self.check(9, field).problems.isEmpty)
    #expect(Self.check(0, field).problems == [ValueProblem(path: "/x", problem: "must be at least 1")])
    #expect(Self.check(10, field).problems == [ValueProblem(path: "/x", problem: "must be at most 9")])
  }

  @Test func `nesting is taken to 256 and no deeper`() {
    func nested(_ depth: Int) -> JSON {
      var value: JSON = 1
      for _ in 0..<depth { value = [value] }
      return value
    }
    #expect(Self.check(nested(256), Self.field(.json)).problems.isEmpty)
    let problems = Self.check(nested(257), Self.field(.json)).problems
    #expect(problems.count == 1)
    #expect(problems.first?.problem == "must not nest deeper than 256")
  }

  @Test func `each item of a list is checked, and gets its defaults`() {
    var name = Field(name: "name", type: .text)
    name.isRequired = true
    var level = Field(name: "level", type: .enum)
    level.values = ["INFO"]
    level.defaultValue = "INFO"
    let time = Field(name: "at", type: .timestamp)
    let field = Self.field(.list) { $0.items = [name, level, time] }
    let good = Self.check(
      [["name": "a", "at": "2020-01-01T00:00:00Z"], ["name": "b", "level": nil, "at": nil]], field)
    #expect(good.problems.isEmpty)
    #expect(
      good.value == [
        ["name": "a", "at": "2020-01-01T00:00:00.000000Z", "level": "INFO"], ["name": "b", "level": "INFO"],
      ])
    let bad = Self.check([["nam": "a"], 5, ["name": nil, "at": "x"]], field)
    #expect(
      bad.problems == [
        ValueProblem(path: "/x/0/nam", problem: "is not a known member (did you mean 'name'?)"),
        ValueProblem(path: "/x/0/name", problem: "is required"),
        ValueProblem(path: "/x/1", problem: "must be an object"),
        ValueProblem(path: "/x/2/at", problem: "must be an RFC 3339 time with its zone, of the years 1 to 9999"),
        ValueProblem(path: "/x/2/name", problem: "is required"),
      ])
    #expect(!Self.check([:], field).problems.isEmpty)
  }

  @Test func `a fault inside a value is told by its pointer, without the value`() {
    let result = Self.check(["a/b": [1, ["c~d": "hidden\u{0}"]]], Self.field(.json))
    #expect(result.problems == [ValueProblem(path: "/x/a~1b/1/c~0d", problem: "must not contain U+0000")])
  }
}
