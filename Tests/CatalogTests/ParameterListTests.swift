import BasicTypes
import CanonicalJSON
import Catalog
import Refusals
import Testing

/// What reading a call's params promises, which `rpc.discover` describes by the same fields.
@Suite struct ParameterListTests {
  private static let list: ParameterList = {
    var name = Field.parameter("name", .text, "A name.", isRequired: true)
    name.maximumBytes = 5
    return ParameterList(
      method: "thing.find",
      [
        name, .count("limit", "How many.", in: 1...10, default: 3), .choice("order", "Which way.", of: ["up", "down"]),
        .moment("as_of", "When."), .parameter("id", .uuid, "Which."),
      ].map { ParameterList.Parameter($0) },
      refused: ["version": "is set by Daybook itself"])
  }()

  private func problems(_ params: JSONObject) -> [String: String] {
    do throws(Refusal) {
      try Arguments(params, of: Self.list).check()
      return [:]
    } catch {
      let listed = (error.data["problems"]?.arrayValue ?? []).map {
        ($0["path"]?.stringValue ?? "", $0["problem"]?.stringValue ?? "")
      }
      return Dictionary(listed, uniquingKeysWith: { first, _ in first })
    }
  }

  @Test func `values come in their normal form, and defaults where nothing was given`() throws {
    let arguments = Arguments(
      ["name": "a", "id": "0191DF7C-AAAA-7000-8000-00000000000F", "limit": nil], of: Self.list)
    try arguments.check()
    #expect(arguments.text("name") == "a" && arguments.count("limit") == 3 && arguments.text("order") == nil)
    #expect(arguments.identifier("id")?.text == "0191df7c-aaaa-7000-8000-00000000000f")
    #expect(try arguments.required("id") == arguments.identifier("id"))
    #expect(Arguments(["name": "a", "limit": 7], of: Self.list).count("limit") == 7)
  }

  @Test func `every fault is told at once, by its place`() {
    let all = problems(["limit": 11, "order": "sideways", "as_of": "yesterday", "id": 5, "nmae": "x", "version": 2])
    #expect(all["/limit"] == "must be at most 10")
    #expect(all["/order"] == "must be one of up, down")
    #expect(all["/as_of"]?.contains("integer") == true && all["/as_of"]?.contains("RFC 3339") == true)
    #expect(all["/id"] == "must be a string")
    #expect(all["/nmae"] == "is not a parameter of thing.find; did you mean name?")
    #expect(all["/version"] == "is set by Daybook itself")
    #expect(all["/name"] == "is required")
    #expect(problems(["name": "abcdef"])["/name"] == "must be at most 5 bytes")
    #expect(problems(["name": nil])["/name"] == "must not be null")
  }

  @Test func `a moment is a position or a time`() {
    for moment: JSON in [1, "2026-01-01T00:00:00Z", nil] {
      #expect(problems(["name": "a", "as_of": moment]).isEmpty)
    }
    #expect(problems(["name": "a", "as_of": 0])["/as_of"]?.contains("at least 1") == true)
    #expect(Self.list.all[3].field.parameterSchema["anyOf"]?.arrayValue?.count == 3, "and null")
  }

  @Test func `a parameter whose content is checked later is handed on as it is`() {
    let list = ParameterList(
      method: "m",
      [
        ParameterList.Parameter(.parameter("raw", .list, ""), checksLater: true),
        ParameterList.Parameter(.parameter("cleared", .text, ""), keepsNull: true),
      ])
    var problems: [ValueProblem] = []
    var taken: [Int: JSON] = [:]
    list.read(["cleared": nil, "raw": 7], problems: &problems) { index, value, _ in taken[index] = value }
    #expect(problems.isEmpty && taken == [0: 7, 1: .null])
  }

  @Test func `limits of elements, lengths and counts are those that the schema shows`() throws {
    let about = try #require(Command.commonParameters.first { $0.name == "about" })
    #expect(about.jsonSchema["maxItems"] == 16 && about.jsonSchema["items"]?["format"] == "uuid")
    var problems: [ValueProblem] = []
    _ = FieldCheck.check(["x"], field: about, path: "/about", problems: &problems)
    #expect(problems.map(\.path) == ["/about/0"])
    problems = []
    let many = JSON.array(Array(repeating: "0191df7c-aaaa-7000-8000-00000000000f", count: 17))
    _ = FieldCheck.check(many, field: about, path: "/about", problems: &problems)
    #expect(problems == [ValueProblem(path: "/about", problem: "must have at most 16 elements")])
    let identifier = try #require(Command.commonParameters.first { $0.name == "command_id" })
    #expect(identifier.jsonSchema["minLength"] == 1 && identifier.jsonSchema["maxLength"] == 128)
    problems = []
    _ = FieldCheck.check("", field: identifier, path: "/command_id", problems: &problems)
    #expect(problems == [ValueProblem(path: "/command_id", problem: "must not be empty")])
  }
}
