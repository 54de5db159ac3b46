import CanonicalJSON
import DaybookClient
import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// What strangers and batches can make the server hold.
@Suite(.timeLimit(.minutes(2)))
struct LimitTests {
  private let ping = #"{"jsonrpc":"2.0","id":"p","method":"server.ping"}"#

  private func open(_ key: String) -> String {
    #"{"jsonrpc":"2.0","id":"open","method":"session.open","params":{"api_key":"\#(key)"}}"#
  }

  @Test func `a stranger's lines are short, and a session's are long`() async throws {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read", "write"]])
      let client = try await test.raw("tcp")
      let text = String(repeating: "x", count: 70_000)
      let long = #"{"jsonrpc":"2.0","id":1,"method":"pipeline.create","params":{"name":"p","description":"\#(text)"}}"#
      let refused = try await client.ask(long)
      #expect(refused.errorType == "too_large" && refused["error"]?["data"]?["limit"] == 65_536)
      // It is refused before it has ended, so an unfinished line holds no memory.
      try await client.send(text)
      #expect(try await client.next().errorType == "too_large")
      // A sign-in and a long line in one go: the line is judged by whoever signed in.
      try await client.send("\n\(open(key.key))\n\(long)\n")
      let answers = try await client.read(2)
      #expect(answers[0]["id"] == "open" && answers[0]["result"] != nil)
      #expect(answers[1]["id"] == 1 && answers[1].errorType != "too_large", "\(answers[1])")
      // Whoever signs out is a stranger again.
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":2,"method":"session.close"}"#)["result"] == [:])
      #expect(try await client.ask(long).errorType == "too_large")
      try await client.close()
    }
  }

  @Test func `lines that haven't ended share the memory, and a tenant has half of it`() async throws {
    try await TestServer.run {
      $0.bodyMemory = 1 << 20
    } _: { test in
      let memory = test.server.services.bodies
      let key = try await test.apiKey(try await test.organization("acme"), ["*": ["read", "write"]])
      func signedIn(_ key: String) async throws -> RawClient {
        let client = try await test.raw("tcp")
        #expect(try await client.ask(open(key))["result"] != nil)
        return client
      }
      let first = try await signedIn(key.key)
      try await first.send(String(repeating: "x", count: 400_000))
      _ = try await eventually("the first line has its memory") { memory.held > 300_000 ? true : nil }
      let second = try await signedIn(key.key)
      try await second.send(String(repeating: "x", count: 400_000))
      #expect(try await second.next().errorType == "overloaded")
      #expect(try await second.rest().isEmpty, "its connection ends")
      let other = try await test.apiKey(try await test.organization("other"), ["*": ["read", "write"]])
      let third = try await signedIn(other.key)
      let long = ping.dropLast() + #","params":{}"# + String(repeating: " ", count: 300_000) + "}"
      // The method has no use for it, and says so: another tenant has its own half.
      #expect(try await third.ask(String(long)).errorType == "too_large")
      try await first.close()
      _ = try await eventually("all of it is given back") { memory.held == 0 ? true : nil }
      try await third.close()
    }
  }

  @Test func `long calls of one connection wait for those before them, and all are answered`() async throws {
    try await TestServer.run { test in
      let memory = test.server.services.bodies
      let key = try await test.apiKey(try await test.organization("acme"), ["*": ["read", "write"]])
      let client = try await test.raw("tcp")
      #expect(try await client.ask(open(key.key))["result"] != nil)
      let padding = String(repeating: " ", count: 2 << 20)
      let count = 24
      for number in 0..<count {
        try await client.send(#"{"jsonrpc":"2.0","id":\#(number),"method":"server.ping"\#(padding)}"# + "\n")
        #expect(memory.held <= InputMemory.most + 5 << 20)
      }
      let answers = try await client.read(count)
      #expect(answers.map { $0["id"] } == (0..<count).map { .integer(Int64($0)) })
      _ = try await eventually("all of it is given back") { memory.held == 0 ? true : nil }
      try await client.close()
    }
  }

  @Test func `whoever doesn't sign in in time is closed, however often it pings`() async throws {
    try await TestServer.run {
      $0.signInTimeout = .seconds(3)
    } _: { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read"]])
      // Where the machine is busy for three seconds, the sign-in comes too late as well: then once more.
      var client = try await test.raw("tcp")
      var isSignedIn = false
      for _ in 0..<20 where !isSignedIn {
        do {
          try await client.send(open(key.key) + "\n")
          isSignedIn = try await client.read(1).first?["result"] != nil
        } catch {
          isSignedIn = false
        }
        if !isSignedIn { client = try await test.raw("tcp") }
      }
      try #require(isSignedIn)
      // Each stranger is closed, and one of them was answered before: a busy machine may close the first ones at once.
      var answers = 0
      for _ in 0..<20 where answers == 0 {
        let stranger = try await test.raw("tcp")
        do {
          while true {
            try await stranger.send(ping + "\n")
            guard try await !stranger.read(1).isEmpty else { break }
            answers += 1
          }
        } catch {
          // The server closed its side while a ping was on its way.
        }
      }
      #expect(answers > 0)
      // The stranger came later and is gone; whoever signed in stays, until it signs out and does nothing.
      #expect(try await client.ask(ping)["result"] == ["pong": true])
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":2,"method":"session.close"}"#)["result"] == [:])
      #expect(try await client.rest().isEmpty)
    }
  }

  @Test func `a flood of strangers keeps out neither the administrator, nor those signed in, nor who comes to sign in`()
    async throws
  {
    try await TestServer.run {
      $0.maximumConnections = 64
    } _: { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read"]])
      let client = try await test.raw("tcp")
      #expect(try await client.ask(open(key.key))["result"] != nil)
      var strangers: [RawClient] = []
      for _ in 0..<100 { strangers.append(try await test.raw("tcp")) }
      #expect(try await client.ask(ping)["result"] == ["pong": true])
      for _ in 0..<4 {
        let administrator = try await test.administrator()
        _ = try await administrator.call("server.ping")
        try await administrator.close()
        let newcomer = try await test.raw("tcp")
        #expect(try await newcomer.ask(open(key.key))["result"] != nil)
        try await newcomer.close()
      }
      // All of one address: four are left, the others were let go.
      #expect(try await strangers[0].rest().isEmpty)
      #expect(try await strangers[90].rest().isEmpty)
      #expect(try await client.ask(ping)["result"] == ["pong": true])
      for stranger in strangers { try await stranger.close() }
      try await client.close()
    }
  }

  @Test func `a listener accepts no more than it has descriptors for, and goes on when one is free`() async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let (accepted, told) = AsyncStream.makeStream(of: (any Channel).self)
    let server = try await ServerBootstrap(group: group)
      .serverChannelOption(.maxMessagesPerRead, value: 1)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptGate(limit: 2)) }
      }
      .childChannelInitializer { channel in
        told.yield(channel)
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let port = try #require(server.localAddress?.port)
    var clients: [RawClient] = []
    // The system takes all four; the third and the fourth wait in its backlog.
    for _ in 0..<4 { clients.append(try await RawClient.connect(to: .tcp(host: "127.0.0.1", port: port))) }
    var iterator = accepted.makeAsyncIterator()
    let first = try #require(await iterator.next())
    _ = try #require(await iterator.next())
    let count = NIOLockedValueBox(2)
    let third = Task {
      let channel = await iterator.next()
      count.withLockedValue { $0 += 1 }
      return channel
    }
    // Whatever the listener had to do is done once its event loop has turned a few times.
    for _ in 0..<20 { try await server.eventLoop.submit {}.get() }
    #expect(count.withLockedValue { $0 } == 2)
    try await first.close().get()
    #expect(await third.value != nil)
    for client in clients { try await client.close() }
    try await server.close().get()
  }

  @Test func `while a large line is taken apart, the event loop serves others, and its calls keep their order`()
    async throws
  {
    try await TestServer.run {
      $0.eventLoopThreads = 1
    } _: { test in
      let organization = try await test.organization("acme")
      let workers = test.server.services.lineWorkers
      // The threads that a tenant may have for large lines are busy until the test says so.
      let busy = DispatchSemaphore(value: 0)
      let began = DispatchGroup()
      let holding = (0..<2).map { _ in
        began.enter()
        return Task {
          try await workers.run(for: nil) {
            began.leave()
            busy.wait()
          }
        }
      }
      await withCheckedContinuation { continuation in began.notify(queue: .global()) { continuation.resume() } }
      let client = try await test.raw()
      let text = String(repeating: "x", count: LineWorkers.large)
      func create(_ id: Int, _ more: String) -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"pipeline.create","params":{"name":"p\#(id)""#
          + #","organization_id":"\#(organization)"\#(more)}}"# + "\n"
      }
      let batch = "[" + create(2, #","description":"\#(text)""#).dropLast() + "," + create(3, "").dropLast() + "]\n"
      try await client.send(create(1, #","description":"\#(text)""#) + batch + create(4, ""))
      let other = try await test.raw()
      for _ in 0..<3 { #expect(try await other.ask(ping)["result"] == ["pong": true]) }
      for _ in holding { busy.signal() }
      for task in holding { try await task.value }
      let answers = try await client.read(3)
      let batched = try #require(answers[1].arrayValue)
      let positions = [answers[0], batched[0], batched[1], answers[2]].map {
        $0["result"]?["position"]?.integerValue ?? 0
      }
      #expect(positions[0] > 0 && (1..<4).allSatisfy { positions[$0] > positions[$0 - 1] }, "\(positions)")
      try await client.close()
      try await other.close()
    }
  }

  @Test func `a large command is refused unread to a key that may not give it, and read for one that may`() async throws
  {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let powerless = try await test.apiKey(organization, ["pipelines": ["read"]])
      let able = try await test.apiKey(organization, ["pipelines": ["read", "write"]])
      // It is no JSON, which only whoever reads it finds.
      let zeros = String(repeating: "0,", count: LineWorkers.large)
      let line = #"{"jsonrpc":"2.0","params":{"name":"p","config":[\#(zeros),]},"id":"x","method":"pipeline.create"}"#
      for (key, expected) in [(powerless, "forbidden"), (able, "parse_error")] {
        let client = try await test.raw("tcp")
        #expect(try await client.ask(open(key.key))["result"] != nil)
        let answer = try await client.ask(line)
        #expect(answer.errorType == expected && (expected == "parse_error") == (answer["id"] == .null))
        try await client.close()
      }
      // What is answered on the event loop takes no large parameters.
      let client = try await test.raw()
      let long = String(repeating: "x", count: LineWorkers.large)
      let whoami = #"{"jsonrpc":"2.0","id":1,"method":"session.whoami","params":{"x":"\#(long)"}}"#
      #expect(try await client.ask(whoami).errorType == "too_large")
      try await client.close()
    }
  }

  @Test func `a stranger's batch of large answers is answered up to a limit, and the rest refused`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw("tcp")
      let calls = (0..<1000).map { #"{"jsonrpc":"2.0","id":\#($0),"method":"rpc.discover"}"# }
      // Whole, the answer would be some 800 megabytes.
      let parts = try #require(try await client.ask("[\(calls.joined(separator: ","))]").arrayValue)
      #expect(parts.map { $0["id"] } == (0..<1000).map { .integer($0) })
      let answered = parts.count { $0["result"]?["openrpc"] != nil }
      #expect((1...4).contains(answered))
      let refused = parts.count { $0.errorType == "too_large" && $0["error"]?["data"]?["limit"] == 1_048_576 }
      #expect(refused == 1000 - answered)
      #expect(try await client.ask(ping)["result"] == ["pong": true])
      try await client.close()
    }
  }

  @Test func `a call that a batch has no room for isn't carried out`() async throws {
    try await TestServer.run {
      $0.maximumHeldAnswers = 1000
    } _: { test in
      let client = try await test.raw()
      // More than may be in flight, so that the last ones begin when many are answered.
      let calls = Array(repeating: ping, count: 600).joined(separator: ",")
      let command = #"{"jsonrpc":"2.0","id":"c","method":"organization.create","params":{"name":"n","slug":"late"}}"#
      let parts = try #require(try await client.ask("[\(calls),\(command)]").arrayValue)
      #expect(parts.count == 601 && parts[0]["result"] == ["pong": true])
      #expect(parts[600]["id"] == "c" && parts[600].errorType == "too_large")
      let found = try await client.ask(
        #"{"jsonrpc":"2.0","id":1,"method":"organization.get","params":{"slug":"late"}}"#)
      #expect(found.errorType == "not_found")
      // By itself, and in a batch behind the large one, it is.
      #expect(try await client.ask("[\(command)]").arrayValue?.first?["result"] != nil)
      try await client.close()
    }
  }

  @Test func `a slow reader that sends nothing more gets every answer`() async throws {
    // One call at a time, and each answer is more than the socket takes: nothing is in flight while calls still lie
    // there.
    try await TestServer.run {
      $0.maximumInFlight = 1
    } _: { test in
      let client = try await RawClient.connect(to: test.endpoint("unix"), isReading: false)
      let line = #"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#
      try await client.send(String(repeating: line + "\n", count: 4))
      try await client.finish()
      let other = try await test.raw()
      for _ in 0..<50 { _ = try await other.ask(ping) }
      try await client.startReading()
      #expect(try await client.rest().count == 4)
      try await client.close()
      try await other.close()
    }
  }
}
