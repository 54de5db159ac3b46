import CanonicalJSON
import DaybookClient
import Refusals
import Testing

/// The client against what no Daybook server sends.
@Suite struct BrokenServerTests {
  /// The answer to a call with a result.
  private static func answer(_ line: String, _ result: String = "{}") -> String {
    let id = (try? JSON.parse(line))?["id"]?.canonicalString ?? "null"
    return #"{"id":\#(id),"jsonrpc":"2.0","result":\#(result)}"# + "\n"
  }

  private static func id(_ line: String) -> Int64 { (try? JSON.parse(line))?["id"]?.integerValue ?? 0 }

  /// How a call fails at a server that makes these moves.
  private func failure(of moves: [ScriptedServer.Move], maximumLine: Int = 1 << 20) async throws -> ClientError {
    var failure: ClientError?
    let script: @Sendable (String) -> [ScriptedServer.Move] = { _ in moves }
    try await ScriptedServer.with(script) { server in
      let client = try await DaybookClient.connect(to: server.endpoint, maximumLine: maximumLine)
      do {
        _ = try await client.call("server.ping")
      } catch let error as ClientError {
        failure = error
      }
      try await client.close()
    }
    return try #require(failure, "the call did not fail")
  }

  @Test(arguments: [
    "no json\n", "{}\n", "[{}]\n", "1\n", #"{"jsonrpc":"2.0","id":1}"# + "\n",
  ])
  func `what isn't the protocol ends the connection, and the call says so`(_ text: String) async throws {
    guard case .malformed = try await failure(of: [.send(text)]) else {
      Issue.record("\(try await failure(of: [.send(text)]))")
      return
    }
  }

  @Test func `a line beyond the limit ends the connection`() async throws {
    let long = #"{"id":1,"jsonrpc":"2.0","result":""# + String(repeating: "x", count: 4096) + "\"}\n"
    guard case .malformed(let reason) = try await failure(of: [.send(long)], maximumLine: 1024) else {
      Issue.record("a line of 4096 characters was taken")
      return
    }
    #expect(reason.contains("1024"))
  }

  @Test func `a connection that ends in the middle of an answer fails the call as closed`() async throws {
    let moves: [ScriptedServer.Move] = [.send(#"{"id":1,"jsonrpc""#), .close]
    guard case .closed = try await failure(of: moves) else {
      Issue.record("half an answer was taken")
      return
    }
  }

  @Test func `a connection that ends fails every call that waits`() async throws {
    let script: @Sendable (String) -> [ScriptedServer.Move] = { line in Self.id(line) == 5 ? [.close] : [] }
    try await ScriptedServer.with(script) { server in
      let client = try await DaybookClient.connect(to: server.endpoint)
      for reply in (0..<5).map({ _ in client.send("server.ping") }) {
        let error = await #expect(throws: ClientError.self) { try await reply.value }
        guard case .closed = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
      }
      try await client.close()
    }
  }

  @Test func `an error without an id is about an unreadable line, and fails the connection with it`() async throws {
    let error =
      #"{"error":{"code":-32700,"data":{"type":"parse_error"},"message":"no JSON"},"id":null,"jsonrpc":"2.0"}"# + "\n"
    #expect(
      try await failure(of: [.send(error)])
        == .remote(ReceivedRefusal(number: -32700, type: "parse_error", message: "no JSON")))
  }

  @Test func `answers in any order reach their calls, and one that nobody asked for is passed over`() async throws {
    let held = LineBox()
    let script: @Sendable (String) -> [ScriptedServer.Move] = { line in
      guard Self.id(line) == 3 else {
        held.append(line)
        return []
      }
      let unasked = #"{"id":77,"jsonrpc":"2.0","result":{}}"# + "\n"
      let late = held.all.reversed().map { Self.answer($0, "\(Self.id($0))") }
      return ([unasked, Self.answer(line, "3")] + late).map { .send($0) }
    }
    try await ScriptedServer.with(script) { server in
      let client = try await DaybookClient.connect(to: server.endpoint)
      let replies = (0..<3).map { _ in client.send("server.ping") }
      for (index, reply) in replies.enumerated() { #expect(try await reply.value == .integer(Int64(index + 1))) }
      try await client.close()
    }
  }

  @Test func `an answer may come byte by byte`() async throws {
    let script: @Sendable (String) -> [ScriptedServer.Move] = { line in
      Self.answer(line, #""é😀""#).unicodeScalars.map { .send(String($0)) }
    }
    try await ScriptedServer.with(script) { server in
      let client = try await DaybookClient.connect(to: server.endpoint)
      #expect(try await client.call("server.ping") == "é😀")
      try await client.close()
    }
  }

  @Test func `a batch whose answer leaves a call out says so for that call alone`() async throws {
    let script: @Sendable (String) -> [ScriptedServer.Move] = { line in
      let first = (try? JSON.parse(line))?.arrayValue?.first?["id"]?.canonicalString ?? "null"
      return [.send(#"[{"id":\#(first),"jsonrpc":"2.0","result":1}]"# + "\n")]
    }
    try await ScriptedServer.with(script) { server in
      let client = try await DaybookClient.connect(to: server.endpoint)
      let results = try await client.batch([("a", [:]), ("b", [:])])
      #expect(try results[0].get() == 1)
      guard case .failure(.malformed) = results[1] else {
        Issue.record("\(results[1])")
        return
      }
      try await client.close()
    }
  }

  @Test func `while nobody takes notifications, no more than a bounded number is read`() async throws {
    let count = NotificationQueue.limit * 4
    let script: @Sendable (String) -> [ScriptedServer.Move] = { line in
      let events = (1...count).map { #"{"jsonrpc":"2.0","method":"log.event","params":{"n":\#($0)}}"# + "\n" }
      return [.send(events.joined() + Self.answer(line))]
    }
    try await ScriptedServer.with(script) { server in
      let client = try await DaybookClient.connect(to: server.endpoint)
      let reply = client.send("log.subscribe")
      var next: Int64 = 1
      for await notification in client.notifications {
        #expect(notification.params["n"] == .integer(next))
        next += 1
        if next > Int64(count) { break }
      }
      #expect(try await reply.value == [:], "the answer comes behind what was sent before it")
      try await client.close()
    }
  }
}
