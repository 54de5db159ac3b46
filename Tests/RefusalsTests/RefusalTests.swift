import CanonicalJSON
import Foundation
import Refusals
import Testing

@Suite struct RefusalTests {
  @Test func `every code has a number of its own in JSON-RPC's range and is found by it`() {
    #expect(Set(Refusal.Code.allCases.map(\.number)).count == Refusal.Code.allCases.count)
    for code in Refusal.Code.allCases {
      #expect(Refusal.Code(number: code.number) == code)
      #expect((-32768 ... -32000).contains(code.number))
      #expect(code.meaning.hasSuffix("."))
      #expect(Set(code.members.map(\.name)).count == code.members.count)
    }
    #expect(Refusal.Code(number: -1) == nil)
  }

  @Test func `the numbers and words of the protocol stay as they are`() {
    let known: [String: Int] = [
      "parse_error": -32700, "invalid_request": -32600, "method_not_found": -32601, "invalid_params": -32602,
      "internal": -32603, "unauthenticated": -32001, "forbidden": -32003, "not_found": -32004, "conflict": -32009,
      "gone": -32010, "too_large": -32013, "held": -32023, "overloaded": -32029, "stale": -32030,
      "unavailable": -32053,
    ]
    let now = Dictionary(
      Refusal.Code.allCases.map { ($0.rawValue, $0.number) }, uniquingKeysWith: { first, _ in first })
    #expect(now == known)
  }

  /// One refusal of every code, made as the server makes it.
  static let made: [Refusal] = [
    .parseError(JSONParseError(code: .duplicateKey, offset: 3)), .invalidRequest("A request must be an object."),
    .methodNotFound("pipeline.publsh", suggestions: ["pipeline.publish"]), .invalidParam("/name", "is required"),
    .internalError("Something went wrong."), .unauthenticated(), .forbidden(permission: "pipelines:write"),
    .notFound(type: "api_key", id: "1"), .conflict(reason: "version", "It has changed.", ["expected": 1, "actual": 2]),
    .gone(type: "pipeline", id: "1", since: "2026-01-01T00:00:00Z"), .tooLarge(limit: 5, "A batch holds at most 5."),
    .held(by: "1"), .overloaded(retryAfterMilliseconds: 100), .stale(position: 1, atLeast: 2),
    .unavailable(component: "postgres", "PostgreSQL is away."),
  ]

  @Test func `a client reads back every refusal as it was written`() throws {
    #expect(Set(Self.made.map(\.code)) == Set(Refusal.Code.allCases))
    for refusal in Self.made {
      let received = try #require(ReceivedRefusal(refusal.json))
      #expect(received.code == refusal.code && received.number == refusal.code.number)
      #expect(received.message == refusal.message && received.data == refusal.data)
      #expect(received.json == refusal.json)
    }
  }

  @Test func `data holds nothing that its code does not list`() {
    for refusal in Self.made {
      let listed = refusal.code.members.map(\.name)
      for name in refusal.data.keys { #expect(listed.contains(name), "\(refusal.code) has \(name)") }
    }
  }

  @Test func `a code of a newer server is carried as it came`() throws {
    let received = try #require(
      ReceivedRefusal(["code": -32099, "message": "New.", "data": ["type": "novel", "detail": 7]]))
    #expect(received.code == nil && received.type == "novel" && received.number == -32099)
    #expect(received.data == ["detail": 7])
    let foreign = try #require(ReceivedRefusal(["code": -32601, "message": "Method not found"]))
    #expect(foreign.code == .methodNotFound && foreign.type.isEmpty)
    #expect(ReceivedRefusal(["message": "no code"]) == nil)
  }
}

/// The page about the protocol, which is written by hand, against the codes.
@Suite struct ErrorPageTests {
  static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/daybook/Daybook.docc/Protocol.md").path

  @Test(.enabled(if: FileManager.default.fileExists(atPath: page), "the page is not written yet"))
  func `the page of errors has each code with its number and every member of its data`() throws {
    let page = try String(contentsOfFile: Self.page, encoding: .utf8)
    let lines = page.split(separator: "\n").map(String.init)
    for code in Refusal.Code.allCases {
      let about = lines.filter { $0.contains("`\(code.rawValue)`") }
      #expect(about.contains { $0.contains("\(code.number)") }, "\(code.rawValue) \(code.number)")
      for member in code.members {
        #expect(page.contains("`\(member.name)`"), "\(member.name) of \(code.rawValue)")
      }
    }
  }
}
