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

@Suite struct SystemLogTests {
  @Test func `lines are sealed as a whole, counted in the clear`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let result = try await book.call(
      "system.log",
      [
        "lines": [
          ["level": "ERROR", "message": "planted-message", "logger_name": "app", "request_ip": "192.0.2.7"],
          ["message": "second", "at": "2026-01-01T00:00:00Z"], ["level": "ERROR", "message": "third"],
        ]
      ], as: ann.principal)
    #expect(result.eventNames == ["system.logged"])
    let id = try #require(result["id"]?.stringValue)
    let record = try #require(try book.records(of: id).last)
    #expect(record.header.organization?.text == acme)
    #expect(record.body.data["count"] == 3 && record.body.data["levels"] == ["ERROR": 2, "INFO": 1])
    let opened = try book.view.data(record.body.data, resource: record.header.resource)
    let lines = try #require(opened["lines"]?.arrayValue)
    #expect(lines[0]["message"] == "planted-message" && lines[0]["at"] == .string(record.header.at.text))
    #expect(lines[1]["level"] == "INFO" && lines[1]["at"] == "2026-01-01T00:00:00.000000Z")
    #expect(try !book.everything().contains("planted-message") && !book.everything().contains("192.0.2.7"))
    let again = try await book.call("system.log", ["message": "more"], as: ann.principal)
    #expect(again["id"] == result["id"] && again["version"] == 2)
    try book.checkIndexes()
  }

  /// An id that a stranger knows, since it follows from public words and the id of an organization.
  private func formerIdentifier(_ name: String, in namespace: String?) throws -> Identifier {
    guard let namespace else { return .version5(namespace: .urlNamespace, name: name) }
    return .version5(namespace: try #require(Identifier(namespace)), name: name)
  }

  @Test func `no client takes an id that the server derives or reserves`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let made = try await book.call("system.log", ["organization_id": .string(acme), "message": "m"])
    let derived = try #require(made["id"]?.stringValue)
    #expect(Identifier(derived)?.version == 8)
    let unused = DerivedIdentifier(
      name: "daybook:projection:pipelines", type: "projection", organization: nil, former: .urlNamespace)
    for id in [
      try formerIdentifier("daybook:system", in: acme).text, try formerIdentifier("daybook:system", in: nil).text,
      unused.id.text, CommandEngine.systemUser.text, "00000000-0000-0000-0000-000000000000",
      "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
      let params: JSONObject = ["id": .string(id), "name": "p", "organization_id": .string(acme)]
      #expect(try await book.refusal("pipeline.create", params).paths == ["/id"], "\(id)")
    }
    let user: JSONObject = ["id": .string(CommandEngine.systemUser.text), "email": "s@example.org"]
    #expect(try await book.refusal("user.create", user).paths == ["/id"])
    // A report's run id of that kind is a name like any other that is no UUID.
    let report: JSONObject = [
      "eventType": "START", "eventTime": "2026-11-01T00:00:00Z", "producer": "https://example.org",
      "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
      "run": ["runId": .string(unused.id.text)], "job": ["namespace": "n", "name": "j"],
    ]
    let run = try await book.call("openlineage.record", ["organization_id": .string(acme), "event": .object(report)])
    #expect(run["id"]?.stringValue != unused.id.text)
    try book.checkIndexes()
  }

  @Test func `a report of more pairs than can be recorded is refused before anything is`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func datasets(_ count: Int, _ name: String) -> JSON {
      .array((0..<count).map { ["namespace": "n", "name": .string("\(name)\($0)")] })
    }
    func report(_ inputs: JSON, _ outputs: JSON) -> JSONObject {
      let event: JSON = [
        "eventTime": "2026-11-01T00:00:00Z", "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": ["namespace": "n", "name": "j"], "inputs": inputs, "outputs": outputs,
      ]
      return ["organization_id": .string(acme), "event": event]
    }
    let many = try await book.refusal("openlineage.record", report(datasets(201, "in"), datasets(10, "out")))
    #expect(many.code == .tooLarge && many.data["limit"] == 2000)
    let named = try await book.refusal("openlineage.record", report(datasets(2001, "in"), []))
    #expect(named.paths == ["/event/inputs"])
    // One dataset named again and again is one.
    let same = JSON.array(Array(repeating: ["namespace": "n", "name": "d"], count: 200))
    let once = try await book.call("openlineage.record", report(same, datasets(5, "out")))
    #expect(once.eventNames.filter { $0 == "lineage_edge.created" }.count == 5)
  }

  @Test func `what stands under a derived id in an old log and is another's is passed over`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let evil = try await book.organization("evil")
    for namespace in [acme, nil] {
      let id = try formerIdentifier("daybook:system", in: namespace)
      let schema = book.catalog.revision
      _ = try await book.log.commit { transaction in
        var draft = EventDraft(
          event: "pipeline.created", type: "pipeline", resource: id, actor: "local:0", schema: schema,
          at: transaction.now)
        draft.organization = Identifier(evil)
        draft.set = ["name": "squatter"]
        try transaction.append(draft)
      }
      var params: JSONObject = ["message": "secret"]
      if let namespace { params["organization_id"] = .string(namespace) }
      let made = try await book.call("system.log", params)
      let own = try #require(made["id"]?.stringValue)
      #expect(own != id.text && made["version"] == 1)
      let record = try #require(try book.records(of: own).last)
      #expect(record.header.organization?.text == namespace)
      #expect(try await book.call("system.log", params)["version"] == 2)
    }
  }

  @Test func `lines of an old log go on where they were`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try formerIdentifier("daybook:system", in: acme)
    let schema = book.catalog.revision
    _ = try await book.log.commit { transaction in
      var draft = EventDraft(
        event: "system.logged", type: "system", resource: id, actor: "local:0", schema: schema, at: transaction.now)
      draft.organization = Identifier(acme)
      try transaction.append(draft)
    }
    let made = try await book.call("system.log", ["organization_id": .string(acme), "message": "m"])
    #expect(made["id"]?.stringValue == id.text && made["version"] == 2)
  }

  @Test func `one line may be given by itself, correlated as the command is`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let result = try await book.call(
      "system.log",
      [
        "organization_id": .string(acme), "level": "CRITICAL", "message": "m", "duration_ms": 12,
        "extra_data": ["k": [1, 2]], "correlation_id": "req-1",
      ])
    let id = try #require(result["id"]?.stringValue)
    let record = try #require(try book.records(of: id).last)
    let opened = try book.view.data(record.body.data, resource: record.header.resource)
    let line = try #require(opened["lines"]?.arrayValue?.first)
    #expect(line["correlation_id"] == "req-1" && line["level"] == "CRITICAL" && line["duration_ms"] == 12)
    #expect(line["extra_data"] == ["k": [1, 2]] && record.body.correlation == "req-1")
  }

  @Test func `lines of the service as a whole are for administrators`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let second = try await book.organization("second")
    let ann = try await book.member("ann", of: acme)
    try await book.make("membership", ["user_id": .string(ann.id), "organization_id": .string(second)])
    let both = try book.principal(ann.id)
    #expect(try await book.refusal("system.log", ["message": "m"], as: both).code == .forbidden)
    let result = try await book.call("system.log", ["message": "m"])
    let state = try book.state(try #require(result["id"]?.stringValue))
    #expect(state.organization == nil)
  }

  @Test(
    arguments: [
      (["message": nil], "/message"), (["message": "m", "level": "LOUD"], "/level"),
      (["message": "m", "request_ip": "host"], "/request_ip"), (["lines": []], "/lines"),
      (["message": "m", "lines": [["message": "m"]]], "/message"), (["lines": [["level": "INFO"]]], "/lines/0/message"),
    ] as [(JSONObject, String)])
  func `what is no line is refused, and the place named`(_ params: JSONObject, _ path: String) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let given = params.merging(["organization_id": .string(acme)])
    #expect(try await book.refusal("system.log", given).paths == [path])
  }

  @Test(arguments: [
    ("logger_name", 255), ("module", 255), ("function_name", 255), ("request_id", 100), ("request_method", 10),
    ("request_path", 500), ("exception_type", 255), ("correlation_id", 100),
  ])
  func `each text of a line has its documented length`(_ name: String, _ length: Int) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func params(_ count: Int) -> JSONObject {
      [
        "organization_id": .string(acme), "message": "m",
        name == "correlation_id" ? "correlation_id" : name: .string(String(repeating: "é", count: count)),
      ]
    }
    try await book.call("system.log", params(length))
    #expect(try await book.refusal("system.log", params(length + 1)).paths == ["/\(name)"])
  }
}
