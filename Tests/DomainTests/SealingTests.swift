import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Testing
import Vault

@Suite struct SealingTests {
  @Test func `neither personal nor secret text enters the log`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.make(
      "user",
      [
        "email": "plain-email@example.org", "full_name": "Plain Name", "password": "plain-password",
        "organization_id": .string(acme), "membership_role": "owner",
      ])
    let principal = try book.principal(ann)
    let origin = Origin(ip: "203.0.113.77", userAgent: "plain-agent")
    try await book.call(
      "connection.create",
      [
        "name": "db", "type": "postgres", "reason": "plain-reason",
        "config": ["host": "h", "Password": "plain-secret", "deep": [["token": ["plain-token": 1]]]],
      ], as: principal, from: origin)
    try await book.call(
      "credential.create", ["name": "c", "data": ["key": "plain-data"], "organization_id": .string(acme)])
    let run = try await book.make(
      "run", ["code": "1", "organization_id": .string(acme), "reason": "plain-local-reason"])
    try await book.call("run.log", ["id": .string(run), "lines": [["message": "plain-line"]]])
    let slug = try await book.make("organization", ["name": "o", "slug": "o", "reason": "plain-admin-reason"])
    let text = try book.everything()
    for plain in [
      "plain-email", "Plain Name", "plain-password", "203.0.113.77", "plain-agent", "plain-reason", "plain-secret",
      "plain-token", "plain-data", "plain-local-reason", "plain-line", "plain-admin-reason",
    ] {
      #expect(!text.contains(plain), "\(plain) stands in the log")
    }
    let made = try #require(try book.records(of: slug).first)
    #expect(try book.view.reason(made.body.reason, resource: made.header.resource) == "plain-admin-reason")
  }

  @Test func `a personal value that is sent again is not sealed again`() async throws {
    let book = try TestDomain()
    let ann = try await book.make("user", ["email": "ann@example.org", "full_name": "Ann"])
    #expect(try book.item(ann)["full_name"] == "Ann")
    #expect(try await book.call("user.edit", ["id": .string(ann), "full_name": "Ann"])["events"] == [])
    try await book.call("user.edit", ["id": .string(ann), "full_name": "Ann B", "email": "ann@example.org"])
    let last = try #require(try book.records(of: ann).last)
    #expect(last.body.set.keys == ["full_name"])
    #expect(last.body.was["full_name"].map(Vault.isSealed) == true)
    let changes = try book.view.changes(
      type: "user", resource: last.header.resource, set: last.body.set, was: last.body.was)
    #expect(changes == ["full_name": ["from": "Ann", "to": "Ann B"]])
    let id = last.header.resource
    #expect(try book.log.read { try $0.positions(about: id, from: 1, limit: 10) }.count == 2)
  }

  @Test func `secret members are masked, and the mask sent back keeps them`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "connection",
      [
        "name": "db", "type": "postgres", "organization_id": .string(acme),
        "config": ["host": "h", "password": "s3cret", "nested": [["api_key": "k"]]],
      ])
    let shown = try #require(try book.item(id)["config"])
    #expect(shown == ["host": "h", "password": "********", "nested": [["api_key": "********"]]])
    #expect(try await book.call("connection.edit", ["id": .string(id), "config": shown])["events"] == [])
    try await book.call(
      "connection.edit",
      ["id": .string(id), "config": ["host": "other", "password": "********", "nested": [["api_key": "k"]]]])
    let state = try book.state(id)
    let token = try #require(state.fields["config"]?["password"])
    #expect(try book.vault.open(token, resourceID: state.id, field: "config/password") == .value("s3cret"))
    #expect(state.fields["config"]?["host"] == "other")
    let before = try #require(try book.records(of: id).last?.body.was["config"])
    #expect(before["password"] == token, "an unchanged secret keeps its token")
    let changed = try await book.call(
      "connection.edit", ["id": .string(id), "config": ["host": "other", "password": "new"]])
    #expect(changed.eventNames == ["connection.edited"])
    let error = try await book.refusal("connection.edit", ["id": .string(id), "config": ["token": "********"]])
    #expect(error.paths == ["/config/token"])
  }

  @Test func `what is named like a secret, or carries one, is sealed whatever list there is of names`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let secret: JSONObject = [
      "db_password": "p1", "aws_secret_access_key": "p2", "ssh_private_key": "p3", "sasl.password": "p4",
      "auth.pass": "p5", "secretKey": "p6", "accessToken": "p7", "api-key": "p8", "x-api-key": "p9",
      "DBPASSWORD": "p10",
      "dsn": "postgres://ann:p11@db.example/x", "jdbc_url": "jdbc:postgresql://h/db?user=a&password=p12",
      "jdbc": "jdbc:sqlserver://h:1433;databaseName=x;password=p13", "libpq": "host=h user=a password=p14",
      "webhook_url": "https://h/x?sig=p15", "signed": "https://s3/x?X-Amz-Signature=p16",
      "storage": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=p17",
    ]
    let open: JSONObject = [
      "host": "h", "port": 5432, "user": "ann", "primary_key": "id", "partition_key": "day",
      "public_key": "ssh-ed25519",
      "compass": "north", "key": "k", "url": "https://example.org/path?page=2", "use_token": true,
      "mail": "ann@h.example",
      "at": "postgres://db.example/x", "port_in_url": "http://h:80/@x",
    ]
    let id = try await book.make(
      "connection",
      [
        "name": "db", "type": "api", "organization_id": .string(acme),
        "config": .object(secret.merging(open).merging(["hosts": ["redis://:p18@h", "redis://h"]])),
      ])
    let shown = try #require(try book.item(id)["config"]?.objectValue)
    for (name, _) in secret { #expect(shown[name] == "********", "\(name)") }
    for (name, value) in open { #expect(shown[name] == value, "\(name)") }
    #expect(shown["hosts"] == ["********", "redis://h"])
    let body = try #require(try book.records(of: id).first?.body.set["config"]).canonicalString
    for number in 1...18 { #expect(!body.contains("p\(number)\"") && !body.contains("p\(number)@"), "p\(number)") }
    // What is shown, sent back, changes nothing.
    #expect(
      try await book.call("connection.edit", ["id": .string(id), "config": .object(shown)]).eventNames == [])
    let moved = try await book.refusal(
      "connection.edit",
      ["id": .string(id), "config": .object(shown.merging(["hosts": ["redis://h", "********"]]))])
    #expect(moved.paths == ["/config/hosts/1"])
  }

  @Test func `a mask in a list never stands for the secret of another element`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func host(_ name: String, _ password: String, port: Int64 = 1) -> JSON {
      ["host": .string(name), "password": .string(password), "port": .integer(port)]
    }
    let mask = "********"
    let id = try await book.make(
      "connection",
      [
        "name": "db", "type": "kafka", "organization_id": .string(acme),
        "config": ["hosts": [host("prod", "P"), host("test", "T"), host("twin", "A"), host("twin", "B")]],
      ])
    func edit(_ hosts: [JSON]) -> JSONObject { ["id": .string(id), "config": ["hosts": .array(hosts)]] }
    func passwords() throws -> [JSON] {
      let state = try book.state(id)
      let hosts = try #require(state.fields["config"]?["hosts"]?.arrayValue)
      return try hosts.enumerated().map { index, host in
        guard
          case .value(let value) = try book.vault.openFully(
            try #require(host["password"]), resourceID: state.id, field: "config/hosts/\(index)/password")
        else { return .null }
        return value
      }
    }
    let (prod, test, twin) = (host("prod", mask), host("test", mask), host("twin", mask))
    let refused: [(hosts: [JSON], path: String)] = [
      ([test, twin, twin], "/config/hosts/0/password"), ([test, prod, twin, twin], "/config/hosts/0/password"),
      ([host("evil", mask), test, twin, twin], "/config/hosts/0/password"),
      ([prod, host("test", mask, port: 2), twin, twin], "/config/hosts/1/password"),
      ([prod, test, twin], "/config/hosts/2/password"),
      ([prod, test, twin, twin, host("new", mask)], "/config/hosts/2/password"),
      ([prod, .array([test]), twin, twin], "/config/hosts/1/0/password"),
    ]
    for (hosts, path) in refused {
      let refusal = try await book.refusal("connection.edit", edit(hosts))
      #expect(refusal.paths == [path], "\(JSON.array(hosts).canonicalString)")
      #expect(refusal.message.contains("send the secret itself"))
    }
    #expect(try await book.call("connection.edit", edit([prod, test, twin, twin])).eventNames == [])
    // What is sure to be what it was keeps its secret, whatever happens behind it.
    try await book.call("connection.edit", edit([prod, host("test", "T2", port: 2), host("new", "N")]))
    #expect(try passwords() == ["P", "T2", "N"])
    try await book.call("connection.edit", edit([prod, host("test", mask, port: 2)]))
    #expect(try passwords() == ["P", "T2"])
    try await book.call("connection.edit", edit([host("test", "T2", port: 2), host("prod", "P")]))
    #expect(try passwords() == ["T2", "P"])
  }

  @Test func `a mask or a sealed token is refused where something is made`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let error = try await book.refusal(
      "connection.create",
      [
        "name": "db", "type": "kafka", "organization_id": .string(acme),
        "config": ["password": "********", "a": ["$sealed": "AAAA"]],
      ])
    #expect(Set(error.paths) == ["/config/password", "/config/a/$sealed"])
  }

  @Test func `a reason about others opens only while the keys of all exist`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let bob = try await book.member("bob", of: acme)
    let id = try await book.make(
      "pipeline", ["name": "p", "reason": "bob asked", "about": [.string(bob.id)]], as: ann.principal)
    let record = try #require(try book.records(of: id).first)
    #expect(try book.view.reason(record.body.reason, resource: record.header.resource) == "bob asked")
    let bobID = try #require(Identifier(bob.id))
    let annID = try #require(Identifier(ann.id))
    for subject in [annID, bobID] {
      #expect(
        try book.log.read { try $0.positions(about: subject, from: 1, limit: 100) }.contains(record.header.position))
    }
    _ = try book.vault.destroy([.subject(bobID)])
    #expect(try book.view.reason(record.body.reason, resource: record.header.resource) == ["erased": true])
    let unknown = try await book.refusal(
      "pipeline.edit",
      ["id": .string(id), "name": "q", "reason": "r", "about": [.string(Identifier.version7(at: .now).text)]])
    #expect(unknown.paths == ["/about/0"])
  }

  @Test func `facts that expire are sealed by class and month, and their counts are not`() async throws {
    let book = try TestDomain()
    book.clock.withLockedValue { $0 = Timestamp("2026-11-21T10:00:00Z") }
    let acme = try await book.organization("acme")
    let run = try await book.make("run", ["code": "1", "organization_id": .string(acme)])
    let result = try await book.call(
      "run.log",
      [
        "id": .string(run),
        "lines": [
          ["message": "a", "level": "ERROR"], ["message": "b"], ["message": "c", "at": "2026-11-21T09:00:00+01:00"],
        ],
      ])
    #expect(result.eventNames == ["run.logged"])
    let record = try #require(try book.records(of: run).last)
    #expect(record.body.set.isEmpty)
    #expect(record.body.data["count"] == 3)
    #expect(record.body.data["levels"] == ["ERROR": 1, "INFO": 2])
    let lines = try #require(record.body.data["lines"])
    #expect(
      book.vault.owner(of: lines)
        == .expiring(organization: Identifier(acme), retentionClass: "logs", month: "2026-11"))
    let open = try book.view.data(record.body.data, resource: record.header.resource)
    #expect(open["lines"]?.arrayValue?[0]["at"] == "2026-11-21T10:00:00.000000Z")
    #expect(open["lines"]?.arrayValue?[2]["at"] == "2026-11-21T08:00:00.000000Z")
    #expect(try await book.refusal("run.log", ["id": .string(run), "lines": []]).paths == ["/lines"])
    #expect(
      try await book.refusal("run.log", ["id": .string(run), "lines": [["level": "INFO"]]]).paths == [
        "/lines/0/message"
      ])
  }

  @Test func `the view leaves out hashes and whole secrets`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let key = try await book.key(["*": ["read"]], in: acme)
    let item = try book.item(key.id)
    #expect(!item.contains("key_hash"))
    #expect(item["key_prefix"] == .string(String(key.text.prefix(12))))
    let credential = try await book.make(
      "credential", ["name": "c", "data": ["a": 1], "organization_id": .string(acme)])
    #expect(try !book.item(credential).contains("data"))
    let before = try book.state(credential)
    try await book.call("credential.rotate", ["id": .string(credential), "data": ["a": 2]])
    let differences = try book.view.differences(
      type: "credential", resource: before.id, from: before.fields, to: book.state(credential).fields)
    #expect(
      differences.contains(JSONDifference(pointer: "/data", from: "********", to: "********")))
    #expect(differences.contains { $0.pointer == "/rotated_at" })
  }
}
