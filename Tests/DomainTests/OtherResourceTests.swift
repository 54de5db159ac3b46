import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Records
import Refusals
import Testing
import Vault

@Suite struct OtherResourceTests {
  @Test func `a credential is rotated and revealed, and every read is recorded`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "credential", ["name": "c", "data": ["key": "v1"], "organization_id": .string(acme)])
    #expect(try book.item(id)["encryption_key_id"]?.stringValue.flatMap { Identifier($0) } != nil)
    #expect(try await book.refusal("credential.reveal", ["id": .string(id)]).paths == ["/reason"])
    let params: JSONObject = ["id": .string(id), "reason": "incident 7", "command_id": "r"]
    let revealed = try await book.call("credential.reveal", params)
    #expect(revealed["data"] == ["key": "v1"])
    #expect(revealed.eventNames == ["credential.revealed"])
    #expect(try await book.call("credential.reveal", params)["data"] == ["shown_once": true])
    let dry = try await book.call("credential.reveal", ["id": .string(id), "reason": "x", "dry_run": true])
    #expect(dry["data"] == nil, "what records nothing shows nothing")
    #expect(try await book.call("credential.rotate", ["id": .string(id), "data": ["key": "v1"]])["events"] == [])
    try await book.call("credential.rotate", ["id": .string(id), "data": ["key": "v2"]])
    #expect(try book.item(id)["rotated_at"]?.stringValue != nil)
    #expect(
      try await book.call("credential.reveal", ["id": .string(id), "reason": "x"])["data"] == ["key": "v2"])
    #expect(try await book.refusal("credential.edit", ["id": .string(id), "data": [:]]).paths == ["/data"])
    let developer = try await book.member("d", of: acme).principal
    #expect(
      try await book.refusal("credential.reveal", ["id": .string(id), "reason": "x"], as: developer).code == .forbidden
    )
  }

  @Test func `a connection test is kept`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make("connection", ["name": "c", "type": "s3", "organization_id": .string(acme)])
    let result = try await book.call(
      "connection.test", ["id": .string(id), "status": "failed", "message": "no route"])
    #expect(result.eventNames == ["connection.tested"])
    #expect(try book.item(id)["last_test_message"] == "no route")
    try await book.call("connection.test", ["id": .string(id), "status": "success"])
    #expect(try book.item(id)["last_test_message"] == JSON.null)
    #expect(try await book.refusal("connection.test", ["id": .string(id), "status": "maybe"]).paths == ["/status"])
  }

  @Test func `there is one default connection for each owner, and one for the rest`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    func connection(owner: String?) async throws -> String {
      var params: JSONObject = ["name": "c", "type": "local", "organization_id": .string(acme)]
      if let owner { params["owner_id"] = .string(owner) }
      return try await book.make("connection", params)
    }
    let (first, second) = (try await connection(owner: nil), try await connection(owner: nil))
    let (owned, later) = (try await connection(owner: ann.id), try await connection(owner: ann.id))
    try await book.call("connection.set_default", ["id": .string(first)])
    try await book.call("connection.set_default", ["id": .string(owned)])
    let moved = try await book.call("connection.set_default", ["id": .string(second)])
    #expect(moved.eventNames == ["connection.default_set", "connection.edited"])
    #expect(try await book.call("connection.set_default", ["id": .string(second)])["events"] == [])
    try await book.call("connection.set_default", ["id": .string(later)])
    let defaults = try [first, second, owned, later].map { try book.item($0)["is_default"] == true }
    #expect(defaults == [false, true, false, true])
  }

  @Test func `an alert goes its way`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      by: "alert.raise", ["message": "m", "severity": "high", "organization_id": .string(acme)])
    try await book.call("alert.escalate", ["id": .string(id)])
    try await book.call("alert.escalate", ["id": .string(id)])
    #expect(try book.item(id)["escalation_level"] == 2)
    try await book.call("alert.acknowledge", ["id": .string(id)])
    #expect(try book.item(id)["acknowledged_by"] == JSON.null, "nobody, for the local administrator")
    #expect(try await book.refusal("alert.acknowledge", ["id": .string(id)]).reason == "state")
    try await book.call("alert.resolve", ["id": .string(id)])
    #expect(try book.item(id)["resolution_type"] == "manual")
    #expect(try await book.refusal("alert.escalate", ["id": .string(id)]).reason == "state")
    try await book.call("alert.close", ["id": .string(id)])
    #expect(try book.item(id)["status"] == "closed")
  }

  @Test func `datasets and edges are made, unique and unlinked`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func dataset(_ name: String) async throws -> String {
      try await book.make(
        "dataset", ["namespace": "ns", "name": .string(name), "organization_id": .string(acme)])
    }
    let (source, target) = (try await dataset("a"), try await dataset("b"))
    #expect(
      try await book.refusal("dataset.create", ["namespace": "ns", "name": "a", "organization_id": .string(acme)])
        .reason
        == "unique")
    let ends: JSONObject = [
      "source_id": .string(source), "target_id": .string(target), "organization_id": .string(acme),
    ]
    let edge = try await book.make(by: "lineage_edge.link", ends)
    #expect(try await book.refusal("lineage_edge.create", ends).reason == "unique")
    let unlinked = try await book.call("lineage_edge.unlink", ["id": .string(edge)])
    #expect(unlinked.eventNames == ["lineage_edge.unlinked"])
    let again = try await book.make(by: "lineage_edge.link", ends)
    #expect(
      try await book.call("dataset.delete", ["id": .string(source)]).eventNames == [
        "dataset.deleted", "lineage_edge.deleted",
      ])
    #expect(try book.state(again).isDeleted)
    try await book.call("dataset.edit", ["id": .string(target), "description": "d"])
    try book.checkIndexes()
  }

  @Test func `a skipped position is kept once with its reason`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let params: JSONObject = ["name": "runs", "position": 1, "reason": "can't be applied"]
    let first = try await book.call("projection.skip", params)
    #expect(first.eventNames == ["projection.skipped"])
    #expect(try await book.call("projection.skip", params)["events"] == [])
    try await book.call("projection.skip", ["name": "runs", "position": 2, "reason": "r"])
    let id = try #require(first["id"]?.stringValue)
    #expect(try book.state(id).fields["skipped"] == [1, 2])
    #expect(try await book.refusal("projection.skip", ["name": "runs", "position": 1]).paths == ["/reason"])
    #expect(
      try await book.refusal("projection.skip", ["name": "runs", "position": 99, "reason": "r"]).paths == ["/position"])
    let owner = try await book.member("o", of: acme, role: "owner").principal
    #expect(try await book.refusal("projection.skip", params, as: owner).code == .forbidden)
    // Taken back it is there no more, and only once.
    #expect(try await book.refusal("projection.unskip", params, as: owner).code == .forbidden)
    #expect(try await book.call("projection.unskip", params).eventNames == ["projection.unskipped"])
    #expect(try book.state(id).fields["skipped"] == [2])
    #expect(try await book.refusal("projection.unskip", params).reason == "state")
    // Where it is known at which position a read model has stopped, that one alone is passed over.
    book.engine.findStops { $0 == "runs" ? [3] : [] }
    let other = try await book.refusal("projection.skip", params)
    #expect(other.reason == "state" && other.message.contains("has stopped at position 3"))
    let nowhere = try await book.refusal("projection.skip", ["name": "users", "position": 1, "reason": "r"])
    #expect(nowhere.message.contains("has stopped nowhere"))
    try await book.call("projection.skip", ["name": "runs", "position": 3, "reason": "r", "command_id": "once"])
    book.engine.findStops { _ in [] }
    let repeated = try await book.call(
      "projection.skip", ["name": "runs", "position": 3, "reason": "r", "command_id": "once"])
    #expect(repeated["id"]?.stringValue == id)
    try await book.call("projection.skip", params.merging(["force": true]))
    #expect(try book.state(id).fields["skipped"] == [2, 3, 1])
  }

  @Test func `refused sign-ins are recorded by the server alone`() async throws {
    let book = try TestDomain()
    let params: JSONObject = ["method": "api_key", "attempts": 5]
    let result = try await book.call(
      "session.refuse", params, as: .server, from: Origin(ip: "198.51.100.9", userAgent: nil))
    let id = try #require(result["id"]?.stringValue)
    let record = try #require(try book.records(of: id).first)
    #expect(record.header.actor == "server")
    #expect(record.body.data == params)
    #expect(try book.view.origin(record.body.origin, resource: record.header.resource) == ["ip": "198.51.100.9"])
    #expect(try !book.everything().contains("198.51.100.9"))
    #expect(try await book.refusal("session.refuse", params).code == .methodNotFound)
  }

  @Test func `an organization's role given with it is that of the first membership`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let organization: JSON = .string(acme)
    let cases: [(JSONObject, platform: JSON, membership: JSON)] = [
      (["role": "owner"], "viewer", "owner"), (["role": "admin"], "viewer", "admin"),
      (["role": "member"], "viewer", "member"), (["role": "member", "membership_role": nil], "viewer", "member"),
      (["role": "editor"], "developer", "member"), (["role": "admin", "membership_role": "member"], "admin", "member"),
      ([:], "viewer", "member"),
    ]
    for (index, one) in cases.enumerated() {
      let user = try await book.make(
        "user",
        one.0.merging(["email": .string("u\(index)@example.org"), "organization_id": organization]))
      #expect(try book.item(user)["role"] == one.platform, "\(one.0)")
      #expect(try book.principal(user).organizations.values.map(JSON.string) == [one.membership], "\(one.0)")
    }
    let alone = try await book.make("user", ["email": "alone@example.org", "role": "admin"])
    #expect(try book.item(alone)["role"] == "admin", "without an organization it is the platform's role")
    let refused: [JSONObject] = [
      ["role": "owner"], ["role": "owner", "organization_id": nil],
      ["role": "owner", "organization_id": organization, "membership_role": "owner"],
    ]
    for params in refused {
      #expect(
        try await book.refusal("user.create", params.merging(["email": "x@example.org"])).paths == ["/role"])
    }
    // Who may only grant less than an owner's role can't grant it this way either.
    let admin = try await book.member("boss", of: acme, role: "admin")
    let error = try await book.refusal(
      "user.create", ["email": "x@example.org", "organization_id": organization, "role": "owner"],
      as: admin.principal)
    #expect(error.code == .forbidden)
  }

  @Test func `users, SQL roles and memberships are made, edited and deleted`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let result = try await book.call(
      "user.create", ["email": "a@example.org", "organization_id": .string(acme), "membership_role": "admin"])
    #expect(result.eventNames == ["user.created", "membership.created"])
    #expect(
      try await book.refusal("user.create", ["email": "no-address", "membership_role": "admin"]).paths == [
        "/email", "/organization_id",
      ])
    let id = try #require(result["id"])
    try await book.call("user.verify_email", ["id": id])
    let text = try #require(id.stringValue)
    #expect(try book.item(text)["email_verified"] == true)
    #expect(try await book.call("user.delete", ["id": id]).eventNames == ["user.deleted", "membership.deleted"])
    let role = try await book.make("sql_role", ["name": "analyst", "organization_id": .string(acme)])
    try await book.call("sql_role.edit", ["id": .string(role), "personal": true])
    #expect(
      try await book.refusal("sql_role.create", ["name": "analyst", "organization_id": .string(acme)]).reason
        == "unique")
    try await book.call("sql_role.delete", ["id": .string(role)])
    try book.checkIndexes()
  }

  @Test func `an OpenLineage report becomes resources once`() async throws {
    let book = try TestDomain()
    let event: JSON = [
      "eventType": "COMPLETE", "eventTime": "2026-01-01T00:00:00Z", "producer": "test",
      "run": ["runId": "0196a1b2-0000-7000-8000-000000000001"], "job": ["namespace": "My Place", "name": "job"],
      "inputs": [["namespace": "s3", "name": "in"]], "outputs": [["namespace": "s3", "name": "out"]],
    ]
    let result = try await book.call("openlineage.record", ["event": event])
    #expect(result["id"] == "0196a1b2-0000-7000-8000-000000000001")
    #expect(Set(result.eventNames).isSuperset(of: ["organization.created", "pipeline.created", "dataset.created"]))
    #expect(try book.item("0196a1b2-0000-7000-8000-000000000001")["status"] == "success")
    #expect(try await book.call("openlineage.record", ["event": event])["events"] == [])
    let organization = try #require(result["organization_id"]?.stringValue)
    #expect(try book.item(organization)["slug"] == "openlineage")
    try book.checkIndexes()
    let other = try await book.organization("other")
    let key = try await book.key(["openlineage": ["write"]], in: other).principal
    // The same run id of another organization is a run of its own, and tells nothing of the other one.
    let own = try await book.call("openlineage.record", ["event": event], as: key)
    let run = try book.item(try #require(own["id"]?.stringValue))
    #expect(run["organization_id"] == .string(other) && run["external_id"] == "0196a1b2-0000-7000-8000-000000000001")
    #expect(try book.item("0196a1b2-0000-7000-8000-000000000001")["organization_id"] == .string(organization))
    try book.checkIndexes()
    #expect(try await book.refusal("openlineage.record", ["event": [:]], as: key).code == .invalidParams)
    let viewer = try await book.member("v", of: other, platformRole: "viewer").principal
    #expect(try await book.refusal("openlineage.record", ["event": event], as: viewer).code == .forbidden)
  }

  @Test func `administrators send namespaces to organizations, and take that back`() async throws {
    let book = try TestDomain()
    let (acme, beta) = (try await book.organization("acme"), try await book.organization("beta"))
    func place(_ namespace: String, _ run: Int) async throws -> JSON? {
      let event: JSON = [
        "eventType": "START", "eventTime": "2026-01-01T00:00:00Z",
        "run": ["runId": .string("0196a1b2-0000-7000-8000-00000000010\(run)")],
        "job": ["namespace": .string(namespace), "name": "job"],
      ]
      return try await book.call("openlineage.record", ["event": event])["organization_id"]
    }
    let mapped = try await book.call(
      "openlineage.map", ["namespace": "airflow", "match": "prefix", "organization_id": .string(acme)])
    #expect(mapped.eventNames == ["openlineage.mapped"])
    #expect(try await place("airflow_prod", 1) == .string(acme))
    let again = try await book.call(
      "openlineage.map", ["namespace": "airflow", "match": "prefix", "organization_id": .string(beta)])
    #expect(again.eventNames == ["openlineage.mapped"])
    // A job that has been reported stays with its run; what is new goes by the rule.
    #expect(try await place("airflow_prod", 2) == .string(beta))
    #expect(try await place("dbt", 3) != .string(beta))
    let id = try #require(mapped["id"]?.stringValue)
    #expect(try book.item(id)["rules"]?.arrayValue?.count == 1)
    try await book.call("openlineage.unmap", ["namespace": "airflow", "match": "prefix"])
    #expect(try await place("airflow_prod", 4) == (try await place("dbt", 5)))
    #expect(
      try await book.refusal("openlineage.unmap", ["namespace": "airflow", "match": "prefix"]).code == .invalidParams)
    #expect(try await book.refusal("openlineage.map", ["namespace": "x"]).code == .invalidParams)
    let owner = try await book.member("o", of: acme, role: "owner").principal
    let theirs = try await book.refusal(
      "openlineage.map", ["namespace": "x", "organization_id": .string(acme)], as: owner)
    #expect(theirs.code == .forbidden)
    try book.checkIndexes()
  }

  @Test func `the catalog's revision is recorded once, and a contradiction is refused with its count`() async throws {
    let book = try TestDomain()
    try await book.engine.recordCatalog()
    let head = book.log.head.position
    #expect(head == 1)
    try await book.engine.recordCatalog()
    #expect(book.log.head.position == head)
    let id = CommandEngine.catalogIdentifier.text
    let record = try #require(try book.records(of: id).first)
    #expect(record.header.event == "catalog.revised")
    #expect(
      record.body.set == ["folding": .string(UnicodeForm.version), "revision": .string(book.catalog.revision)])
    #expect(record.body.data["source"] == .object(book.catalog.source))
    for name in ["a", "b"] { try await book.organization(name) }
    let types = book.catalog.types.map { type in
      guard type.name == "organization" else { return type }
      var required = Field(name: "purpose", type: .text)
      required.isRequired = true
      return ResourceType(
        name: type.name, plural: type.plural, summary: type.summary, organization: type.organization,
        naturalKeys: type.naturalKeys, fields: type.fields.filter { $0.name != "settings" } + [required],
        unique: type.unique, lifecycle: type.lifecycle, versionedContent: type.versionedContent,
        commands: type.commands, facts: type.facts, hasReadModel: type.hasReadModel)
    }
    let next = Catalog(types: types, revision: "other", source: [:])
    let engine = try CommandEngine(catalog: next, log: book.log, vault: book.vault)
    let error = await #expect(throws: Refusal.self) { try await engine.recordCatalog() }
    #expect(
      error?.data["contradictions"] == [
        [
          "problem": "organization.purpose: is required, but missing", "count": 2,
          "remedy": .string(
            "Give the field a default, which those resources then have; or add it without `required`, give it a value "
              + "in each resource by edit, then require it."),
        ],
        [
          "problem": "organization.settings: the field is gone, but values of it are held", "count": 2,
          "remedy":
            "Keep it, or clear it first: give null to organization.edit under the catalog that has it.",
        ],
      ])
    #expect(book.log.head.position == 3)
    let same = Catalog(types: book.catalog.types, revision: "third", source: [:])
    try await CommandEngine(catalog: same, log: book.log, vault: book.vault).recordCatalog()
    #expect(try book.records(of: id).last?.body.was == ["revision": .string(book.catalog.revision)])
  }

  @Test func `every behaviour of the catalog is known, and every command is prepared`() throws {
    let book = try TestDomain()
    let named = Set(book.catalog.types.flatMap(\.commands).compactMap(\.behaviour))
    #expect(named.isSubset(of: CommandEngine.knownBehaviours))
    for method in book.catalog.commandMethods where book.engine.isCommand(method) {
      #expect(throws: Refusal.self, "\(method) took a parameter that it can't know") {
        try book.engine.prepare(
          method: method, params: ["surely_unknown": 1], principal: TestDomain.administrator, origin: Origin())
      }
    }
  }
}
