import CanonicalJSON
import DaybookClient
import Refusals
import ServerTestKit
import TestBasics
import Testing

/// The client against the server.
@Suite struct CallTests {
  @Test(arguments: ["unix", "tcp"])
  func `a call over a socket has the result of its method`(_ kind: String) async throws {
    try await TestServer.run { test in
      let client = try await DaybookClient.connect(to: test.endpoint(kind))
      #expect(try await client.call("server.ping") == ["pong": true])
      try await client.close()
    }
  }

  @Test func `calls are sent without waiting for answers, and each gets its own`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let replies = (0..<500).map { number in
        client.send("organization.create", ["name": .string("n\(number)"), "slug": .string("s\(number)")])
      }
      // The last is waited for first.
      var identifiers: [String] = []
      for reply in replies.reversed() { identifiers.append(try #require(try await reply.value["id"]?.stringValue)) }
      #expect(Set(identifiers).count == 500)
      let positions = try await replies.asyncMap { try await $0.value["position"]?.integerValue ?? 0 }
      #expect(positions == positions.sorted(), "commands are applied in the order in which they were sent")
      try await client.close()
    }
  }

  @Test func `many tasks share a connection`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let slugs = try await withThrowingTaskGroup(of: String?.self) { group in
        for number in 0..<100 {
          group.addTask {
            let made = try await client.call(
              "organization.create", ["name": "n", "slug": .string("t\(number)")])
            let events = try await client.call("log.read", ["from": made["position"] ?? .null, "limit": 1])
            return events["records"]?.arrayValue?.first?["body"]?["set"]?["slug"]?.stringValue
          }
        }
        return try await group.reduce(into: Set<String>()) { if let slug = $1 { $0.insert(slug) } }
      }
      #expect(slugs == Set((0..<100).map { "t\($0)" }))
      try await client.close()
    }
  }

  @Test func `a refusal has the server's code, word, sentence and data`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let unknown = await #expect(throws: ClientError.self) { try await client.call("no.such") }
      let refusal = try #require(unknown?.refusal)
      #expect(refusal.number == -32601 && refusal.type == "method_not_found" && !refusal.message.isEmpty)
      #expect(unknown?.code == .methodNotFound && unknown?.description == refusal.message)
      let wrong = await #expect(throws: ClientError.self) { try await client.call("organization.create", ["name": 1]) }
      #expect(wrong?.code == .invalidParams)
      let data = try #require(wrong?.refusal).data
      #expect(data["problems"]?.arrayValue?.isEmpty == false)
      #expect(try await client.call("server.ping") == ["pong": true], "the connection goes on after a refusal")
      try await client.close()
    }
  }

  @Test func `a wait beyond its timeout is refused, and calls behind it are not held up`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let late = client.send("log.head", ["at_least": 1_000_000, "timeout_ms": 200])
      #expect(try await client.call("server.ping") == ["pong": true])
      let error = await #expect(throws: ClientError.self) { try await late.value }
      #expect(error?.code == .stale, "\(String(describing: error))")
      try await client.close()
    }
  }

  @Test func `a batch has the result of each call in its place, refusals too`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let results = try await client.batch([
        ("server.ping", [:]), ("no.such", [:]), ("organization.create", ["name": "a", "slug": "a"]),
      ])
      #expect(try results[0].get() == ["pong": true])
      #expect(throws: ClientError.self) { try results[1].get() }
      if case .failure(let error) = results[1] { #expect(error.code == .methodNotFound) }
      #expect(try results[2].get()["id"] != nil)
      #expect(try await client.batch([]).isEmpty)
      try await client.close()
    }
  }

  @Test func `a notification is carried out and not answered`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      client.notify("organization.create", ["name": "quiet", "slug": "quiet"])
      let loud = try await client.call("organization.create", ["name": "loud", "slug": "loud"])
      let position = try #require(loud["position"]?.integerValue)
      let before = try await client.call("log.read", ["from": .integer(position - 1), "limit": 1])
      #expect(before["records"]?.arrayValue?.first?["body"]?["set"]?["slug"] == "quiet")
      try await client.close()
    }
  }

  @Test func `events of a subscription come in their order, and end with the connection`() async throws {
    try await TestServer.run { test in
      let client = try await test.administrator()
      _ = try await client.call("log.subscribe", ["from": 1])
      let count = 300
      let replies = (0..<count).map { client.send("organization.create", ["name": "n", "slug": .string("e\($0)")]) }
      for reply in replies { _ = try await reply.value }
      var slugs: [String] = []
      for await notification in client.notifications where notification.method == "log.event" {
        guard let slug = Self.slug(notification.params) else { continue }
        slugs.append(slug)
        if slugs.count == count { break }
      }
      #expect(slugs == (0..<count).map { "e\($0)" })
      try await client.close()
      var rest = client.notifications.makeAsyncIterator()
      while await rest.next() != nil {}
    }
  }

  private static func slug(_ params: JSONObject) -> String? {
    params["record"]?["body"]?["set"]?["slug"]?.stringValue
  }

  @Test func `a stop of the server ends the connection, and every later call says so`() async throws {
    try await TemporaryFolder.with { folder in
      let test = try await TestServer.start(folder: folder.path)
      let client = try await test.administrator()
      #expect(try await client.call("server.ping") == ["pong": true])
      try await test.stop()
      for _ in 0..<2 {
        let error = await #expect(throws: ClientError.self) { try await client.call("server.ping") }
        guard case .closed = try #require(error) else {
          Issue.record("\(String(describing: error))")
          return
        }
      }
      try await client.close()
    }
  }

  @Test func `where nobody listens, connecting says which address that was`() async throws {
    try await TemporaryFolder.with { folder in
      for endpoint in [Endpoint.unix(folder.path + "/none.sock"), .tcp(host: "127.0.0.1", port: 1)] {
        let error = await #expect(throws: ClientError.self) { try await DaybookClient.connect(to: endpoint) }
        guard case .unreachable(let reason) = try #require(error) else {
          Issue.record("\(String(describing: error))")
          return
        }
        #expect(reason.contains(endpoint.description))
      }
    }
  }
}

extension Array where Element: Sendable {
  fileprivate func asyncMap<R: Sendable>(_ body: (Element) async throws -> R) async throws -> [R] {
    var results: [R] = []
    for element in self { results.append(try await body(element)) }
    return results
  }
}
