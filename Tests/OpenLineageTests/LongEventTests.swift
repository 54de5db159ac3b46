import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import OpenLineageTestKit
import Testing

/// An event as long as one may be is taken in, or refused, while other commands wait: no part of it may take a time
/// that grows with the square of its length. The limit is far above what each takes now, and far below what it took so.
@Suite(.timeLimit(.minutes(1))) struct LongEventTests {
  private static let run = "0192bbbb-0000-4000-8000-000000000002"

  private static func event(
    run facets: JSONObject = [:], job: JSONObject = [:], outputs: [JSON] = []
  ) -> JSONObject {
    OpenLineageReportTests.event(
      "COMPLETE", at: 1, run: run, facets: facets, job: ["namespace": "n", "name": "j", "facets": .object(job)],
      outputs: .array(outputs))
  }

  @Test func `a column's tags, all different`() throws {
    let target = try MemoryTarget(organization: nil)
    let tags = (0..<20_000).map { number -> JSON in ["key": .string("a\(number)"), "field": "c"] }
    let dataset: JSON = ["namespace": "db", "name": "t", "facets": ["tags": ["tags": .array(tags)]]]
    _ = try target.record(Self.event(run: ["tags": ["tags": .array(tags)]], outputs: [dataset]))
    #expect(target.all("dataset").count == 1)
  }

  @Test func `a run's parameters, the last of each name`() throws {
    let target = try MemoryTarget(organization: nil)
    let parameters = (0..<100_000).map { number -> JSON in
      ["key": .string("p\(number % 50_000)"), "value": .integer(Int64(number))]
    }
    _ = try target.record(Self.event(run: ["executionParameters": ["parameters": .array(parameters)]]))
    let params = try #require(target.all("run").first?.fields["params"]?.objectValue)
    #expect(params.count == 50_000 && params["p7"] == 50_007)
  }

  @Test func `one dataset that a lineage facet names again and again`() throws {
    let target = try MemoryTarget(organization: nil)
    let entries = (0..<20_000).map { number -> JSON in
      [
        "namespace": "db", "name": "t",
        "inputs": [["namespace": "db", "name": "s", "field": .string("f\(number)"), "type": "DATASET"]],
      ]
    }
    _ = try target.record(Self.event(job: ["lineage": ["entries": .array(entries)]]))
    #expect(target.all("dataset").count == 2)
  }

  @Test func `a lineage facet names no more datasets than a list of outputs`() throws {
    let target = try MemoryTarget(organization: nil)
    let entries = (0...2000).map { number -> JSON in ["namespace": "db", "name": .string("t\(number)"), "inputs": []] }
    let error = #expect(throws: OpenLineageEvent.Malformed.self) {
      _ = try target.record(Self.event(job: ["lineage": ["entries": .array(entries)]]))
    }
    #expect(error?.problems.map(\.problem) == ["names 2001 datasets in lineage facets, and may name at most 2000"])
    #expect(target.all("dataset").isEmpty)
  }
}
