import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Records
import Refusals
import Testing

@Suite struct CommandTests {
  @Test func `a created resource has its number, defaults, maker and organization`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let result = try await book.call("pipeline.create", ["name": "Load", "organization_id": .string(organization)])
    #expect(result["version"] == 1)
    #expect(result.eventNames == ["pipeline.created"])
    #expect(result["position"] == result["events"]?.arrayValue?.first?["position"])
    let id = try #require(result["id"]?.stringValue)
    let item = try book.item(id)
    #expect(item["number"] == 1)
    #expect(item["status"] == "draft")
    #expect(item["kind"] == "flow")
    #expect(item["tags"] == [])
    #expect(item["version_number"] == 1)
    #expect(item["organization_id"] == .string(organization))
    #expect(item["created_by"] == .string(CommandEngine.systemUser.text))
    #expect(item["description"] == JSON.null)
    #expect(CommandEngine.systemUser.text == "00000000-0000-7000-8000-000000000001")
    try book.checkIndexes()
  }

  @Test func `every fault of the parameters is listed`() async throws {
    let book = try TestDomain()
    let error = try await book.refusal(
      "pipeline.create",
      [
        "nmae": "x", "kind": "ship", "is_scheduled": "yes", "schedule": "61 * * * *", "status": "paused",
        "version_number": 3, "created_at": "2026-01-01T00:00:00Z", "tags": [1], "command_id": "", "reason": 3,
      ])
    #expect(error.code == .invalidParams)
    for path in [
      "/nmae", "/kind", "/is_scheduled", "/status", "/version_number", "/created_at", "/tags/0", "/command_id",
      "/reason", "/name", "/organization_id",
    ] {
      #expect(error.paths.contains(path), "\(path) is missing in \(error.paths)")
    }
    #expect(error.data["problems"]?.canonicalString.contains("did you mean name?") == true)
  }

  @Test func `a field that only commands set names them`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
    let error = try await book.refusal("pipeline.edit", ["id": .string(pipeline), "status": "active", "kind": "dag"])
    let problems = error.data["problems"]?.canonicalString ?? ""
    #expect(problems.contains("is set by pipeline.publish, pipeline.pause"))
    #expect(problems.contains("is fixed at creation"))
  }

  @Test func `an unknown method suggests the nearest`() throws {
    let book = try TestDomain()
    #expect(throws: Refusal.methodNotFound("pipeline.publsh", suggestions: ["pipeline.publish"])) {
      try book.engine.prepare(
        method: "pipeline.publsh", params: [:], principal: TestDomain.administrator, origin: Origin())
    }
    #expect(book.engine.isCommand("pipeline.publish"))
    #expect(book.engine.isCommand("batch.apply"))
    #expect(!book.engine.isCommand("session.refuse"), "internal commands are no methods of the socket")
    #expect(!book.engine.isCommand("pipeline.get"))
  }

  @Test func `an edit records only what differs, and nothing when nothing does`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = try await book.make(
      "pipeline",
      ["name": "p", "description": "d", "config": ["a": 1, "b": [1, 2]], "organization_id": .string(organization)])
    let result = try await book.call(
      "pipeline.edit", ["id": .string(id), "name": "q", "config": ["b": [1, 2], "a": 1.0]])
    #expect(result["version"] == 2)
    let last = try #require(try book.records(of: id).last)
    #expect(last.body.set == ["name": "q", "version_number": 2])
    #expect(last.body.was == ["name": "p", "version_number": 1])
    let same = try await book.call(
      "pipeline.edit", ["id": .string(id), "name": "q", "config": ["b": [1, 2], "a": 1]])
    #expect(same["events"] == [])
    #expect(same["version"] == 2)
    let cleared = try await book.call("pipeline.edit", ["id": .string(id), "description": nil])
    #expect(cleared.eventNames == ["pipeline.edited"])
    #expect(try book.item(id)["description"] == JSON.null)
    #expect(try await book.refusal("pipeline.edit", ["id": .string(id), "name": nil]).paths == ["/name"])
  }

  @Test func `an unexpected version is a conflict`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
    try await book.call("pipeline.edit", ["id": .string(id), "name": "q", "expected_version": 1])
    let error = try await book.refusal("pipeline.edit", ["id": .string(id), "name": "r", "expected_version": 1])
    #expect(error.code == .conflict)
    #expect(error.data == ["reason": "version", "expected": 1, "actual": 2])
  }

  @Test func `the lifecycle allows only its transitions`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
    let error = try await book.refusal("pipeline.resume", ["id": .string(id)])
    #expect(error.data == ["reason": "state", "from": "draft", "allowed": ["paused"]])
    for (command, status) in [
      ("publish", "active"), ("pause", "paused"), ("resume", "active"), ("deprecate", "deprecated"),
      ("archive", "archived"),
    ] {
      try await book.call("pipeline.\(command)", ["id": .string(id)])
      #expect(try book.item(id)["status"] == .string(status))
    }
    #expect(try book.item(id)["published_at"]?.stringValue != nil)
    #expect(try book.item(id)["version_number"] == 1, "moving along the lifecycle is no new content")
    let born = try await book.make(
      "pipeline", ["name": "b", "status": "active", "organization_id": .string(organization)])
    #expect(try book.item(born)["status"] == "active")
  }

  @Test func `the same command id returns the first result again, and refuses another command`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let params: JSONObject = ["name": "p", "organization_id": .string(organization), "command_id": "c1"]
    let first = try await book.call("pipeline.create", params)
    let head = book.log.head.position
    var again = try await book.call("pipeline.create", params)
    #expect(again["replayed"] == true)
    again["replayed"] = nil
    #expect(again == first)
    #expect(book.log.head.position == head)
    var others = params
    others["name"] = "q"
    let error = try await book.refusal("pipeline.create", others)
    #expect(error.reason == "command")
    let other = try await book.member("ann", of: organization).principal
    #expect(
      try await book.call("pipeline.create", params, as: other)["replayed"] == nil, "command ids are each actor's own")
  }

  @Test func `a refused command id can be used again`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let params: JSONObject = ["name": "x", "slug": "acme", "command_id": "c"]
    #expect(try await book.refusal("organization.create", params).reason == "unique")
    try await book.call("organization.delete", ["id": .string(organization)])
    #expect(try await book.call("organization.create", params).eventNames == ["organization.created"])
  }

  @Test func `a secret is shown once even to the same command id`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let params: JSONObject = ["name": "k", "organization_id": .string(organization), "command_id": "k"]
    let key = try #require(try await book.call("api_key.create", params)["api_key"]?.stringValue)
    #expect(key.hasPrefix("dbk_"))
    #expect(try await book.call("api_key.create", params)["api_key"] == ["shown_once": true])
  }

  @Test func `a dry run has its result and records nothing`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let head = book.log.head.position
    let result = try await book.call(
      "api_key.create", ["name": "k", "organization_id": .string(organization), "dry_run": true, "command_id": "d"])
    #expect(result["dry_run"] == true)
    #expect(result["position"] == JSON.null)
    #expect(result["events"]?.arrayValue?.first?["position"] == JSON.null)
    #expect(result["api_key"] == nil)
    #expect(book.log.head.position == head)
    let id = try await book.make(
      "api_key", ["name": "k", "organization_id": .string(organization), "command_id": "d"])
    #expect(try book.item(id)["number"] == 1, "a dry run uses up no number")
  }

  @Test func `a batch applies all or none`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = Identifier.version7(at: .now).text
    let create: JSON = [
      "method": "pipeline.create",
      "params": ["id": .string(id), "name": "p", "organization_id": .string(organization)],
    ]
    let edit: JSON = ["method": "pipeline.edit", "params": ["id": .string(id), "name": "q", "expected_version": 1]]
    let wrong: JSON = ["method": "pipeline.resume", "params": ["id": .string(id)]]
    let error = try await book.refusal("batch.apply", ["commands": [create, edit, wrong]])
    #expect(error.reason == "state")
    #expect(error.data["index"] == 2)
    let result = try await book.call("batch.apply", ["commands": [create, edit], "reason": "import"])
    let results = try #require(result["results"]?.arrayValue)
    #expect(results.map { $0["version"] } == [1, 2])
    #expect(result["position"] == results[1]["position"])
    let records = try book.records(of: id)
    #expect(try book.view.reason(records[1].body.reason, resource: book.state(id).id) == "import")
  }

  @Test func `a batch names the command whose parameters are wrong`() async throws {
    let book = try TestDomain()
    let nested: JSON = ["method": "batch.apply", "params": ["commands": []]]
    #expect(try await book.refusal("batch.apply", ["commands": [nested]]).data["index"] == 0)
    let wrong: JSON = ["method": "organization.create", "params": ["name": "x"]]
    let right: JSON = ["method": "organization.create", "params": ["name": "x", "slug": "x"]]
    let error = try await book.refusal("batch.apply", ["commands": [right, wrong]])
    #expect(error.data["index"] == 1)
    #expect(error.paths == ["/slug"])
    #expect(try await book.refusal("batch.apply", ["commands": 1]).paths == ["/commands"])
    #expect(try await book.refusal("batch.apply", [:]).paths == ["/commands"])
    let own: JSON = ["method": "organization.create", "params": ["name": "x", "slug": "x", "command_id": "1"]]
    #expect(try await book.refusal("batch.apply", ["commands": [own]]).paths == ["/command_id"])
  }

  @Test func `a batch with a command id is replayed whole`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let params: JSONObject = [
      "command_id": "b",
      "commands": [
        ["method": "api_key.create", "params": ["name": "k", "organization_id": .string(organization)]]
      ],
    ]
    let first = try await book.call("batch.apply", params)
    #expect(first["results"]?.arrayValue?.first?["api_key"]?.stringValue?.hasPrefix("dbk_") == true)
    let again = try await book.call("batch.apply", params)
    #expect(again["replayed"] == true)
    #expect(again["results"]?.arrayValue?.first?["api_key"] == ["shown_once": true])
  }

  @Test func `what is not there is not found, and what was deleted is gone`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let error = try await book.refusal("pipeline.edit", ["id": .string(organization), "name": "x"])
    #expect(error.data == ["resource_type": "pipeline", "id": .string(organization)])
    let id = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
    try await book.call("pipeline.delete", ["id": .string(id)])
    let gone = try await book.refusal("pipeline.edit", ["id": .string(id), "name": "x"])
    #expect(gone.code == .gone)
    let since = try book.item(id)["deleted_at"]
    #expect(since != nil && gone.data["since"] == since)
    #expect(try await book.refusal("pipeline.delete", ["id": .string(id)]).code == .gone)
    #expect(try await book.refusal("pipeline.edit", ["name": "x"]).paths == ["/id"])
    #expect(try await book.refusal("pipeline.edit", ["id": 3]).paths == ["/id"])
  }

  @Test func `an id of the caller's choice must be new`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let params: JSONObject = ["id": .string(organization), "name": "p", "organization_id": .string(organization)]
    let error = try await book.refusal("pipeline.create", params)
    #expect(error.reason == "unique")
    #expect(error.data["fields"] == ["id"])
  }
}
