import CanonicalJSON
import DaybookClient
import EventLog
import Foundation
import NIOCore
import ServerTestKit
import TestBasics
import Testing

@testable import Server

@Suite(.timeLimit(.minutes(2))) struct HTTPTests {
  /// An event of OpenLineage about a job of that name.
  static func event(_ job: String, run: String = UUID().uuidString.lowercased()) -> String {
    """
    {"eventTime":"2026-11-28T18:50:15Z","eventType":"START","inputs":[],"outputs":[],\
    "job":{"namespace":"http","name":"\(job)"},"run":{"runId":"\(run)"},"producer":"https://example.com/p",\
    "schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
    """
  }

  static func post(
    _ body: String, key: String?, path: String = "/api/v1/lineage", headers: [String] = [],
    type: String = "application/json"
  ) -> [UInt8] {
    HTTPSocket.request("POST", path, key: key, headers: headers, body: Array(body.utf8), type: type)
  }

  /// A server with HTTP, an organization, and a key that may record events there.
  static func withServer(
    _ change: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestServer, _ key: String) async throws -> Void
  ) async throws {
    try await TestServer.run { configuration in
      configuration.http = ("127.0.0.1", 0)
      change(&configuration)
    } _: { test in
      let organization = try await test.organization("acme")
      try await body(test, try await test.apiKey(organization, ["*": ["read", "write"]]).key)
    }
  }

  static func gzip(_ bytes: [UInt8]) async throws -> [UInt8] {
    let folder = try TemporaryFolder()
    try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/plain"))
    _ = try await runProgram(["gzip", folder.path + "/plain"], in: folder)
    let packed = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/plain.gz"))
    try await folder.destroy()
    return Array(packed)
  }

  // MARK: Events

  @Test func `an event is 201 without a body once it is durable, the same one again too, however it is sent`()
    async throws
  {
    try await Self.withServer { test, key in
      let http = try await test.http()
      let event = Self.event("one")
      let before = test.server.services.log.head.position
      let first = try await http.ask(Self.post(event, key: key))
      #expect(first.status == 201 && first.body.isEmpty && first["Content-Length"] == "0", "\(first)")
      let after = test.server.services.log.head.position
      #expect(after > before)
      // The same connection, compressed, in chunks, and with white space.
      let packed = try await Self.gzip(Array(event.utf8))
      let again = try await http.ask(
        HTTPSocket.request(
          "POST", "/api/v1/lineage", key: key, headers: ["Content-Encoding: gzip"], body: packed))
      #expect(again.status == 201, "\(again.text)")
      var chunked = "POST /api/v1/lineage?x=1 HTTP/1.1\r\nHost: a\r\nAuthorization: bearer \(key)\r\n"
      chunked += "Content-Type: application/json; charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n"
      for piece in stride(from: 0, to: event.count, by: 100) {
        let text = event.dropFirst(piece).prefix(100)
        chunked += "\(String(text.utf8.count, radix: 16));name=value\r\n\(text)\r\n"
      }
      await http.send(chunked + "0\r\nTrailer: x\r\n\r\n")
      #expect(try await http.reply()?.status == 201)
      let spaced = event.replacing(",", with: ",\n\t").replacing("{", with: "{\r\n")
      #expect(try await http.ask(Self.post(spaced, key: key)).status == 201)
      #expect(test.server.services.log.head.position == after)
      // Jobs and datasets by themselves.
      for event in [
        #"{"eventTime":"2026-11-28T18:50:15Z","job":{"namespace":"n","name":"j"},"producer":"p"}"#,
        #"{"eventTime":"2026-11-28T18:50:15Z","dataset":{"namespace":"n","name":"d"},"producer":"p"}"#,
      ] {
        let reply = try await http.ask(Self.post(event, key: key))
        #expect(reply.status == 201, "\(reply.text)")
      }
      #expect(test.server.services.log.head.position > after)
    }
  }

  @Test func `what is wrong with a request is told by its status, and the connection goes on where it can`()
    async throws
  {
    try await Self.withServer {
      $0.maximumLine = 100_000
    } _: { test, key in
      let reader = try await test.apiKey(try await test.organization("other"), ["pipelines": ["read"]]).key
      let event = Self.event("one")
      let long = #"{"a":""# + String(repeating: "x", count: 100_001) + #""}"#
      let packed = try await Self.gzip([UInt8](repeating: 0x20, count: 10 << 20))
      let cases: [(name: String, status: Int, request: [UInt8])] = [
        ("no key", 401, Self.post(event, key: nil)),
        ("a wrong key", 401, Self.post(event, key: "dbk_wrong")),
        ("no bearer", 401, Self.post(event, key: nil, headers: ["Authorization: Basic YTpi"])),
        ("a key that may not", 403, Self.post(event, key: reader)),
        ("no JSON", 400, Self.post("{", key: key)),
        ("nothing", 400, Self.post("", key: key)),
        ("a member twice", 400, Self.post(#"{"job":1,"job":2}"#, key: key)),
        ("what would close the call around it", 400, Self.post(#"{}},"x":{"y":{}"#, key: key)),
        ("no event", 422, Self.post("{}", key: key)),
        ("a list", 422, Self.post("[\(event)]", key: key)),
        ("a form", 415, Self.post(event, key: key, type: "application/x-www-form-urlencoded")),
        ("Latin 1", 415, Self.post(event, key: key, type: "application/json; charset=iso-8859-1")),
        ("brotli", 415, Self.post(event, key: key, headers: ["Content-Encoding: br"])),
        ("no gzip", 400, Self.post(event, key: key, headers: ["Content-Encoding: gzip"])),
        ("another path", 404, Self.post(event, key: key, path: "/api/v2/lineage")),
        ("another method", 405, HTTPSocket.request("GET", "/api/v1/lineage", key: key)),
        ("another expectation", 417, Self.post(event, key: key, headers: ["Expect: a-miracle"])),
        ("too long", 413, Self.post(long, key: key)),
        (
          "too long once it is inflated", 413,
          HTTPSocket.request("POST", "/api/v1/lineage", key: key, headers: ["Content-Encoding: gzip"], body: packed)
        ),
        ("no host", 400, Array("GET /health/live HTTP/1.1\r\n\r\n".utf8)),
        ("a query that is none", 400, HTTPSocket.request("GET", "/health/live?a=%zz", key: key)),
      ]
      for (name, status, request) in cases {
        let http = try await test.http()
        let reply = try await http.ask(request)
        let body = try reply.json()
        #expect(reply.status == status && body["code"]?.integerValue == Int64(status), "\(name): \(reply.text)")
        #expect(body["message"]?.stringValue?.isEmpty == false && body["details"]?["type"] != nil, "\(name)")
        if status == 401 { #expect(reply["WWW-Authenticate"] == "Bearer") }
        if status == 405 { #expect(reply["Allow"] == "POST") }
        if reply["Connection"] == "close" {
          #expect(await http.rest().isEmpty)
        } else {
          #expect(try await http.ask(Self.post(event, key: key)).status == 201, "\(name)")
        }
        await http.close()
      }
      let http = try await test.http()
      let problems = try await http.ask(Self.post("{}", key: key)).json()["details"]?["problems"]?.arrayValue
      #expect(problems?.isEmpty == false)
    }
  }

  @Test func `each request speaks for whom it says, on one connection`() async throws {
    try await Self.withServer { test, key in
      let other = try await test.apiKey(try await test.organization("other"), ["*": ["read", "write"]])
      let http = try await test.http()
      func who(_ key: String?) async throws -> JSON {
        try await http.ask(
          Self.post(#"{"jsonrpc":"2.0","id":1,"method":"session.whoami"}"#, key: key, path: "/rpc")
        ).json()
      }
      let first = try await who(key)["result"]?["principal"]?["actor"]
      #expect(first?.stringValue?.hasPrefix("api_key:") == true)
      #expect(try await who(nil)["error"]?["data"]?["type"] == "unauthenticated")
      #expect(try await who(other.key)["result"]?["principal"]?["actor"] == .string("api_key:\(other.id)"))
      #expect(try await who(key)["result"]?["principal"]?["actor"] == first)
      // A key that is revoked meanwhile opens nothing any more.
      _ = try await who(other.key)
      let administrator = try await test.administrator()
      _ = try await administrator.call("api_key.revoke", ["id": .string(other.id)])
      try await administrator.close()
      #expect(try await http.ask(Self.post(Self.event("x"), key: other.key)).status == 401)
    }
  }

  @Test func `a batch is 204, or 200 with what was refused of it; as an array or a line each`() async throws {
    try await Self.withServer { test, key in
      let http = try await test.http()
      let path = "/api/v1/lineage/batch"
      let events = (0..<100).map { Self.event("batch \($0 % 7)") }
      let before = test.server.services.log.head.position
      #expect(try await http.ask(Self.post("[\(events.joined(separator: ","))]", key: key, path: path)).status == 204)
      let after = test.server.services.log.head.position
      #expect(after >= before + 100)
      let lines = events.joined(separator: "\n") + "\n\n"
      let known = try await http.ask(Self.post(lines, key: key, path: path, type: "application/x-ndjson"))
      #expect(known.status == 204 && known.body.isEmpty, "\(known.text)")
      #expect(test.server.services.log.head.position == after)
      let mixed = [Self.event("good"), "{}", "no JSON", Self.event("good too")]
      let reply = try await http.ask(
        Self.post(mixed.joined(separator: "\r\n"), key: key, path: path, type: "application/x-ndjson"))
      let body = try reply.json()
      #expect(reply.status == 200 && body["status"] == "partial_success", "\(reply.text)")
      #expect(
        body["summary"] == ["failed": 2, "non_retriable": 2, "received": 4, "retriable": 0, "successful": 2])
      let failed = body["failed_events"]?.arrayValue ?? []
      #expect(failed.map { $0["index"] } == [1, 2])
      #expect(failed.allSatisfy { $0["retriable"] == false && $0["reason"]?.stringValue?.isEmpty == false })
      for (text, status) in [("{}", 422), ("[]", 422), ("[", 400)] {
        #expect(try await http.ask(Self.post(text, key: key, path: path)).status == status, "\(text)")
      }
      let many = "[" + Array(repeating: "1", count: 10_001).joined(separator: ",") + "]"
      #expect(try await http.ask(Self.post(many, key: key, path: path)).status == 413)
    }
  }

  @Test func `the path of events is as the server was told`() async throws {
    try await Self.withServer {
      $0.openLineagePath = "/lineage"
    } _: { test, key in
      let http = try await test.http()
      #expect(try await http.ask(Self.post(Self.event("a"), key: key, path: "/lineage")).status == 201)
      #expect(try await http.ask(Self.post("[\(Self.event("a"))]", key: key, path: "/lineage/batch")).status == 204)
      #expect(try await http.ask(Self.post(Self.event("a"), key: key)).status == 404)
    }
  }

  @Test func `what another program sends as it is recorded is answered so`() async throws {
    let folder = Repository.root + "/../shared/data/http"
    let files = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    guard !files.isEmpty else {
      print("skipped: no captures in \(folder)")
      return
    }
    try await Self.withServer { test, key in
      for file in files {
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file)))
        let http = try await test.http()
        // No key of this server is in it.
        #expect(try await http.ask(bytes).status == 401, "\(file)")
        let end = try #require(bytes.firstRange(of: Array("\r\n".utf8))).upperBound
        let head = String(decoding: bytes[..<end], as: UTF8.self) + "Authorization: Bearer \(key)\r\n"
        let rest = bytes[end...]
        var signed = Array(head.utf8)
        if let old = rest.firstRange(of: Array("Authorization: Bearer dbk_secret\r\n".utf8)) {
          signed += rest[..<old.lowerBound] + rest[old.upperBound...]
        } else {
          signed += rest
        }
        for _ in 1...2 {
          let reply = try await http.ask(signed)
          #expect(reply.status == 201 && reply.body.isEmpty, "\(file): \(reply.text)")
        }
        await http.close()
      }
    }
  }

  // MARK: JSON-RPC

  @Test func `calls are answered as on the socket, single ones and batches`() async throws {
    try await Self.withServer { test, key in
      let http = try await test.http()
      func rpc(_ text: String, key: String? = key) async throws -> HTTPReply {
        try await http.ask(Self.post(text, key: key, path: "/rpc"))
      }
      let ping = try await rpc(#"{"jsonrpc":"2.0","id":"a","method":"server.ping"}"#, key: nil)
      #expect(ping.status == 200 && ping["Content-Type"] == "application/json")
      #expect(ping.text == #"{"id":"a","jsonrpc":"2.0","result":{"pong":true}}"#)
      let made = try await rpc(
        """
        [{"jsonrpc":"2.0","id":1,"method":"dataset.create","params":{"namespace":"n","name":"d"}},
         {"jsonrpc":"2.0","method":"server.ping"},
         {"jsonrpc":"2.0","id":2,"method":"nothing.at_all"}, 7]
        """)
      let answers = try made.json().arrayValue ?? []
      #expect(answers.count == 3 && answers.map { $0["id"] } == [1, 2, .null], "\(made.text)")
      let id = try #require(answers[0]["result"]?["id"]?.stringValue)
      #expect(answers[1]["error"]?["data"]?["type"] == "method_not_found")
      let got = try await rpc(#"{"jsonrpc":"2.0","id":3,"method":"dataset.get","params":{"id":"\#(id)"}}"#)
      #expect(try got.json()["result"]?["item"]?["name"] == "d")
      // Nothing answers a notification.
      let told = try await rpc(#"{"jsonrpc":"2.0","method":"server.ping"}"#)
      #expect(told.status == 204 && told.body.isEmpty)
      for method in ["session.open", "session.close", "log.subscribe", "log.unsubscribe"] {
        let refused = try await rpc(#"{"jsonrpc":"2.0","id":4,"method":"\#(method)"}"#).json()
        #expect(refused["error"]?["data"]?["type"] == "invalid_request", "\(method)")
      }
      #expect(try await rpc("{").json()["error"]?["code"] == -32700)
      #expect(try await rpc(#"{"jsonrpc":"2.0","id":5,"method":"server.ping"}"#, key: "wrong").status == 401)
      let document = try await http.ask(HTTPSocket.request("GET", "/openrpc.json"))
      let discovered = try await rpc(#"{"jsonrpc":"2.0","id":6,"method":"rpc.discover"}"#)
      #expect(document.status == 200 && discovered.text.contains(document.text))
    }
  }

  @Test func `requests that come together are answered in their order`() async throws {
    try await Self.withServer { test, key in
      let http = try await test.http()
      var bytes: [UInt8] = []
      for number in 0..<40 {
        bytes +=
          number % 3 == 0
          ? Self.post(Self.event("p\(number)"), key: key)
          : Self.post(#"{"jsonrpc":"2.0","id":\#(number),"method":"server.ping"}"#, key: key, path: "/rpc")
      }
      await http.send(bytes + HTTPSocket.request("GET", "/health/live", headers: ["Connection: close"]))
      for number in 0..<40 {
        let reply = try #require(try await http.reply())
        if number % 3 == 0 {
          #expect(reply.status == 201)
        } else {
          #expect(try reply.json()["id"] == .integer(Int64(number)))
        }
      }
      let last = try #require(try await http.reply())
      #expect(last.status == 200 && last["Connection"] == "close")
      #expect(await http.rest().isEmpty)
    }
  }

  // MARK: The log, as it goes on

  /// The next event of a stream, signs of life left out.
  private func nextEvent(_ http: HTTPSocket) async -> String? {
    while let text = await http.text(through: "\n\n") {
      if text.contains("id: ") { return text }
    }
    return nil
  }

  @Test func `events of the log are told as they come, and a client that comes back goes on where it was`()
    async throws
  {
    try await Self.withServer { test, key in
      let http = try await test.http()
      #expect(try await http.ask(HTTPSocket.request("GET", "/events")).status == 401)
      let post = try await test.http()
      _ = try await post.ask(Self.post(Self.event("one"), key: key))
      await http.send(HTTPSocket.request("GET", "/events?from=1&events=run.*", key: key))
      let head = try #require(await http.text(through: "\r\n\r\n"))
      #expect(head.hasPrefix("HTTP/1.1 200 ") && head.contains("Content-Type: text/event-stream"), "\(head)")
      let first = try #require(await nextEvent(http))
      #expect(first.contains("event: log.event\ndata: {") && first.contains("run."), "\(first)")
      let id = try #require(first.firstMatch(of: /id: (\d+)\n/).flatMap { UInt64($0.output.1) })
      _ = try await post.ask(Self.post(Self.event("two"), key: key))
      let second = try #require(await nextEvent(http))
      let next = try #require(second.firstMatch(of: /id: (\d+)\n/).flatMap { UInt64($0.output.1) })
      #expect(next > id)
      await http.close()
      let back = try await test.http()
      await back.send(HTTPSocket.request("GET", "/events?events=run.*", key: key, headers: ["Last-Event-ID: \(id)"]))
      #expect(await back.text(through: "\r\n\r\n") != nil)
      #expect(await nextEvent(back)?.contains("id: \(next)\n") == true)
      for (query, status) in [("from=x", 422), ("nothing=1", 422), ("resource_id=x", 422)] {
        let other = try await test.http()
        #expect(try await other.ask(HTTPSocket.request("GET", "/events?\(query)", key: key)).status == status)
      }
      await back.close()
    }
  }

  @Test func `health says whether the server lives, and what it lacks`() async throws {
    try await Self.withServer { test, _ in
      let http = try await test.http()
      let live = try await http.ask(HTTPSocket.request("GET", "/health/live"))
      #expect(live.status == 200)
      // This server's PostgreSQL is away.
      let ready = try await eventually("PostgreSQL is missed") { () -> HTTPReply? in
        let reply = try await http.ask(HTTPSocket.request("GET", "/health/ready"))
        return reply.status == 503 ? reply : nil
      }
      let body = try ready.json()
      #expect(body["ready"] == false && ready["Retry-After"] == "1")
      #expect(body["reasons"]?.arrayValue?.contains { $0["component"] == "postgres" } == true, "\(ready.text)")
      await http.send(HTTPSocket.request("HEAD", "/health/live"))
      let head = try #require(try await http.reply(toHead: true))
      #expect(head.status == 200 && head["Content-Length"] == "\(live.body.count)")
      #expect(try await http.ask(HTTPSocket.request("GET", "/health/live")).status == 200)
    }
  }
}
