import BasicTypes
import CanonicalJSON
import DaybookClient
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import ServerTestKit
import Testing

@testable import Server

/// Sessions of people and keys over open connections.
@Suite(.timeLimit(.minutes(2))) struct AccountSessionTests {
  /// Makes a user with a password in an organization, and answers their id.
  private func user(_ name: String, of organization: String, _ administrator: DaybookClient) async throws -> String {
    let made = try await administrator.call(
      "user.create",
      [
        "email": .string("\(name)@example.org"), "password": "correct horse", "organization_id": .string(organization),
        "role": "developer",
      ])
    return try #require(made["id"]?.stringValue)
  }

  private func signedIn(_ name: String, _ test: TestServer, password: String = "correct horse") async throws
    -> DaybookClient
  {
    let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
    _ = try await client.call(
      "session.open", ["email": .string("\(name)@example.org"), "password": .string(password)])
    return client
  }

  /// The code that a call is refused with; nil where it is answered.
  private func refusal(_ client: DaybookClient, _ method: String, _ params: JSONObject = [:]) async throws
    -> Refusal.Code?
  {
    do {
      _ = try await client.call(method, params)
      return nil
    } catch let error as ClientError {
      guard let code = error.code else { throw error }
      return code
    }
  }

  @Test func `a sign-in by password sets the last login and its address, once a minute, and holds up nobody else's`()
    async throws
  {
    let clock = NIOLockedValueBox(Timestamp.now)
    let start = clock.withLockedValue { $0 }
    try await TestServer.run {
      $0.clock = { clock.withLockedValue { $0 } }
    } _: { test in
      let administrator = try await test.administrator()
      let acme = try await test.organization("acme")
      let id = try await user("ann", of: acme, administrator)
      func item() async throws -> JSON? { try await administrator.call("user.get", ["id": .string(id)])["item"] }
      #expect(try await item()?["last_login_at"]?.stringValue == nil)
      let first = try await signedIn("ann", test)
      #expect(try await item()?["last_login_at"] == .string(start.text))
      #expect(try await item()?["last_login_ip"] == "127.0.0.1")
      clock.withLockedValue { $0 = start.adding(seconds: 59) }
      let second = try await signedIn("ann", test)
      #expect(try await item()?["last_login_at"] == .string(start.text))
      clock.withLockedValue { $0 = start.adding(seconds: 61) }
      let third = try await signedIn("ann", test)
      #expect(try await item()?["last_login_at"] == .string(start.adding(seconds: 61).text))
      for client in [first, second, third] {
        #expect(try await refusal(client, "session.whoami") == nil)
        try await client.close()
      }
      try await administrator.close()
    }
  }

  @Test func `a person who is deactivated or deleted is out with the next call, and so are their keys`() async throws {
    try await TestServer.run { test in
      let administrator = try await test.administrator()
      let acme = try await test.organization("acme")
      let ids = [try await user("ann", of: acme, administrator), try await user("bob", of: acme, administrator)]
      for (name, id) in zip(["ann", "bob"], ids) {
        let membership = try await administrator.call(
          "organization.create", ["name": .string(name), "slug": .string(name)])
        let own = try #require(membership["id"]?.stringValue)
        let place = try await administrator.call(
          "membership.create", ["user_id": .string(id), "organization_id": .string(own), "role": "admin"])
        _ = place
        let client = try await signedIn(name, test)
        let key = try await client.call(
          "api_key.create",
          ["name": "k", "organization_id": .string(own), "permissions": ["*": ["read", "write"]]])
        let program = try await DaybookClient.connect(to: test.endpoint("tcp"))
        _ = try await program.call("session.open", ["api_key": try #require(key["api_key"])])
        #expect(try await refusal(program, "session.whoami") == nil)
        let method = name == "ann" ? "user.deactivate" : "user.delete"
        let ended = try await administrator.call(method, ["id": .string(id)])
        #expect(ended["events"]?.arrayValue?.contains { $0["event"] == "api_key.revoked" } == true)
        for (client, call) in [
          (client, "session.whoami"), (client, "pipeline.create"), (program, "pipeline.create"),
          (program, "session.whoami"),
        ] {
          #expect(try await refusal(client, call, [:]) == .unauthenticated, "\(call) after \(method)")
        }
        try await client.close()
        try await program.close()
      }
      try await administrator.close()
    }
  }

  @Test func `who changes their password stays, and their other connections are out with the next call`() async throws {
    try await TestServer.run { test in
      let administrator = try await test.administrator()
      let acme = try await test.organization("acme")
      let id = try await user("ann", of: acme, administrator)
      let (desk, phone) = (try await signedIn("ann", test), try await signedIn("ann", test))
      _ = try await desk.call("user.set_password", ["id": .string(id), "password": "battery staple"])
      #expect(try await refusal(phone, "session.whoami") == .unauthenticated)
      #expect(try await refusal(desk, "session.whoami") == nil)
      #expect(try await refusal(desk, "pipeline.create", ["name": "p"]) == nil)
      let again = try await signedIn("ann", test, password: "battery staple")
      #expect(try await refusal(again, "session.whoami") == nil)
      for client in [desk, phone, again, administrator] { try await client.close() }
    }
  }

  @Test func `a key's use is noted once a minute; it expires, and is revoked, with the very next call`() async throws {
    let clock = NIOLockedValueBox(Timestamp.now)
    let start = clock.withLockedValue { $0 }
    try await TestServer.run {
      $0.clock = { clock.withLockedValue { $0 } }
    } _: { test in
      let administrator = try await test.administrator()
      let acme = try await test.organization("acme")
      let made = try await administrator.call(
        "api_key.create",
        [
          "name": "k", "organization_id": .string(acme), "permissions": ["*": ["read", "write"]],
          "expires_at": .string(start.adding(seconds: 3600).text),
        ])
      let id = try #require(made["id"]?.stringValue)
      let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
      _ = try await client.call("session.open", ["api_key": try #require(made["api_key"])])
      func uses() async throws -> Int {
        // What the server submitted on its own account was decided before this command.
        _ = try await administrator.call("organization.edit", ["id": .string(acme), "description": "d"])
        let records = try await test.server.services.log.records(from: 1, limit: 1000, maximumBytes: 1 << 20)
        return try records.count { try $0.parsedHeader().event == "api_key.used" }
      }
      for _ in 0..<3 { _ = try await client.call("session.whoami") }
      #expect(try await uses() == 1)
      clock.withLockedValue { $0 = start.adding(seconds: 60) }
      for _ in 0..<3 { _ = try await client.call("pipeline.create", ["name": "p"]) }
      #expect(try await uses() == 2)
      let item = try await administrator.call("api_key.get", ["id": .string(id)])["item"]
      #expect(item?["last_used_at"] == .string(start.adding(seconds: 60).text))
      clock.withLockedValue { $0 = start.adding(seconds: 3599) }
      #expect(try await refusal(client, "session.whoami") == nil)
      clock.withLockedValue { $0 = start.adding(seconds: 3600) }
      #expect(try await refusal(client, "session.whoami") == .unauthenticated)
      #expect(
        try await refusal(client, "session.open", ["api_key": try #require(made["api_key"])]) == .unauthenticated)
      let other = try await test.apiKey(acme, ["*": ["read", "write"]])
      _ = try await client.call("session.open", ["api_key": .string(other.key)])
      _ = try await administrator.call("api_key.revoke", ["id": .string(other.id)])
      #expect(try await refusal(client, "pipeline.create", ["name": "p"]) == .unauthenticated)
      try await client.close()
      try await administrator.close()
    }
  }

  @Test func `a subscription ends with the session that it belongs to`() async throws {
    try await TestServer.run { test in
      let administrator = try await test.administrator()
      let acme = try await test.organization("acme")
      let id = try await user("ann", of: acme, administrator)
      let places = try test.server.services.log.read { snapshot in
        try snapshot.referrers(of: try #require(Identifier(id)), type: "membership", limit: 1)
      }
      _ = try await administrator.call(
        "membership.edit", ["id": .string(try #require(places.first).id.text), "role": "admin"])
      let client = try await signedIn("ann", test)
      let head = test.server.services.log.head.position
      _ = try await client.call("log.subscribe", ["from": .integer(Int64(head) + 1)])
      _ = try await administrator.call("user.deactivate", ["id": .string(id)])
      var ended: JSON?
      for await notification in client.notifications where notification.method == "log.ended" {
        ended = notification.params["error"]
        break
      }
      #expect(ended?["data"]?["type"] == "unauthenticated")
      try await client.close()
      try await administrator.close()
    }
  }
}
