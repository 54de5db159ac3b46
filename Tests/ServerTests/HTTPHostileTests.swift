import CanonicalJSON
import DaybookClient
import EventLog
import Foundation
import NIOCore
import ServerTestKit
import TestBasics
import Testing

@testable import Server

@Suite(.timeLimit(.minutes(2))) struct HTTPHostileTests {
  /// The address of the server that begins so.
  private func address(_ test: TestServer, _ start: String) -> String {
    test.server.addresses.first { $0.hasPrefix(start) } ?? "no address"
  }

  private func lives(_ test: TestServer) async throws {
    let http = try await test.http()
    #expect(try await http.ask(HTTPSocket.request("GET", "/health/live")).status == 200)
    await http.close()
  }

  @Test func `what can be read in two ways is answered once, and nothing behind it is taken`() async throws {
    try await HTTPTests.withServer { test, key in
      let smuggled = String(decoding: HTTPTests.post(HTTPTests.event("smuggled"), key: key), as: UTF8.self)
      let start = "POST /api/v1/lineage HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
      let type = "Content-Type: application/json\r\n"
      let cases: [(name: String, text: String)] = [
        ("both lengths", start + type + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled),
        (
          "both, the other way",
          start + type + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled
        ),
        ("two lengths", start + type + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + smuggled),
        ("the same length twice", start + type + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + smuggled),
        ("a list of lengths", start + type + "Content-Length: 2, 2\r\n\r\n{}" + smuggled),
        ("a length with a sign", start + type + "Content-Length: +2\r\n\r\n{}" + smuggled),
        ("a huge length", start + type + "Content-Length: 99999999999999999999999\r\n\r\n{}" + smuggled),
        ("a coding that is not known", start + type + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled),
        ("chunked twice", start + type + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + smuggled),
        ("a coding in disguise", start + type + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled),
        ("xchunked", start + type + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled),
        ("a folded header", start + type + "X-A: b\r\n c: d\r\nContent-Length: 2\r\n\r\n{}" + smuggled),
        ("bare line feeds", start.replacing("\r\n", with: "\n") + "Content-Length: 2\n\n{}" + smuggled),
        ("a chunk without a size", start + type + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + smuggled),
        (
          "a chunk longer than it says",
          start + type + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + smuggled
        ),
        (
          "a chunk's size with 0x", start + type + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + smuggled
        ),
        (
          "a chunk's size that overflows",
          start + type + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + smuggled
        ),
        (
          "a bare line feed behind a chunk's size",
          start + type + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" + smuggled
        ),
        (
          "a bare line feed in a chunk's extension",
          start + type + "Transfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n" + smuggled
        ),
        (
          "a bare carriage return in a chunk's extension",
          start + type + "Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\n{}\r\n0\r\n\r\n" + smuggled
        ),
        (
          "a length in a trailer",
          start + type + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n" + smuggled
        ),
        (
          "a chunk without its end",
          start + type + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n" + smuggled
        ),
        ("a null in a header", start + type + "X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}" + smuggled),
        ("two hosts", start + "Host: b\r\n" + type + "Content-Length: 2\r\n\r\n{}" + smuggled),
        ("another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n" + smuggled),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{0}\u{5}hello\r\n\r\n" + smuggled),
      ]
      for (name, text) in cases {
        let http = try await test.http()
        await http.send(text)
        let reply = try await http.reply()
        #expect([400, 501, 505].contains(reply?.status) && reply?["Connection"] == "close", "\(name): \(reply as Any)")
        #expect(await http.rest().isEmpty, "\(name)")
        await http.close()
      }
      let records = try await test.server.services.log.records(from: 1, limit: 10_000, maximumBytes: 64 << 20)
      let events = try records.map { try $0.parsedHeader().event }
      #expect(events.contains("api_key.created") && !events.contains { $0.hasPrefix("run.") }, "\(events)")
      try await lives(test)
    }
  }

  @Test func `chunks' extensions and trailers are read past`() async throws {
    try await HTTPTests.withServer { test, key in
      let event = HTTPTests.event("chunked")
      let head =
        "POST /api/v1/lineage HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
        + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
      let size = String(event.utf8.count, radix: 16)
      for addition in [";a", ";a=b", #";a="b""#, ";" + String(repeating: "a", count: 100_000)] {
        let http = try await test.http()
        await http.send(head + size + addition + "\r\n" + event + "\r\n0\r\nX-A: b\r\n\r\n")
        let reply = try await http.reply()
        #expect(reply?.status == 201, "\(addition.prefix(20)): \(reply as Any)")
        // The next request begins where this one ends.
        #expect(try await http.ask(HTTPSocket.request("GET", "/health/live")).status == 200)
        await http.close()
      }
    }
  }

  @Test func `who sends more than the length says has sent the beginning of another request`() async throws {
    try await HTTPTests.withServer { test, key in
      let event = HTTPTests.post(HTTPTests.event("long"), key: key)
      let http = try await test.http()
      await http.send(event + Array("and more\r\n\r\n".utf8))
      #expect(try await http.reply()?.status == 201)
      let reply = try await http.reply()
      #expect(reply?.status == 400 && reply?["Connection"] == "close", "\(reply as Any)")
      #expect(await http.rest().isEmpty)
    }
  }

  @Test func `who sends a byte now and then has no more time than others`() async throws {
    try await HTTPTests.withServer {
      $0.requestTimeout = .seconds(1)
    } _: { test, key in
      let event = HTTPTests.post(HTTPTests.event("drop by drop"), key: key)
      for start in [1, event.count - 40] {
        let http = try await test.http()
        await http.send(Array(event[..<start]))
        let drops = Task {
          for byte in event[start...].prefix(30) {
            try await Task.sleep(for: .milliseconds(100))
            await http.send([byte])
          }
        }
        let reply = try await http.reply()
        #expect(reply?.status == 408 && reply?["Connection"] == "close", "\(start): \(reply as Any)")
        drops.cancel()
        // Cut off, or done.
        _ = await drops.result
        await http.close()
      }
    }
  }

  @Test func `who is slow with a head or a body is told, and others don't wait`() async throws {
    try await HTTPTests.withServer {
      $0.requestTimeout = .seconds(1)
    } _: { test, key in
      let event = HTTPTests.post(HTTPTests.event("slow"), key: key)
      for end in [1, 20, event.count - 1] {
        let http = try await test.http()
        await http.send(Array(event[..<end]))
        try await lives(test)
        let reply = try await http.reply()
        #expect(reply?.status == 408 && reply?["Connection"] == "close", "\(end): \(reply as Any)")
        #expect(await http.rest().isEmpty)
      }
    }
  }

  @Test func `a body that ends before its length is told so`() async throws {
    try await HTTPTests.withServer { test, key in
      let event = HTTPTests.post(HTTPTests.event("short"), key: key)
      let short = try await test.http()
      await short.send(Array(event.dropLast(3)))
      try await short.finish()
      #expect(try await short.reply()?.status == 400)
    }
  }

  @Test func `a connection without requests is closed after a while, without a word`() async throws {
    try await HTTPTests.withServer {
      $0.idleTimeout = .milliseconds(200)
    } _: { test, key in
      let http = try await test.http()
      #expect(try await http.ask(HTTPTests.post(HTTPTests.event("a"), key: key)).status == 201)
      #expect(await http.rest().isEmpty)
    }
  }

  @Test func `strangers send little, and are gone after their time`() async throws {
    try await HTTPTests.withServer {
      $0.signInTimeout = .seconds(3)
      $0.maximumUnsignedLine = 2000
    } _: { test, key in
      let long = #"{"jsonrpc":"2.0","id":1,"method":"server.ping","x":""# + String(repeating: "x", count: 3000) + #""}"#
      // Where the machine is busy for three seconds, a request comes too late as well: then once more.
      func asked(key: String?) async throws -> (http: HTTPSocket, reply: HTTPReply) {
        for _ in 0..<20 {
          let http = try await test.http()
          await http.send(HTTPTests.post(long, key: key, path: "/rpc"))
          if let reply = try await http.reply() { return (http, reply) }
        }
        throw HarnessError("no request was answered in its time")
      }
      let reply = try await asked(key: nil).reply
      #expect(reply.status == 413 && reply["Connection"] == "close")
      let (known, answer) = try await asked(key: key)
      #expect(answer.status == 200)
      let idle = try await test.http()
      #expect(await idle.rest().isEmpty)
      // Who has signed in stays.
      #expect(try await known.ask(HTTPTests.post(HTTPTests.event("a"), key: key)).status == 201)
    }
  }

  @Test func `a long head is refused, and so many requests at once`() async throws {
    try await HTTPTests.withServer { test, key in
      let http = try await test.http()
      await http.send("GET /health/live HTTP/1.1\r\nHost: a\r\nX-A: \(String(repeating: "a", count: 40_000))\r\n\r\n")
      #expect(try await http.reply()?.status == 400)
      let many = try await test.http()
      await many.send("GET /health/live HTTP/1.1\r\nHost: a\r\n")
      await many.send(String(repeating: "X: y\r\n", count: 200) + "\r\n")
      #expect(try await many.reply()?.status == 400)
      let flood = try await test.http()
      let request = HTTPSocket.request("GET", "/health/live", key: key)
      await flood.send(Array(repeating: request, count: 2000).flatMap { $0 })
      var answered = 0
      while let reply = try await flood.reply() {
        #expect(reply.status == 200 || reply.status == 400)
        answered += 1
      }
      #expect(answered > 0)
      try await lives(test)
    }
  }

  @Test func `long bodies have so much memory in all, and a tenant half of it`() async throws {
    try await HTTPTests.withServer {
      $0.bodyMemory = 1 << 20
    } _: { test, key in
      let memory = test.server.services.bodies
      let head = HTTPTests.post(String(repeating: " ", count: 900_000), key: key).dropLast(900_000)
      let part = Array(head) + [UInt8](repeating: 0x20, count: 400_000)
      let first = try await test.http()
      await first.send(part)
      _ = try await eventually("the first body has its memory") { memory.held > 300_000 ? true : nil }
      let second = try await test.http()
      await second.send(part)
      let reply = try await second.reply()
      #expect(reply?.status == 503 && reply?["Retry-After"] == "1" && reply?["Connection"] == "close")
      #expect(await second.rest().isEmpty)
      // What is short needs none.
      let short = try await test.http()
      #expect(try await short.ask(HTTPTests.post(HTTPTests.event("short"), key: key)).status == 201)
      let other = try await test.apiKey(try await test.organization("other"), ["openlineage": ["write"]]).key
      let third = try await test.http()
      let long = HTTPTests.event("long") + String(repeating: " ", count: 400_000)
      #expect(try await third.ask(HTTPTests.post(long, key: other)).status == 201, "another tenant has its own half")
      await first.close()
      _ = try await eventually("all of it is given back") { memory.held == 0 ? true : nil }
      #expect(try await third.ask(HTTPTests.post(long, key: key)).status == 201)
      _ = try await eventually("this one's too") { memory.held == 0 ? true : nil }
    }
  }

  @Test func `a body has the memory of what it inflates to, until its last call is answered`() async throws {
    try await HTTPTests.withServer {
      $0.bodyMemory = 1 << 20
    } _: { test, key in
      let memory = test.server.services.bodies
      let long = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}" + String(repeating: " ", count: 900_000)
      let client = try await test.http()
      // Half a megabyte for a tenant, and nine tenths wanted.
      let head = ["POST /rpc HTTP/1.1", "Host: x", "Authorization: Bearer \(key)", "Content-Encoding: gzip"]
      let packed = try await HTTPTests.gzip(Array(long.utf8))
      let request = head + ["Content-Length: \(packed.count)", "", ""]
      let reply = try await client.ask(Array(request.joined(separator: "\r\n").utf8) + packed)
      #expect(reply.status == 503 && reply["Retry-After"] == "1")
      _ = try await eventually("nothing of it is held") { memory.held == 0 ? true : nil }
      try await lives(test)
    }
  }

  @Test func `a HEAD whose body can't be read has no body in its answer`() async throws {
    try await HTTPTests.withServer { test, _ in
      let client = try await test.http()
      let text =
        "HEAD /health/live HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"
        + "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      await client.send(text)
      let told = await client.rest()
      #expect(told.hasPrefix("HTTP/1.1 400"), "\(told)")
      let parts = told.components(separatedBy: "\r\n\r\n")
      #expect(parts.count == 3 && parts[1].hasPrefix("HTTP/1.1 200"), "\(told)")
    }
  }

  @Test func `what is sent to the wrong port is told the right one`() async throws {
    try await HTTPTests.withServer { test, _ in
      let lines = try await test.http()
      await lines.send(#"{"jsonrpc":"2.0","id":1,"method":"server.ping"}"# + "\n")
      let told = await lines.rest()
      let tcp = address(test, "tcp:")
      #expect(told.contains(tcp) && told.hasSuffix("}\n"), "\(told)")
      #expect(try JSON.parse(String(told.dropLast()))["error"]?["data"]?["type"] == "invalid_request")
      guard case .tcp(_, let port) = try test.endpoint("tcp") else { throw HarnessError("no TCP") }
      let http = try await HTTPSocket.connect(port: port)
      let reply = try await http.ask(HTTPSocket.request("GET", "/health/live"))
      #expect(reply.status == 400 && reply.text.contains(address(test, "http://")), "\(reply.text)")
      #expect(await http.rest().isEmpty)
      let raw = try await test.raw("tcp")
      #expect(try await raw.ask(#"{"jsonrpc":"2.0","id":1,"method":"server.ping"}"#)["result"] != nil)
      try await raw.close()
    }
  }

  @Test func `where there are too many connections a request is told to come again`() async throws {
    try await HTTPTests.withServer {
      $0.maximumConnections = 16
    } _: { test, key in
      var open: [HTTPSocket] = []
      for number in 0..<12 {
        let http = try await test.http()
        #expect(try await http.ask(HTTPTests.post(HTTPTests.event("m\(number)"), key: key)).status != 400)
        open.append(http)
      }
      var refused = 0
      for _ in 0..<12 {
        let http = try await test.http()
        await http.send(HTTPTests.post(HTTPTests.event("n"), key: key))
        if let reply = try await http.reply(), reply.status == 503 {
          #expect(reply["Retry-After"] == "1")
          refused += 1
        }
        open.append(http)
      }
      #expect(refused > 0)
      for http in open { await http.close() }
      _ = try await eventually("there is room again") {
        let http = try await test.http()
        let reply = try await http.ask(HTTPTests.post(HTTPTests.event("n"), key: key))
        await http.close()
        return reply.status == 201 ? true : nil
      }
    }
  }

  @Test func `a port that is taken keeps the server from starting only where it was asked for`() async throws {
    try await HTTPTests.withServer { first, _ in
      let port = try first.httpPort
      try await TemporaryFolder.with { folder in
        let refusal = await #expect(throws: ServerStartError.self) {
          _ = try await TestServer.start(folder: folder.path) { $0.http = ("127.0.0.1", port) }
        }
        #expect(
          refusal?.description
            == "Can't listen on 127.0.0.1:\(port) (--http): another program listens there already; stop it, or choose "
            + "another port.")
        // Nothing was made for a server that can't start.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        let second = try await TestServer.start(folder: folder.path) {
          $0.http = ("127.0.0.1", port)
          $0.isHTTPOptional = true
        }
        #expect(!second.server.addresses.contains { $0.hasPrefix("http") })
        try await second.stop()
      }
      await #expect(throws: ServerStartError.self) {
        try await TemporaryFolder.with { folder in
          _ = try await TestServer.start(folder: folder.path) { $0.http = ("0.0.0.0", 0) }
        }
      }
    }
  }
}
