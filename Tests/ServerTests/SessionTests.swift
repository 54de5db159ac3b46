import Access
import BasicTypes
import CanonicalJSON
import DaybookClient
import Domain
import EventLog
import NIOCore
import Protocol
import Refusals
import ServerTestKit
import Testing

@testable import Server

@Suite(.timeLimit(.minutes(2))) struct SessionTests {
  private let status = #"{"jsonrpc":"2.0","id":1,"method":"session.whoami"}"#

  private func open(_ key: String) -> String {
    #"{"jsonrpc":"2.0","id":"open","method":"session.open","params":{"api_key":"\#(key)"}}"#
  }

  @Test func `a stranger gets a ping, the document and a sign-in, and nothing else`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw("tcp")
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"server.ping"}"#)["result"] == ["pong": true])
      let document = try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#)
      #expect(document["result"]?["openrpc"] != nil)
      for method in ["server.status", "log.head", "organization.create", "session.whoami", "session.close", "no.such"] {
        let answer = try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)"}"#)
        #expect(answer.errorType == "unauthenticated", "\(method)")
      }
      try await client.close()
    }
  }

  @Test func `the Unix socket speaks for its process; a session over it for whoever signs in, until it is closed`()
    async throws
  {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["pipelines": ["read"]])
      let client = try await test.raw()
      let own = try await client.ask(status)["result"]
      #expect(own?["principal"]?["kind"] == "local_administrator")
      #expect(own?["permissions"]?["pipelines"] == ["read", "write", "execute", "admin"])
      let opened = try await client.ask(open(key.key))["result"]
      #expect(opened?["principal"]?["id"] == .string(key.id))
      #expect(opened?["principal"]?["organizations"]?[organization] == "key")
      #expect(opened?["permissions"] == ["pipelines": ["read"]])
      #expect(try await client.ask(status)["result"] == opened)
      let refused = try await client.ask(
        #"{"jsonrpc":"2.0","id":1,"method":"pipeline.create","params":{"name":"x"}}"#)
      #expect(refused.errorType == "forbidden")
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"server.metrics"}"#).errorType == "forbidden")
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"session.close"}"#)["result"] == [:])
      #expect(try await client.ask(status)["result"] == own)
      try await client.close()
    }
  }

  @Test(arguments: ["tcp", "unix"])
  func `a key that is revoked stops working with the next call, over TCP and over the Unix socket`(_ kind: String)
    async throws
  {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read"]])
      let client = try await test.raw(kind)
      #expect(try await client.ask(open(key.key))["result"] != nil)
      #expect(try await client.ask(status)["result"] != nil)
      let administrator = try await test.administrator()
      _ = try await administrator.call("api_key.revoke", ["id": .string(key.id)])
      #expect(try await client.ask(status).errorType == "unauthenticated")
      #expect(try await client.ask(open(key.key)).errorType == "unauthenticated")
      try await client.close()
      try await administrator.close()
    }
  }

  @Test func `calls pipelined behind a sign-in are made by whoever signed in`() async throws {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read", "write"]])
      let client = try await test.raw("tcp")
      try await client.send("\(status)\n\(open(key.key))\n\(status)\n[\(status)]\n")
      let answers = try await client.read(4)
      #expect(answers.count { $0.errorType == "unauthenticated" } == 1)
      #expect(answers.contains { $0.arrayValue?.first?["result"]?["principal"]?["id"] == .string(key.id) })
      try await client.close()
    }
  }

  @Test func `an e-mail address and a password sign in; a wrong one doesn't, and is recorded without delay for others`()
    async throws
  {
    try await TestServer.run { test in
      let administrator = try await test.administrator()
      _ = try await administrator.call(
        "user.create", ["email": "a@example.org", "password": "correct horse battery", "role": "admin"])
      let client = try await test.raw("tcp")
      func attempt(_ password: String) -> String {
        #"{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"email":"A@example.org","password":"\#(password)"}}"#
      }
      #expect(try await client.ask(attempt("wrong")).errorType == "unauthenticated")
      let opened = try await client.ask(attempt("correct horse battery"))["result"]
      #expect(opened?["principal"]?["platform_role"] == "admin" && opened?["principal"]?["is_administrator"] == true)
      // Written by the server on its own account, in the background; it comes before the next event at the latest.
      _ = try await administrator.call("organization.create", ["name": "x", "slug": "x"])
      let records = try await test.server.services.log.records(from: 1, limit: 100, maximumBytes: 1 << 20)
      let refusals = try records.filter { try $0.parsedHeader().event == "session.refused" }
      #expect(refusals.count == 1)
      #expect(try refusals.first?.parsedHeader().actor == "server")
      for record in records {
        #expect(!String(decoding: record.body, as: UTF8.self).contains("example.org"))
        #expect(!String(decoding: record.body, as: UTF8.self).contains("127.0.0.1"))
      }
      try await client.close()
      try await administrator.close()
    }
  }

  @Test func `tenants don't see each other, nor each other's events`() async throws {
    try await TestServer.run { test in
      let mine = try await test.organization("mine")
      let theirs = try await test.organization("theirs")
      let administrator = try await test.administrator()
      let foreign = try await administrator.call("pipeline.create", ["name": "p", "organization_id": .string(theirs)])
      let own = try await administrator.call("pipeline.create", ["name": "p", "organization_id": .string(mine)])
      let foreignID = try #require(foreign["id"]?.stringValue)
      let ownID = try #require(own["id"]?.stringValue)
      let key = try await test.apiKey(mine, ["*": ["read", "write"]])
      let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
      _ = try await client.call("session.open", ["api_key": .string(key.key)])
      #expect(try await client.call("pipeline.get", ["id": .string(ownID)])["item"]?["id"] == .string(ownID))
      for (method, params) in [
        ("pipeline.get", ["id": .string(foreignID)]), ("pipeline.edit", ["id": .string(foreignID), "name": "q"]),
        ("pipeline.history", ["id": .string(foreignID)]), ("pipeline.delete", ["id": .string(foreignID)]),
      ] as [(String, JSONObject)] {
        do {
          _ = try await client.call(method, params)
          Issue.record("\(method) of a foreign tenant was answered")
        } catch let error as ClientError {
          #expect(error.code == .notFound, "\(method)")
        }
      }
      let read = try await client.call("log.read", ["limit": 1000])
      let subscription = try await client.call("log.subscribe")["subscription"]
      #expect(subscription == 1)
      _ = try await administrator.call("pipeline.edit", ["id": .string(foreignID), "name": "secret"])
      let last = try await administrator.call("pipeline.edit", ["id": .string(ownID), "name": "last"])
      var seen: [JSON] = []
      for await notification in client.notifications {
        let record = try #require(notification.params["record"])
        seen.append(record)
        if record["header"]?["position"] == last["position"] { break }
      }
      #expect(seen.allSatisfy { $0["header"]?["organization"] == .string(mine) })
      #expect(seen.contains { $0["header"]?["resource"] == .string(ownID) })
      let records = try #require(read["records"]?.arrayValue)
      #expect(!records.isEmpty && records.allSatisfy { $0["header"]?["organization"] == .string(mine) })
      try await client.close()
      try await administrator.close()
    }
  }

  @Test func `another user's process isn't let in, unless the server is told so`() {
    let stranger = Peer.local(uid: 12_345, isAllowed: false)
    #expect(stranger.principal == nil && stranger.refusal?.code == .forbidden)
    let known = Peer.local(uid: 12_345, isAllowed: true)
    #expect(known.principal?.actor == "local:12345" && known.refusal == nil)
  }
}
