import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Failpoints
import Records
import Refusals
import TestBasics
import Testing

/// Values that were written in the clear are taken out of the log again, the proof intact.
@Suite struct RedactionTests {
  private let mark: JSON = ["redacted": true]

  /// An organization with an officer, and a pipeline of three versions whose texts name a person.
  private func world() async throws -> (book: TestDomain, organization: String, officer: Principal, pipeline: String) {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await book.member("officer", of: acme, platformRole: "officer").principal
    let pipeline = try await book.make(
      "pipeline",
      [
        "organization_id": .string(acme), "name": "load", "description": "of Ann", "tags": ["ann", "daily"],
        "steps": [
          ["name": "s", "order_index": 0, "step_type": "extract", "config": ["owner": "Ann", "table": "orders"]]
        ],
      ])
    try await book.call(
      "pipeline.edit", ["id": .string(pipeline), "description": "of Ann and Bob", "metadata": ["k": 1]])
    try await book.call("pipeline.edit", ["id": .string(pipeline), "description": "the orders"])
    return (book, acme, officer, pipeline)
  }

  private func bodies(_ book: TestDomain) throws -> String {
    try book.log.read { try $0.records(from: 1, limit: 10_000, maximumBytes: 1 << 30) }
      .map { String(decoding: $0.body, as: UTF8.self) }.joined(separator: "\n")
  }

  @Test func `a field and a value inside one go from the present and every past version, and nothing else does`()
    async throws
  {
    let (book, _, officer, pipeline) = try await world()
    let id = try #require(Identifier(pipeline))
    let before = try book.state(pipeline)
    let (size, root) = (book.log.head.position, book.log.head.root)
    let params: JSONObject = [
      "resource_id": .string(pipeline), "pointers": ["/description", "/steps/*/config/owner", "/tags/0"],
      "reason": "Art. 17(1)(d)",
    ]
    let plan = try await book.call("redaction.create", params.merging(["dry_run": true]), as: officer)
    #expect(plan["plan"]?["events"] == 3 && book.log.head.position == size)
    let counts = (plan["plan"]?["values"]?.arrayValue ?? []).compactMap { $0["count"]?.integerValue }
    #expect(counts == [5, 1, 1], "description: set three times, was twice")
    let answer = try await book.call("redaction.create", params, as: officer)
    #expect(answer["redacted"] == plan["plan"])
    #expect(answer.eventNames == ["redaction.created"])

    let state = try book.state(pipeline)
    #expect(state.version == before.version && state.position == before.position && state.updatedAt == before.updatedAt)
    #expect(state.fields["description"] == mark && state.fields["tags"] == [mark, "daily"])
    let step = state.fields["steps"]?.arrayValue?.first
    #expect(step?["config"] == ["owner": mark, "table": "orders"] && step?["name"] == "s")
    let rest = ["description", "steps", "tags"]
    #expect(state.fields.filter { !rest.contains($0.key) } == before.fields.filter { !rest.contains($0.key) })
    #expect(try !bodies(book).contains("Ann"))
    let history = try book.log.read { try $0.history(of: id, versions: 1...3) }
    #expect(try history.map { try $0.parsedBody().set["description"] } == [mark, mark, mark])
    #expect(try history[1].parsedBody().set["metadata"] == ["k": 1], "other values of the same event stay")
    #expect(try history[1].parsedBody().was["description"] == mark)
    #expect(try book.log.read { try $0.root(size: size) } == root)
    try book.checkIndexes()

    // It is complete, recorded once, and a second time finds nothing.
    let record = try book.state(try #require(answer["id"]?.stringValue))
    #expect(record.fields["status"] == "complete" && record.fields["dropped_count"] == 3)
    let again = try await book.call("redaction.create", params, as: officer)
    #expect(again["redacted"]?["events"] == 0 && again.eventNames == [])
    // The resource lives on: it is edited, and rolled back to what is left of a version.
    try await book.call("pipeline.edit", ["id": .string(pipeline), "description": "anew"])
    #expect(try book.state(pipeline).fields["description"] == "anew")
    try await book.call("pipeline.rollback", ["id": .string(pipeline), "to_version": 1])
    #expect(try book.state(pipeline).fields["description"] == mark)
    try book.checkIndexes()
    book.close()
    let report = try book.files.verify()
    #expect(report.problems.allSatisfy { $0.part == .head } && report.dropCount == 3, "\(report.problems)")
  }

  @Test func `with past_only what is there now stays, and what finds a living resource can only go so`() async throws {
    let (book, _, officer, pipeline) = try await world()
    let target: JSONObject = ["resource_id": .string(pipeline), "reason": "r"]
    let refused = try await book.refusal(
      "redaction.create", target.merging(["pointers": ["/name"]]), as: officer)
    #expect(refused.code == .conflict)
    try await book.call("pipeline.edit", ["id": .string(pipeline), "name": "orders"])
    try await book.call(
      "redaction.create", target.merging(["pointers": ["/name", "/description"], "past_only": true]), as: officer)
    let state = try book.state(pipeline)
    #expect(state.fields["name"] == "orders" && state.fields["description"] == "the orders")
    let id = try #require(Identifier(pipeline))
    let sets = try book.log.read { try $0.history(of: id, versions: 1...4) }.map { try $0.parsedBody().set }
    #expect(sets.map { $0["name"] } == [mark, nil, nil, "orders"])
    #expect(sets.map { $0["description"] } == [mark, mark, "the orders", nil])
    try book.checkIndexes()
    // Of a deleted one anything goes.
    try await book.call("pipeline.delete", ["id": .string(pipeline)])
    try await book.call("redaction.create", target.merging(["pointers": ["/name"]]), as: officer)
    #expect(try book.state(pipeline).fields["name"] == mark)
    try book.checkIndexes()
  }

  @Test func `only officers decide, in person, about what they see, and a hold forbids it`() async throws {
    let (book, acme, officer, pipeline) = try await world()
    let other = try await book.organization("other")
    let stranger = try await book.member("stranger", of: other, platformRole: "officer").principal
    let owner = try await book.member("owner", of: acme, role: "owner").principal
    let params: JSONObject = ["resource_id": .string(pipeline), "pointers": ["/description"], "reason": "r"]
    for principal in [TestDomain.administrator, owner] {
      #expect(try await book.refusal("redaction.create", params, as: principal).code == .forbidden)
    }
    #expect(try await book.refusal("redaction.create", params, as: stranger).code == .notFound)
    var without = params
    without.removeValue(forKey: "reason")
    #expect(try await book.refusal("redaction.create", without, as: officer).code == .invalidParams)
    for pointer in ["", "description", "/nothing", "/*", "/status", "/owner_id", "/~2"] {
      let wrong = try await book.refusal(
        "redaction.create", params.merging(["pointers": [.string(pointer)]]), as: officer)
      #expect(wrong.code == .invalidParams, "\(pointer)")
    }
    #expect(
      try await book.refusal("redaction.create", params.merging(["pointers": []]), as: officer).code == .invalidParams)
    let hold = try await book.make(
      by: "legal_hold.place", ["held_id": .string(pipeline), "name": "case", "reason": "a court asked"], as: officer)
    #expect(try await book.refusal("redaction.create", params, as: officer).code == .held)
    try await book.call("legal_hold.release", ["id": .string(hold), "reason": "over"], as: officer)
    try await book.call("redaction.create", params, as: officer)
    // What a person's key seals is erased with the person.
    let ann = try await book.member("ann", of: acme)
    let sealed = try await book.refusal(
      "redaction.create", ["resource_id": .string(ann.id), "pointers": ["/full_name"], "reason": "r"], as: officer)
    #expect(sealed.code == .invalidParams && "\(sealed.data)".contains("erase"))
  }

