import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import TestBasics
import Testing

@Suite struct LineageTests {
  /// A dataset of that name.
  private func dataset(_ name: String, _ organization: String, _ library: TestQueries) async throws -> String {
    try await library.make(
      "dataset", ["organization_id": .string(organization), "namespace": "db", "name": .string(name)])
  }

  private func link(
    _ source: String, _ target: String, _ organization: String, _ library: TestQueries, columns: JSON = nil
  ) async throws -> String {
    var params: JSONObject = [
      "organization_id": .string(organization), "source_id": .string(source), "target_id": .string(target),
    ]
    if !columns.isNull { params["columns"] = columns }
    return try #require(try await library.call("lineage_edge.link", params)["id"]?.stringValue)
  }

  @Test func `lineage is walked up and down to the depth asked for, through cycles`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      var ids: [String] = []
      for name in ["a", "b", "c", "d"] { ids.append(try await dataset(name, organization, library)) }
      let columns: JSON = [["source": "x", "target": "y", "transformations": [["type": "DIRECT"]]]]
      _ = try await link(ids[0], ids[1], organization, library, columns: columns)
      _ = try await link(ids[1], ids[2], organization, library)
      _ = try await link(ids[2], ids[3], organization, library)
      _ = try await link(ids[3], ids[1], organization, library)
      func names(_ params: JSONObject) async throws -> Set<String> {
        Set((try await library.ask("lineage.graph", params)["nodes"]?.arrayValue ?? []).map { $0.text("name") })
      }
      #expect(try await names(["id": .string(ids[1]), "direction": "up", "depth": 1]) == ["a", "b", "d"])
      #expect(try await names(["id": .string(ids[0]), "direction": "up"]) == ["a"])
      #expect(try await names(["id": .string(ids[0]), "direction": "down", "depth": 50]) == ["a", "b", "c", "d"])
      let graph = try await library.ask("lineage.graph", ["id": .string(ids[1])])
      #expect(graph["edges"]?.arrayValue?.count == 4)
      #expect(graph["truncated"] == false)
      let edge = try #require(graph["edges"]?.arrayValue?.first { $0.text("source_id") == ids[0] })
      #expect(edge["columns"] == columns)
      #expect(edge.text("relationship_type") == "direct")
      let cut = try await library.ask("lineage.graph", ["id": .string(ids[0]), "direction": "down", "depth": 1])
      #expect(cut["truncated"] == true)
      #expect(cut["edges"]?.arrayValue?.count == 1)
      let few = try await library.ask("lineage.graph", ["id": .string(ids[1]), "limit": 2])
      #expect(few["truncated"] == true)
      #expect(few["edges"]?.arrayValue?.count == 2)
      #expect(
        try await library.refusal("lineage.graph", ["id": .string(ids[0]), "depth": 51]).code == .invalidParams)
    }
  }

  @Test func `lineage forgets an unlinked edge, but not in the past`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let source = try await dataset("source", organization, library)
      let target = try await dataset("target", organization, library)
      let edge = try await link(source, target, organization, library)
      let then = library.log.head.position
      try await library.call("lineage_edge.unlink", ["id": .string(edge)])
      let now = try await library.ask("lineage.graph", ["id": .string(source)])
      #expect(now["edges"] == [])
      let past = try await library.ask("lineage.graph", ["id": .string(source), "as_of": .integer(Int64(then))])
      #expect(past["edges"]?.arrayValue?.map { $0.text("id") } == [edge])
      #expect((past["nodes"]?.arrayValue ?? []).map { $0.text("name") } == ["source", "target"])
      let outsider = try await library.member("eve@example.org", of: try await library.organization("other"))
      #expect(try await library.refusal("lineage.graph", ["id": .string(source)], as: outsider).code == .notFound)
    }
  }

  @Test func `a walk shows a key no nodes and edges that it may not get`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let source = try await dataset("source", acme, library)
      let target = try await dataset("target", acme, library)
      let task = Identifier.version7(at: .now)
      var draft = EventDraft(event: "task_run.created", type: "task_run", resource: task, actor: "local:0")
      draft.organization = Identifier(acme)
      draft.set = ["number": 1, "organization_id": .string(acme), "status": "running"]
      let recorded = draft
      _ = try await library.log.commit { try $0.append(recorded) }
      _ = try await link(source, task.text, acme, library)
      _ = try await link(source, target, acme, library)
      func key(_ permissions: JSON) async throws -> Principal {
        let made = try await library.call(
          "api_key.create", ["name": "k", "organization_id": .string(acme), "permissions": permissions])
        guard let secret = made["api_key"]?.stringValue,
          let principal = try library.engine.principal(forKey: secret)
        else { throw HarnessError("the key can't sign in") }
        return principal
      }
      let some = try await key(["datasets": ["read"], "lineage_edges": ["read"]])
      let all = try await key(["*": ["read"]])
      for asOf in [nil, Int64(library.log.head.position)] {
        var params: JSONObject = ["id": .string(source)]
        if let asOf { params["as_of"] = .integer(asOf) }
        func nodes(_ principal: Principal) async throws -> Set<String> {
          let graph = try await library.ask("lineage.graph", params, as: principal)
          return Set((graph["nodes"]?.arrayValue ?? []).map { $0.text("id") })
        }
        #expect(try await nodes(all) == [source, target, task.text])
        #expect(try await nodes(some) == [source, target])
      }
      #expect(try await library.refusal("task_run.get", ["id": .string(task.text)], as: some).code == .forbidden)
    }
  }
}
