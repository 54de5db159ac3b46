import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  /// Large things in one call: they come back whole, and as they were sent.
  @Suite struct SizeTests {
    @Test(.timeLimit(.minutes(1)))
    func `a batch of 10,000 log lines is taken in one call, and all of them come back in their order`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("lines")
      let run = try await client.call("run.start", ["organization_id": .string(organization), "code": "1"])
      let id = try #require(run["id"])
      let lines = (0..<10_000).map { index -> JSON in
        [
          "level": index % 100 == 99 ? "WARNING" : "INFO", "node_id": .string("node-\(index % 7)"),
          "message": .string("row \(index) was loaded into the orders table"),
          "metadata": ["row": .integer(Int64(index))],
        ]
      }
      let logged = try await client.call("run.log", ["id": id, "lines": .array(lines)])
      #expect(logged["events"]?.arrayValue?.count == 1)
      let page = try await client.call("run.logs", ["id": id, "limit": 10_000])
      let items = try #require(page["items"]?.arrayValue)
      #expect(items.count == 10_000 && page["next_cursor"]?.isNull == true)
      for (line, item) in zip(lines, items) {
        for name in ["level", "node_id", "message", "metadata"] where line[name] != item[name] {
          Issue.record("\(name) of \(line.canonicalString) came back in \(item.canonicalString)")
        }
      }
      // The same, page by page.
      let paged = try await client.all("run.logs", ["id": id], limit: 999)
      #expect(paged == items)
      let warnings = try await client.call("run.logs", ["id": id, "level": "WARNING", "limit": 1000])
      #expect(warnings["items"]?.arrayValue?.count == 100)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a pipeline of 1,000 nodes comes back whole from get, list and its history`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("nodes")
      let nodes = (0..<1000).map { index -> JSON in
        [
          "id": .string("node-\(index)"), "type": "transform", "position": ["x": .integer(Int64(index)), "y": 0],
          "config": ["expression": .string("column_\(index) * 2"), "enabled": true],
        ]
      }
      let edges = (1..<1000).map { index -> JSON in
        [
          "id": .string("edge-\(index)"), "source": .string("node-\(index - 1)"), "target": .string("node-\(index)"),
        ]
      }
      let id = try await client.created(
        "pipeline",
        [
          "organization_id": .string(organization), "name": "large", "kind": "dag", "nodes": .array(nodes),
          "edges": .array(edges),
        ])
      let item = try await client.item("pipeline", id)
      #expect(item["nodes"] == .array(nodes) && item["edges"] == .array(edges))
      let listed = try await client.call(
        "pipeline.list", ["where": ["organization_id": .string(organization)]])["items"]?.arrayValue
      #expect(
        listed?.count == 1 && listed?.first?["nodes"] == .array(nodes) && listed?.first?["edges"] == .array(edges))
      let circle: JSON = .array(edges + [["id": "back", "source": "node-999", "target": "node-0"]])
      let refused = try await client.refusal("pipeline.edit", ["id": .string(id), "edges": circle])
      #expect(refused.code == .invalidParams)
      let history = try await client.call("pipeline.history", ["id": .string(id)])
      #expect(history["items"]?.arrayValue?.first?["changes"]?["nodes"]?["to"] == .array(nodes))
    }
  }
}
