import BasicTypes
import CanonicalJSON
import DaybookClient
import Domain
import EventLog
import Protocol
import ServerTestKit
import Testing

@testable import Server

/// Calls over a socket.
@Suite(.timeLimit(.minutes(2))) struct CallTests {
  private func create(_ id: JSON, _ slug: String) -> String {
    let request = Request(
      id: RequestID(id), method: "organization.create", params: ["name": .string(slug), "slug": .string(slug)])
    var bytes: [UInt8] = []
    MessageWriter.writeRequest(request, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(arguments: ["unix", "tcp"])
  func `pipelined commands are applied in the order sent`(_ kind: String) async throws {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read", "write"]])
      let client = try await test.raw(kind)
      // More than may be in flight, in one go.
      var text = #"{"jsonrpc":"2.0","id":"open","method":"session.open","params":{"api_key":"\#(key.key)"}}"# + "\n"
      for number in 0..<1000 {
        text += #"{"jsonrpc":"2.0","id":\#(number),"method":"pipeline.create","params":{"name":"p\#(number)"}}"# + "\n"
      }
      try await client.send(text)
      let answers = try await client.read(1001)
      #expect(answers.count == 1001)
      var positions: [Int64: Int64] = [:]
      for answer in answers where answer["id"] != "open" {
        positions[try #require(answer["id"]?.integerValue)] = try #require(
          answer["result"]?["position"]?.integerValue, "\(answer)")
      }
      let inOrder = (0..<1000).compactMap { positions[Int64($0)] }
      #expect(inOrder.count == 1000)
      let events = try await test.server.services.log.records(from: 1, limit: 10_000, maximumBytes: 64 << 20)
      let names = try events.filter { try $0.parsedHeader().event == "pipeline.created" }
        .map { try $0.parsedBody().set["name"]?.stringValue }
      #expect(names == (0..<1000).map { "p\($0)" })
      try await client.close()
    }
  }

  @Test func `a query sees the commands sent before it on its connection, answered or not`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      for round in 0..<50 {
        let id = Identifier.version7(at: .now).text
        _ = client.send("organization.create", ["id": .string(id), "name": "n", "slug": .string("s\(round)")])
        let found = client.send("organization.get", ["id": .string(id)])
        #expect(try await found.value["item"]?["slug"] == .string("s\(round)"))
      }
      try await client.close()
    }
  }

  @Test func `a command that is prepared in the background holds back those behind it, and no query`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let id = Identifier.version7(at: .now).text
      let created = client.send(
        "user.create", ["id": .string(id), "email": "a@example.org", "password": "correct horse battery"])
      let edited = client.send("user.edit", ["id": .string(id), "full_name": "A"])
      let ping = client.send("server.ping")
      #expect(try await ping.value == ["pong": true])
      let first = try #require(try await created.value["position"]?.integerValue)
      let second = try #require(try await edited.value["position"]?.integerValue)
      #expect(first < second)
      try await client.close()
    }
  }

  @Test func `batches answer one array of what was asked, in its order; notifications get no answer`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw()
      let ping = #"{"jsonrpc":"2.0","id":"p","method":"server.ping"}"#
      let silent = #"{"jsonrpc":"2.0","method":"server.ping"}"#
      let answer = try await client.ask(
        "[\(create(1, "one")),\(silent),1,\(create(2, "two")),\(ping),{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}]")
      let parts = try #require(answer.arrayValue)
      #expect(parts.count == 4)
      #expect(parts.map { $0["id"] } == [1, .null, 2, "p"])
      #expect(parts[0]["result"]?["events"]?.arrayValue?.count == 1)
      #expect(parts[1].errorCode == -32600)
      #expect(parts[3]["result"] == ["pong": true])
      let empty = try await client.ask("[]")
      #expect(empty.errorType == "invalid_request" && empty["id"] == .null)
      // Nothing at all answers these; the ping behind them is the next line.
      try await client.send("[\(silent),\(silent)]\n\(silent)\n{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}\n")
      try await client.send("{\"jsonrpc\":\"2.0\",\"method\":\"organization.create\",\"params\":{}}\n")
      #expect(try await client.ask(ping)["id"] == "p")
      try await client.close()
    }
  }

  @Test func `a notification is carried out`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      client.notify("organization.create", ["name": "quiet", "slug": "quiet"])
      let found = try await client.call("organization.get", ["slug": "quiet"])
      #expect(found["item"]?["name"] == "quiet")
      try await client.close()
    }
  }

  @Test func `every fault gets its error, and the connection lives on`() async throws {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let client = try await test.raw()
      let cases: [(line: String, code: Int64, type: String)] = [
        ("nonsense", -32700, "parse_error"),
        (#"{"jsonrpc":"2.0","id":1,"#, -32700, "parse_error"),
        (#"{"id":1,"method":"server.ping"}"#, -32600, "invalid_request"),
        (#"{"jsonrpc":"2.0","id":1,"method":"pipelin.create"}"#, -32601, "method_not_found"),
        (#"{"jsonrpc":"2.0","id":1,"method":"server.ping","params":[1]}"#, -32602, "invalid_params"),
        (#"{"jsonrpc":"2.0","id":1,"method":"server.ping","params":{"x":1}}"#, -32602, "invalid_params"),
        (
          #"{"jsonrpc":"2.0","id":1,"method":"organization.create","params":{"name":5,"what":1}}"#, -32602,
          "invalid_params"
        ),
        (
          #"{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"api_key":"dbk_wrong"}}"#, -32001,
          "unauthenticated"
        ),
        (
          #"{"jsonrpc":"2.0","id":1,"method":"pipeline.get","params":{"id":"00000000-0000-7000-8000-000000000000"}}"#,
          -32004, "not_found"
        ),
        (create(1, "acme"), -32009, "conflict"),
        (
          #"{"jsonrpc":"2.0","id":1,"method":"organization.edit","params":{"id":"\#(organization)","name":"x","expected_version":7}}"#,
          -32009, "conflict"
        ),
        (
          #"{"jsonrpc":"2.0","id":1,"method":"organization.get","params":{"slug":"acme","at_least":1000,"timeout_ms":20}}"#,
          -32030, "stale"
        ),
        (
          #"{"jsonrpc":"2.0","id":1,"method":"organization.get","params":{"slug":"acme","timeout_ms":"x"}}"#, -32602,
          "invalid_params"
        ),
        (#"{"jsonrpc":"2.0","id":1,"method":"organization.list","params":{"timeout_ms":20}}"#, -32053, "unavailable"),
        (#"{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"token":"x.y.z"}}"#, -32053, "unavailable"),
        (#"{"jsonrpc":"2.0","id":1,"method":"log.unsubscribe","params":{"subscription":9}}"#, -32004, "not_found"),
      ]
      for (line, code, type) in cases {
        let answer = try await client.ask(line)
        #expect(answer.errorCode == code && answer.errorType == type, "\(line) → \(answer)")
        #expect(answer["error"]?["message"]?.stringValue?.isEmpty == false)
        let ping = try await client.ask(#"{"jsonrpc":"2.0","id":"p","method":"server.ping"}"#)
        #expect(ping["result"] == ["pong": true])
      }
      try await client.send(bytes: [0x22, 0xC3, 0x28, 0x22, 0x0A])
      #expect(try await client.next().errorCode == -32700)
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":0,"method":"server.ping"}"#)["id"] == 0)
      try await client.close()
    }
  }

  @Test func `all faults of the params are told at once; a misspelled method gets suggestions`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw()
      let wrong = try await client.ask(
        #"{"jsonrpc":"2.0","id":1,"method":"log.subscribe","params":{"from":"x","resource_id":1,"nothing":2}}"#)
      let problems = try #require(wrong["error"]?["data"]?["problems"]?.arrayValue)
      #expect(Set(problems.compactMap { $0["path"]?.stringValue }) == ["/from", "/resource_id", "/nothing"])
      let unknown = try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"pipeline.rolback"}"#)
      #expect(unknown["error"]?["data"]?["suggestions"]?.arrayValue?.first == "pipeline.rollback")
      let strange = try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"zzzzzzzzzzzzzz"}"#)
      #expect(strange["error"]?["data"]?["suggestions"] == [])
      try await client.close()
    }
  }

  @Test func `a line beyond the limit is refused and read past`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw("unix")
      let long = String(repeating: "x", count: 5 << 20)
      try await client.send(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\(long)\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"server.ping\"}\n"
      )
      let answers = try await client.read(2)
      #expect(answers[0].errorType == "too_large" && answers[0]["id"] == 1)
      #expect(answers[0]["error"]?["data"]?["limit"] == .integer(4 << 20))
      #expect(answers[1]["id"] == 2 && answers[1]["result"] == ["pong": true])
      try await client.close()
    }
  }

  @Test func `a person may type: carriage returns, blank lines, and a last line without an end`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw()
      try await client.send("\r\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\r\n  \n")
      try await client.send("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"server.ping\"}")
      try await client.finish()
      let answers = try await client.rest()
      #expect(answers.map { $0["id"] } == [1, 2])
    }
  }

  @Test func `what was sent before a half-close is all answered`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw()
      let lines = (0..<600).map { create(.integer($0), "s\($0)") }
      try await client.send(lines.joined(separator: "\n"))
      try await client.finish()
      let answers = try await client.rest()
      #expect(Set(answers.compactMap { $0["id"]?.integerValue }) == Set(0..<600))
      #expect(answers.allSatisfy { $0["result"] != nil })
    }
  }

  @Test func `rpc.discover describes every method with its schemas`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let document = try await client.call("rpc.discover")
      #expect(document["openrpc"]?.stringValue?.hasPrefix("1.") == true)
      let methods = try #require(document["methods"]?.arrayValue)
      #expect(methods.count == test.server.services.methods.count)
      let names = Set(methods.compactMap { $0["name"]?.stringValue })
      for name in [
        "pipeline.create", "pipeline.rollback", "pipeline.list", "batch.apply", "session.open", "log.subscribe",
        "rpc.discover",
      ] {
        #expect(names.contains(name))
      }
      #expect(!names.contains("session.refuse"), "internal commands are no methods")
      for method in methods {
        #expect(method["paramStructure"] == "by-name")
        #expect(method["result"]?["schema"] != nil && method["summary"]?.stringValue?.isEmpty == false, "\(method)")
        for parameter in method["params"]?.arrayValue ?? [] {
          #expect(parameter["name"]?.stringValue != nil && parameter["schema"] != nil)
        }
      }
      let create = try #require(methods.first { $0["name"] == "pipeline.create" })
      let name = try #require(create["params"]?.arrayValue?.first { $0["name"] == "name" })
      #expect(name["required"] == true && name["schema"]?["type"] == "string")
      try await client.close()
    }
  }

  @Test func `server.status and server.metrics tell what was done`() async throws {
    try await TestServer.run { test in
      _ = try await test.organization("acme")
      let client = try await test.administrator()
      let status = try await client.call("server.status")
      #expect(status["position"] == status["tree_size"])
      #expect(status["data_folder"] == .string(test.folder + "/data"))
      #expect(status["addresses"]?.arrayValue?.count == 2)
      #expect(status["catalog_revision"]?.stringValue?.utf8.count == 64)
      let metrics = try await client.call("server.metrics")
      #expect(metrics["commands"]?["count"] == 1)
      #expect(metrics["log"]?["commits"]?.integerValue ?? 0 >= 1)
      #expect(metrics["connections"]?["open"] == 1)
      try await client.close()
    }
  }
}
