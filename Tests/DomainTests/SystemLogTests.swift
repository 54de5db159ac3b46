import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Testing

@Suite struct SystemLogTests {
  @Test func `lines are sealed as a whole, counted in the clear`() async throws {
    let book = try Book()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let result = try await book.call(
      "system.log",
      [
        "lines": [
          ["level": "ERROR", "message": "planted-message", "logger_name": "app", "request_ip": "192.0.2.7"],
          ["message": "second", "at": "2026-01-01T00:00:00Z"], ["level": "ERROR", "message": "third"],
        ]
      ], as: ann.principal)
    #expect(result.eventNames == ["system.logged"])
    let id = try #require(result["id"]?.stringValue)
    let record = try #require(try book.records(of: id).last)
    #expect(record.header.organization?.text == acme)
    #expect(record.body.data["count"] == 3 && record.body.data["levels"] == ["ERROR": 2, "INFO": 1])
    let opened = try book.view.data(record.body.data, resource: record.header.resource)
    let lines = try #require(opened["lines"]?.arrayValue)
    #expect(lines[0]["message"] == "planted-message" && lines[0]["at"] == .string(record.header.at.text))
    #expect(lines[1]["level"] == "INFO" && lines[1]["at"] == "2026-01-01T00:00:00.000000Z")
    #expect(try !book.everything().contains("planted-message") && !book.everything().contains("192.0.2.7"))
    let again = try await book.call("system.log", ["message": "more"], as: ann.principal)
    #expect(again["id"] == result["id"] && again["version"] == 2)
    try book.checkIndexes()
  }

  @Test func `one line may be given by itself, correlated as the command is`() async throws {
    let book = try Book()
    let acme = try await book.organization("acme")
    let result = try await book.call(
      "system.log",
      [
        "organization_id": .string(acme), "level": "CRITICAL", "message": "m", "duration_ms": 12,
        "extra_data": ["k": [1, 2]], "correlation_id": "req-1",
      ])
    let id = try #require(result["id"]?.stringValue)
    let record = try #require(try book.records(of: id).last)
    let opened = try book.view.data(record.body.data, resource: record.header.resource)
    let line = try #require(opened["lines"]?.arrayValue?.first)
    #expect(line["correlation_id"] == "req-1" && line["level"] == "CRITICAL" && line["duration_ms"] == 12)
    #expect(line["extra_data"] == ["k": [1, 2]] && record.header.correlation == "req-1")
  }

  @Test func `lines of the service as a whole are for administrators`() async throws {
    let book = try Book()
    let acme = try await book.organization("acme")
    let second = try await book.organization("second")
    let ann = try await book.member("ann", of: acme)
    try await book.make("membership.create", ["user_id": .string(ann.id), "organization_id": .string(second)])
    let both = try book.principal(ann.id)
    #expect(try await book.refusal("system.log", ["message": "m"], as: both).type == "forbidden")
    let result = try await book.call("system.log", ["message": "m"])
    let state = try book.state(try #require(result["id"]?.stringValue))
    #expect(state.organization == nil)
  }

  @Test(
    arguments: [
      (["message": nil], "/message"), (["message": "m", "level": "LOUD"], "/level"),
      (["message": "m", "request_ip": "host"], "/request_ip"), (["lines": []], "/lines"),
      (["message": "m", "lines": [["message": "m"]]], "/message"), (["lines": [["level": "INFO"]]], "/lines/0/message"),
    ] as [(JSONObject, String)])
  func `what is no line is refused, and the place named`(_ params: JSONObject, _ path: String) async throws {
    let book = try Book()
    let acme = try await book.organization("acme")
    let given = params.merging(["organization_id": .string(acme)])
    #expect(try await book.refusal("system.log", given).paths == [path])
  }

  @Test(
    arguments: [
      ("logger_name", 255), ("module", 255), ("function_name", 255), ("request_id", 100), ("request_method", 10),
      ("request_path", 500), ("exception_type", 255), ("correlation_id", 100),
    ])
  func `each text of a line has its documented length`(_ name: String, _ length: Int) async throws {
    let book = try Book()
    let acme = try await book.organization("acme")
    func params(_ count: Int) -> JSONObject {
      [
        "organization_id": .string(acme), "message": "m",
        name == "correlation_id" ? "correlation_id" : name: .string(String(repeating: "é", count: count)),
      ]
    }
    try await book.call("system.log", params(length))
    #expect(try await book.refusal("system.log", params(length + 1)).paths == ["/\(name)"])
  }
}
