import Access
import BasicTypes
import CanonicalJSON
import DaybookClient
import Domain
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import ServerTestKit
import TestBasics
import Testing
import Vault

@testable import Server

/// Reads of personal data, refused calls and what is done with the service are events.
@Suite(.timeLimit(.minutes(3))) struct AccessRecordTests {
  /// The events of a name, each with its header and body.
  private struct Found: Sendable {
    let header: EventHeader
    let body: EventBody
    var data: JSONObject { body.data }
    var reads: Int64 { data["reads"]?.integerValue ?? 0 }
    var persons: [String] { data["persons"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? [] }
  }

  private func events(_ test: TestServer, _ name: String) async throws -> [Found] {
    let log = test.server.services.log
    return try await log.records(from: 1, limit: .max, maximumBytes: .max).compactMap { record in
      let header = try record.parsedHeader()
      return header.event == name ? Found(header: header, body: try record.parsedBody()) : nil
    }
  }

  /// Waits until there are so many events of a name, and answers them.
  private func eventually(_ count: Int, _ name: String, _ test: TestServer) async throws -> [Found] {
    try await TestBasics.eventually("\(count) × \(name)") {
      let found = try await events(test, name)
      return found.count >= count ? found : nil
    }
  }

  private func user(_ name: String, _ role: String, of organization: String, _ test: TestServer) async throws -> String
  {
    let administrator = try await test.administrator()
    let made = try await administrator.call(
      "user.create",
      [
        "email": .string("\(name)@example.org"), "password": "correct horse", "organization_id": .string(organization),
        "role": .string(role),
      ])
    try await administrator.close()
    return try #require(made["id"]?.stringValue)
  }

  private func signedIn(_ name: String, _ test: TestServer) async throws -> DaybookClient {
    let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
    _ = try await client.call(
      "session.open",
      [
        "email": .string("\(name)@example.org"), "password": "correct horse",
        "user_agent": .string("reader of \(name)"),
      ])
    return client
  }

  private func refusal(_ client: DaybookClient, _ method: String, _ params: JSONObject = [:]) async throws
    -> Refusal.Code?
  {
    do {
      _ = try await client.call(method, params)
      return nil
    } catch let error as ClientError {
      return error.code
    }
  }

  private func run(
    _ clock: NIOLockedValueBox<Timestamp>? = nil, _ change: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestServer) async throws -> Void
  ) async throws {
    try await TestServer.run {
      $0.recordsAccess = true
      $0.accessRecordInterval = .milliseconds(20)
      if let clock { $0.clock = { clock.withLockedValue { $0 } } }
      change(&$0)
    } _: {
      try await body($0)
    }
  }

  @Test func `that somebody else's data was read is recorded once an hour with a count, and one's own never`()
    async throws
  {
    let start = Timestamp(microseconds: Timestamp.now.microseconds / 3_600_000_000 * 3_600_000_000 + 1)
    let clock = NIOLockedValueBox(start)
    try await run(clock) { test in
      let acme = try await test.organization("acme")
      let ann = try await user("ann", "developer", of: acme, test)
      let bob = try await user("bob", "viewer", of: acme, test)
      let client = try await signedIn("bob", test)
      for _ in 0..<5 { _ = try await client.call("user.get", ["id": .string(bob)]) }
      _ = try await client.call("user.get", ["id": .string(ann)])
      let first = try await eventually(1, "access.read", test)
      #expect(first.map(\.persons) == [[ann]], "nothing of one's own")
      #expect(first[0].reads == 1)
      #expect(first[0].data["purpose"] == "profile")
      #expect(first[0].header.actor == "user:\(bob)")
      #expect(first[0].header.organization?.text == acme)
      for _ in 0..<29 { _ = try await client.call("user.get", ["email": "ann@example.org"]) }
      // What was before is not shown to a member: that it was asked for is no read of it.
      let history = try await client.call("user.history", ["id": .string(ann)])
      #expect(history["items"]?.arrayValue?.first?["changes"]?["email"] == nil)
      let olive = try await user("olive", "officer", of: acme, test)
      let officer = try await signedIn("olive", test)
      _ = try await officer.call("user.history", ["id": .string(ann)])
      try await officer.close()
      let second = try await eventually(2, "access.read", test)
      #expect(second[1].data["purpose"] == "history")
      #expect(second[1].header.actor == "user:\(olive)")
      try await Task.sleep(for: .milliseconds(100))
      #expect(try await events(test, "access.read").count == 2)
      clock.withLockedValue { $0 = start.adding(seconds: 3600) }
      let third = try await eventually(3, "access.read", test)
      #expect(third[2].reads == 29)
      #expect(third[2].data["hour"] == first[0].data["hour"])
      // Where it came from is sealed, and goes with the reader; the persons whom it names find it.
      let origin = try #require(third[2].body.origin)
      #expect(!origin.canonicalString.contains("127.0.0.1"))
      let services = test.server.services
      for id in [ann, bob] {
        let person = try #require(Identifier(id))
        let found = try services.log.read { try $0.positions(about: person, from: 1, limit: 1000) }
        #expect(found.contains(third[2].header.position))
      }
      try await client.close()
    }
  }

  @Test func `ten thousand reads make a few events, and a clean stop loses none`() async throws {
    try await TemporaryFolder.with { folder in
      let reads = 10_000
      func start() async throws -> TestServer {
        try await TestServer.start(folder: folder.path) {
          $0.recordsAccess = true
          $0.accessRecordInterval = .milliseconds(50)
        }
      }
      let test = try await start()
      let acme = try await test.organization("acme")
      let ann = try await user("ann", "developer", of: acme, test)
      _ = try await user("bob", "viewer", of: acme, test)
      let client = try await signedIn("bob", test)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<50 {
          group.addTask { for _ in 0..<(reads / 50) { _ = try await client.call("user.get", ["id": .string(ann)]) } }
        }
        try await group.waitForAll()
      }
      try await client.close()
      try await test.stop()
      let again = try await start()
      let found = try await events(again, "access.read")
      #expect(found.reduce(0) { $0 + $1.reads } == Int64(reads))
      // One at first and one at the end; the hour may have turned meanwhile.
      #expect(found.count <= 4, "\(found.count)")
      #expect(try await events(again, "installation.stopped").count == 1)
      let starts = try await events(again, "installation.started")
      #expect(starts.count == 2)
      #expect(starts[1].body.was["is_running"] == false, "the one before has stopped")
      #expect(starts[0].data["listen"] == "127.0.0.1:0")
      #expect(starts[0].data["version"] == .string(DaybookServer.version))
      #expect(!JSON.object(starts[0].data).canonicalString.contains(folder.path))
      try await again.stop()
    }
  }

  @Test func `a start says where HTTP is served and who is told metrics, and that there is none where there is none`()
    async throws
  {
    try await TemporaryFolder.with { folder in
      func start(_ change: @escaping @Sendable (inout ServerConfiguration) -> Void) async throws {
        let test = try await TestServer.start(folder: folder.path) {
          $0.recordsAccess = true
          change(&$0)
        }
        try await test.stop()
      }
      try await start {
        $0.http = ("127.0.0.1", 0)
        $0.metricsAccess = .open
      }
      try await start { _ in }
      let taken = try await TestServer.start(folder: folder.path + "/other") { $0.http = ("127.0.0.1", 0) }
      let port = try taken.httpPort
      try await start {
        $0.http = ("127.0.0.1", port)
        $0.isHTTPOptional = true
      }
      try await taken.stop()
      let last = try await TestServer.start(folder: folder.path)
      let starts = try await events(last, "installation.started").map(\.data)
      try await last.stop()
      #expect(starts.map { $0["http"] } == ["127.0.0.1:0", .null, .null], "\(starts)")
      #expect(starts.map { $0["metrics"] } == ["open", "local", "local"])
      #expect(starts.allSatisfy { $0["metrics_token"] == false })
    }
  }

  @Test func `refused calls are recorded with what was missing, without ids that are none of theirs`() async throws {
    let start = Timestamp(microseconds: Timestamp.now.microseconds / 3_600_000_000 * 3_600_000_000 + 1)
    let clock = NIOLockedValueBox(start)
    try await run(clock) { test in
      let acme = try await test.organization("acme")
      let other = try await test.organization("other")
      let ann = try await user("ann", "developer", of: acme, test)
      let stranger = try await user("sue", "developer", of: other, test)
      let bob = try await user("bob", "viewer", of: acme, test)
      let client = try await signedIn("bob", test)
      #expect(try await refusal(client, "user.delete", ["id": .string(ann)]) == .forbidden)
      #expect(try await refusal(client, "subject.report", ["id": .string(stranger)]) == .forbidden)
      #expect(try await refusal(client, "user.get", ["id": .string(stranger)]) == .notFound)
      #expect(try await refusal(client, "server.metrics") == .forbidden)
      let found = try await eventually(3, "access.refused", test)
      let byMethod = Dictionary(found.map { ($0.data["method"]?.stringValue ?? "", $0) }) { first, _ in first }
      #expect(byMethod.keys.sorted() == ["server.metrics", "subject.report", "user.delete"])
      let deletion = try #require(byMethod["user.delete"])
      #expect(deletion.data["resource_id"] == .string(ann))
      #expect(deletion.data["resource_type"] == "user")
      #expect(deletion.data["code"] == "forbidden")
      #expect(deletion.data["permission"]?.stringValue != nil)
      #expect(deletion.header.actor == "user:\(bob)")
      #expect(deletion.header.organization?.text == acme)
      for event in found { #expect(!JSON.object(event.data).canonicalString.contains(stranger)) }
      for _ in 0..<99 { #expect(try await refusal(client, "user.delete", ["id": .string(ann)]) == .forbidden) }
      try await Task.sleep(for: .milliseconds(100))
      #expect(try await events(test, "access.refused").count == 3)
      // Ids that nobody has are no way to grow the log.
      for _ in 0..<500 {
        _ = try await refusal(client, "subject.report", ["id": .string(Identifier.version7(at: .now).text)])
      }
      clock.withLockedValue { $0 = start.adding(seconds: 3600) }
      let all = try await TestBasics.eventually("every refusal is counted") {
        let all = try await events(test, "access.refused")
        return all.reduce(0) { $0 + ($1.data["count"]?.integerValue ?? 0) } == 602 ? all : nil
      }
      #expect(all.count <= 2 * 102, "\(all.count)")
      try await client.close()
    }
  }

  @Test func `what a legal hold refuses is recorded, of a batch the command, and a resource is named`() async throws {
    try await run { test in
      let acme = try await test.organization("acme")
      let administrator = try await test.administrator()
      let made = try await administrator.call(
        "pipeline.create", ["organization_id": .string(acme), "name": "nightly"])
      let pipeline = try #require(made["id"])
      _ = try await administrator.call(
        "legal_hold.place",
        ["organization_id": .string(acme), "held_id": pipeline, "name": "hold", "reason": "a case"])
      #expect(
        try await refusal(
          administrator, "batch.apply", ["commands": [["method": "pipeline.delete", "params": ["id": pipeline]]]])
          == .held)
      let found = try await eventually(1, "access.refused", test)
      #expect(found[0].data["method"] == "pipeline.delete")
      #expect(found[0].data["code"] == "held")
      #expect(found[0].data["resource_id"] == pipeline)
      #expect(found[0].header.organization?.text == acme, "its officers see it")
      #expect(found[0].header.actor.hasPrefix("local:"))
      try await administrator.close()
    }
  }

  @Test func `no tenant reads what was recorded of another, and of its own only officers and auditors do`()
    async throws
  {
    try await run { test in
      let acme = try await test.organization("acme")
      let other = try await test.organization("other")
      let ann = try await user("ann", "developer", of: acme, test)
      _ = try await user("bob", "viewer", of: acme, test)
      for (name, role, organization) in [
        ("audrey", "auditor", acme), ("olive", "officer", acme), ("max", "auditor", other),
      ] { _ = try await user(name, role, of: organization, test) }
      let owner = try await test.administrator()
      let key = try await test.apiKey(acme, ["*": ["read", "write", "execute", "admin"]])
      let bob = try await signedIn("bob", test)
      _ = try await bob.call("user.get", ["id": .string(ann)])
      #expect(try await refusal(bob, "audit.search") == .forbidden)
      _ = try await eventually(1, "access.read", test)
      _ = try await eventually(1, "access.refused", test)
      func seen(_ client: DaybookClient) async throws -> Set<String> {
        let records = try await client.call("log.read", ["events": ["access.*"]])["records"]?.arrayValue ?? []
        return Set(records.compactMap { $0["header"]?["event"]?.stringValue })
      }
      for name in ["audrey", "olive"] {
        let client = try await signedIn(name, test)
        #expect(try await seen(client) == ["access.read", "access.refused"], "\(name)")
        try await client.close()
      }
      let max = try await signedIn("max", test)
      #expect(try await seen(max).isEmpty)
      let program = try await DaybookClient.connect(to: test.endpoint("tcp"))
      _ = try await program.call("session.open", ["api_key": .string(key.key)])
      #expect(try await seen(program).isEmpty, "whoever administers an organization is no officer")
      for client in [max, program, bob, owner] { try await client.close() }
    }
  }

  @Test func `an organization with such records is deleted like any other, and what comes late is kept`() async throws {
    let start = Timestamp(microseconds: Timestamp.now.microseconds / 3_600_000_000 * 3_600_000_000 + 1)
    let clock = NIOLockedValueBox(start)
    try await run(clock) { test in
      let acme = try await test.organization("acme")
      let ann = try await user("ann", "developer", of: acme, test)
      _ = try await user("bob", "viewer", of: acme, test)
      let bob = try await signedIn("bob", test)
      _ = try await bob.call("user.get", ["id": .string(ann)])
      _ = try await eventually(1, "access.read", test)
      for _ in 0..<4 { _ = try await bob.call("user.get", ["id": .string(ann)]) }
      let administrator = try await test.administrator()
      _ = try await administrator.call("organization.delete", ["id": .string(acme), "reason": "gone"])
      #expect(try await events(test, "access.deleted").count == 1)
      clock.withLockedValue { $0 = start.adding(seconds: 3600) }
      let late = try await eventually(2, "access.read", test)
      #expect(late[1].reads == 4)
      #expect(late[1].header.organization == nil)
      #expect(late[1].data["organization_id"] == .string(acme))
      try await bob.close()
      try await administrator.close()
    }
  }

  @Test func `reading the whole log and taking a backup are events`() async throws {
    try await run { test in
      let acme = try await test.organization("acme")
      let administrator = try await test.administrator()
      _ = try await administrator.call("log.read", ["organization_id": .string(acme)])
      for _ in 0..<3 { _ = try await administrator.call("log.read") }
      let read = try await eventually(1, "installation.log_read", test)
      #expect(read[0].header.actor.hasPrefix("local:"))
      #expect(read[0].data["first"] == 1)
      let folder = test.folder + "/backup"
      _ = try await administrator.call(
        "log.backup", ["folder": .string(folder), "keys_file": .string(test.folder + "/keys")])
      let made = try await events(test, "installation.backed_up")
      #expect(made.map { $0.data["with_keys"] } == [true])
      #expect(made[0].header.actor.hasPrefix("local:"))
      let exported = try await events(test, "installation.keys_exported")
      #expect(exported.count == 1)
      #expect(exported[0].header.actor.hasPrefix("local:"))
      #expect(!JSON.object(made[0].data).canonicalString.contains(folder))
      // A program beside the server exports them, too.
      try test.server.services.vault.exportKeys(to: test.folder + "/keys-2")
      let second = try await eventually(2, "installation.keys_exported", test)
      #expect(second[1].header.actor == "server")
      #expect(second[1].data["number"] == 2)
      try await administrator.close()
    }
  }

  @Test func `a refused sign-in names the account to those who may know, and tells the stranger nothing`()
    async throws
  {
    try await run { test in
      let acme = try await test.organization("acme")
      let ann = try await user("ann", "developer", of: acme, test)
      let stranger = try await DaybookClient.connect(to: test.endpoint("tcp"))
      func attempt(_ email: String) async throws -> String {
        do {
          _ = try await stranger.call("session.open", ["email": .string(email), "password": "wrong"])
          return ""
        } catch let error as ClientError { return "\(error)" }
      }
      #expect(try await attempt("nobody@example.org") == attempt("ANN@example.org"))
      // The second is within a minute of the first: it is recorded when the server stops.
      for report in test.server.services.signInGuard.due(all: true) {
        test.server.services.record(report, method: "several")
      }
      let found = try await TestBasics.eventually("both attempts are recorded") {
        let found = try await events(test, "session.refused")
        return found.reduce(0) { $0 + ($1.data["attempts"]?.integerValue ?? 0) } >= 2 ? found : nil
      }
      let named = found.filter { $0.data["accounts"] != nil }
      #expect(named.count == 1)
      let vault = test.server.services.vault
      let attempts = AccessFacts.attempts(try #require(named.first).data, vault: vault)
      #expect(attempts.map { $0.person.text } == [ann])
      #expect(attempts.map { $0.attempts } == [1])
      for event in found { #expect(!JSON.object(event.data).canonicalString.contains(ann), "it is sealed") }
      let person = try #require(Identifier(ann))
      let positions = try test.server.services.log.read { try $0.positions(about: person, from: 1, limit: 1000) }
      #expect(positions.contains(try #require(named.first).header.position))
      try await stranger.close()
    }
  }
}