  @Test func `an officer who is a guest redacts nothing there, nor do officers there a guest's account`() async throws {
    let (book, acme, officer, _) = try await world()
    let home = try await book.organization("home")
    let visitor = try await book.member("visitor", of: home, platformRole: "officer")
    let workspace = try await book.make("workspace", ["name": "w", "organization_id": .string(acme)])
    let link = try await book.call("share_link.create", ["workspace_id": .string(workspace)])
    _ = try await book.call("workspace.join", ["token": try #require(link["token"])], as: visitor.principal)
    let page = try await book.make(
      "pipeline",
      ["name": "p", "organization_id": .string(acme), "kind": "page", "workspace_id": .string(workspace)])
    func code(_ id: String, _ principal: Principal) async throws -> Refusal.Code? {
      try await book.refusal(
        "redaction.create", ["resource_id": .string(id), "pointers": ["/description"], "reason": "r"], as: principal
      ).code
    }
    let guest = try book.principal(visitor.id)
    #expect(try await book.refusal("pipeline.edit", ["id": .string(page), "name": "q"], as: guest).code != .notFound)
    #expect(try await code(page, guest) == .notFound)
    #expect(try await code(visitor.id, officer) == .notFound)
  }

  @Test func `facts of events go, and a text of an alert that must be there`() async throws {
    let (book, acme, officer, pipeline) = try await world()
    try await book.call(
      "pipeline.name_version", ["id": .string(pipeline), "version_number": 1, "name": "before Ann left"])
    try await book.call(
      "redaction.create", ["resource_id": .string(pipeline), "facts": ["/name"], "reason": "r"], as: officer)
    #expect(try !bodies(book).contains("before Ann left"))
    #expect(try bodies(book).contains(#""name":{"redacted":true},"version_number":1"#))
    let alert = try await book.make(
      "alert", ["organization_id": .string(acme), "message": "Ann's run failed", "level": "error"])
    try await book.call(
      "redaction.create", ["resource_id": .string(alert), "pointers": ["/message"], "reason": "r"], as: officer)
    try await book.call("alert.acknowledge", ["id": .string(alert)])
    #expect(try book.state(alert).fields["message"] == mark)
    #expect(try !bodies(book).contains("Ann's run"))
    try book.checkIndexes()
  }

  @Test func `many bodies are named by several events of one transaction`() async throws {
    let (book, _, officer, pipeline) = try await world()
    for number in 0..<300 {
      try await book.call("pipeline.edit", ["id": .string(pipeline), "description": .string("Ann \(number)")])
    }
    let answer = try await book.call(
      "redaction.create", ["resource_id": .string(pipeline), "pointers": ["/description"], "reason": "r"], as: officer)
    #expect(answer.eventNames == ["redaction.created", "redaction.continued"])
    #expect(answer["redacted"]?["events"] == 303)
    #expect(try !bodies(book).contains("Ann 2"))
    try book.checkIndexes()
    book.close()
    let report = try book.files.verify()
    #expect(report.problems.allSatisfy { $0.part == .head } && report.dropCount == 303, "\(report.problems)")
  }

  @Test func `a redaction that was cut off is completed by the next call`() async throws {
    let (book, _, officer, pipeline) = try await world()
    let failpoints = Failpoints { point in
      if point == .redactionLogWritten { throw Failpoints.Failure(point: point) }
    }
    book.engine.redactReadModels(failpoints: failpoints) { types, _ in ["types": .array(types.map(JSON.string))] }
    let params: JSONObject = ["resource_id": .string(pipeline), "pointers": ["/description"], "reason": "r"]
    await #expect(throws: Refusal.self) { try await book.call("redaction.create", params, as: officer) }
    #expect(try !bodies(book).contains("of Ann"), "no answer shows it from then on")
    #expect(try book.log.read { try $0.pendingRedactions() }.count == 1)
    book.engine.redactReadModels { types, _ in ["types": .array(types.map(JSON.string))] }
    try await book.engine.finishRedactions()
    #expect(try book.log.read { try $0.pendingRedactions() }.isEmpty)
    let last = try #require(try book.log.read { try $0.record(at: $0.head.position) })
    #expect(try last.parsedHeader().event == "redaction.completed")
    #expect(try last.parsedBody().data["read_models"] == ["types": ["pipeline"]])
    try await book.engine.finishRedactions()
    try book.checkIndexes()
  }

  @Test func `an erasure takes out what stood in the clear before its field became personal`() async throws {
    let (book, acme, officer, _) = try await world()
    let ann = try await book.member("ann", of: acme)
    let id = try #require(Identifier(ann.id))
    // As a program from before recorded them.
    for theme in ["dark as Ann likes it", "light as Ann likes it"] {
      var draft = EventDraft(event: "user.edited", type: "user", resource: id, actor: "local:0")
      draft.set = ["preferences": ["theme": .string(theme)]]
      draft.was = ["preferences": try book.state(ann.id).fields["preferences"] ?? .null]
      try await book.append([draft])
    }
    let params: JSONObject = ["id": .string(ann.id), "reason": "Art. 17(1)(b)"]
    let plan = try await book.call("subject.erase", params.merging(["dry_run": true]), as: officer)["plan"]
    #expect(plan?["dropped"] == ["events": 2, "values": ["user.preferences": 3]], "\(plan?.canonicalString ?? "")")
    let answer = try await book.call("subject.erase", params, as: officer)
    #expect(answer["receipt"] == plan)
    #expect(try !bodies(book).contains("as Ann likes it"))
    #expect(try book.log.read { try $0.pendingRedactions() }.isEmpty)
    let history = try book.log.read { try $0.history(of: id, versions: 1...Int64.max) }
    #expect(history.compactMap(\.droppedBy).count == 2, "bodies whose values are sealed stay as they are")
    #expect(try book.item(ann.id)["email"] == ["erased": true])
    try book.checkIndexes()
    book.close()
    #expect(try book.files.verify().problems.allSatisfy { $0.part == .head })
    // Who has nothing in the clear is told of nothing.
    let other = try await world()
    let bob = try await other.book.member("bob", of: other.organization)
    let without = try await other.book.call(
      "subject.erase", ["id": .string(bob.id), "reason": "r", "dry_run": true], as: other.officer)
    #expect(without["plan"]?["dropped"] == nil)
  }
}
