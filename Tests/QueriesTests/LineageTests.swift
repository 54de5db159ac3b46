import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Refusals
import Testing

@Suite struct LineageTests {
  /// A dataset of that name.
  private func dataset(_ name: String, _ organization: String, _ library: Library) async throws -> String {
    try await library.make(
      "dataset", ["organization_id": .string(organization), "namespace": "db", "name": .string(name)])
  }

  private func link(
    _ source: String, _ target: String, _ organization: String, _ library: Library, columns: JSON = nil
  ) async throws -> String {
    var params: JSONObject = [
      "organization_id": .string(organization), "source_id": .string(source), "target_id": .string(target),
    ]
    if !columns.isNull { params["columns"] = columns }
    return try #require(try await library.tell("lineage_edge.link", params)["id"]?.stringValue)
  }

  @Test func walksUpAndDownToTheDepthAskedForThroughCycles() async throws {
    try await Library.withLibrary { library in
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

  @Test func forgetsAnUnlinkedEdgeButNotInThePast() async throws {
    try await Library.withLibrary { library in
      let organization = try await library.organization("acme")
      let source = try await dataset("source", organization, library)
      let target = try await dataset("target", organization, library)
      let edge = try await link(source, target, organization, library)
      let then = library.log.head.position
      try await library.tell("lineage_edge.unlink", ["id": .string(edge)])
      let now = try await library.ask("lineage.graph", ["id": .string(source)])
      #expect(now["edges"] == [])
      let past = try await library.ask("lineage.graph", ["id": .string(source), "as_of": .integer(Int64(then))])
      #expect(past["edges"]?.arrayValue?.map { $0.text("id") } == [edge])
      #expect((past["nodes"]?.arrayValue ?? []).map { $0.text("name") } == ["source", "target"])
      let outsider = try await library.member("eve@example.org", of: try await library.organization("other"))
      #expect(try await library.refusal("lineage.graph", ["id": .string(source)], as: outsider).code == .notFound)
    }
  }
}
