import CanonicalJSON
import TestBasics
import Testing

/// Pointers and differences.
@Suite struct PointerTests {
  private static let document: JSON = [
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
  ]

  @Test(
    arguments: [
      ("", document), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
      ("/g|h", 4), ("/i\\j", 5), ("/k\"l", 6), ("/ ", 7), ("/m~0n", 8),
    ] as [(String, JSON)])
  func `RFC 6901 §5: the specification's pointers lead to its values`(text: String, expected: JSON) throws {
    let pointer = try #require(JSONPointer(text))
    #expect(pointer.resolve(in: Self.document) == expected)
    #expect(pointer.description == text)
    #expect(JSONPointer(tokens: pointer.tokens) == pointer)
  }

  @Test func `a pointer that leads nowhere gives nothing, and one that isn't written as RFC 6901 says is refused`() {
    for text in [
      "/foo/2", "/foo/-", "/foo/-0", "/foo/00", "/foo/01", "/foo/a", "/foo/0/x", "/bar", "/foo/99999999999999999999",
    ] {
      #expect(JSONPointer(text)?.resolve(in: Self.document) == nil, "\(text)")
    }
    for text in ["foo", "~", "/~", "/~2", "/a~", " /a"] { #expect(JSONPointer(text) == nil, "\(text)") }
  }

  @Test func `tokens are escaped so that they read back: ~1 is a tilde and a one only as ~01`() {
    #expect(JSONPointer.escape("a/b~c") == "a~1b~0c")
    #expect(JSONPointer.escape("~1") == "~01")
    #expect(JSONPointer("/~01")?.tokens == ["~1"])
    #expect(JSONPointer().appending("x/y").appending("").description == "/x~1y/")
    #expect(JSONPointer(tokens: ["\u{E9}"]) != JSONPointer(tokens: ["e\u{301}"]))
  }

  @Test func `a difference is named where it is, in the order of the canonical text`() {
    let from: JSON = [
      "same": ["deep": [1, 2]], "changed": ["x": 1, "y": [1, 2, 3]], "gone": nil, "kind": [1], "a/b": ["~": "old"],
    ]
    let to: JSON = [
      "same": ["deep": [1.0, 2]], "changed": ["x": 2, "y": [1, 5]], "new": nil, "kind": ["0": 1], "a/b": ["~": "new"],
    ]
    let expected = [
      JSONDifference(pointer: "/a~1b/~0", from: "old", to: "new"),
      JSONDifference(pointer: "/changed/x", from: 1, to: 2),
      JSONDifference(pointer: "/changed/y/1", from: 2, to: 5),
      JSONDifference(pointer: "/changed/y/2", from: 3, to: nil),
      JSONDifference(pointer: "/gone", from: .some(.null), to: nil),
      JSONDifference(pointer: "/kind", from: [1], to: ["0": 1]),
      JSONDifference(pointer: "/new", from: nil, to: .some(.null)),
    ]
    #expect(JSONDifference.compare(from, to) == expected)
    #expect(JSONDifference.compare(from, from).isEmpty)
    #expect(JSONDifference.compare(1, "1") == [JSONDifference(pointer: "", from: 1, to: "1")])
  }

  @Test(.seeded)
  func `every difference of two random values is what the pointer leads to in each, and equal values have none`() throws
  {
    var random = RandomJSON(generator: try Seeded())
    for _ in 0..<500 {
      let shared = random.object(depth: 3)
      let from = JSON.object(shared.merging(random.object(depth: 2)))
      let to = JSON.object(shared.merging(random.object(depth: 2)))
      let differences = JSONDifference.compare(from, to)
      #expect(differences.isEmpty == (from == to))
      for difference in differences {
        let pointer = try #require(JSONPointer(difference.pointer))
        #expect(pointer.resolve(in: from) == difference.from)
        #expect(pointer.resolve(in: to) == difference.to)
        #expect(difference.from != difference.to)
      }
    }
  }
}
