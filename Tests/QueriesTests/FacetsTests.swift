import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Refusals
import TestBasics
import Testing

@Suite struct FacetsTests {
  private static func event(_ number: Int, _ type: String = "FAIL", run: Int = 1) -> JSONObject {
    [
      "eventType": .string(type), "eventTime": .string("2026-01-01T00:00:0\(number)Z"), "producer": "test",
      "run": [
        "runId": .string("0192dddd-0000-4000-8000-00000000000\(run)"),
        "facets": [
          "errorMessage": ["message": "boom", "stackTrace": .string("line \(number)")], "own": ["answer": 42],
        ],
      ],
      "job": ["namespace": "ns", "name": "j", "facets": ["tags": ["tags": [["key": "team", "source": "CONFIG"]]]]],
      "inputs": [["namespace": "db", "name": "in"]],
      "outputs": [
        [
          "namespace": "db", "name": "out", "facets": ["version": ["datasetVersion": .string("v\(number)")]],
          "outputFacets": ["subset": ["rows": 3]],
        ]
      ],
    ]
  }

  private func record(_ event: JSONObject, _ organization: String, _ library: TestQueries) async throws -> String {
    let params: JSONObject = ["organization_id": .string(organization), "event": .object(event)]
    return try #require(try await library.call("openlineage.record", params)["id"]?.stringValue)
  }

  private func id(_ type: String, _ name: String, _ library: TestQueries) async throws -> JSON {
    .string(try #require(try await library.list(type, ["where": ["name": .string(name)]]).first))
  }

  @Test func `facets that became a sealed field are shown with the mask in place of its secrets`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      var event = Self.event(1)
      event["run"] = [
        "runId": "0192bbbb-0000-4000-8000-000000000009",
        "facets": [
          "executionParameters": [
            "parameters": [["key": "db_password", "value": "hunter2"], ["key": "country", "value": "NL"]]
          ],
          "airflow": ["dagRun": ["conf": ["api_token": "t0ken", "day": "monday"]]],
        ],
      ]
      let run = try await record(event, acme, library)
      let page = try await library.ask("run.facets", ["id": .string(run)])
      let text = JSON.array(page.items).canonicalString
      #expect(!text.contains("hunter2") && !text.contains("t0ken"), "\(text)")
      #expect(text.contains("country") && text.contains("NL") && text.contains("monday"), "\(text)")
    }
  }

  @Test func `what reports said that became no field is read back of the run, its job and its datasets`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let run = try await record(Self.event(1), acme, library)
      _ = try await record(Self.event(2), acme, library)
      let page = try await library.ask("run.facets", ["id": .string(run)])
      #expect(page.items.count == 2 && page["next_cursor"]?.isNull == true)
      let newest = try #require(page.items.first)
      #expect(newest["event_time"] == "2026-01-01T00:00:02.000000Z" && newest["event_type"] == "FAIL")
      let facets = newest["facets"]?["run"]?["facets"]
      #expect(facets?["errorMessage"]?["stackTrace"] == "line 2" && facets?["own"] == ["answer": 42])
      let job = try await library.ask("pipeline.facets", ["id": try await id("pipeline", "j", library)])
      #expect(job.items.count == 2 && job.items.first?["run_id"] == .string(run))
      #expect(
        job.items.first?["facets"]?["facets"]?["tags"]?["tags"] == [["key": "team", "source": "CONFIG"]])
      let dataset = try await library.ask("dataset.facets", ["id": try await id("dataset", "out", library)])
      let output = dataset.items.first?["facets"]?["output"]
      #expect(output?["facets"]?["version"] == ["datasetVersion": "v2"])
      #expect(output?["outputFacets"]?["subset"] == ["rows": 3])
      // Of the other dataset the reports said nothing besides.
      #expect(try await library.ask("dataset.facets", ["id": try await id("dataset", "in", library)]).items == [])
    }
  }

  @Test func `facets are read page by page, over all runs and each report once`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      for (number, run) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3), (6, 3)] {
        _ = try await record(Self.event(number, "RUNNING", run: run), acme, library)
      }
      _ = try await record(
        [
          "eventTime": "2026-01-01T00:00:07Z",
          "dataset": ["namespace": "db", "name": "out", "facets": ["version": ["datasetVersion": "v7"]]],
        ], acme, library)
      let id = try await id("dataset", "out", library)
      for limit in 1...8 {
        var versions: [String] = []
        var cursor: JSON?
        repeat {
          var params: JSONObject = ["id": id, "limit": .integer(Int64(limit))]
          if let cursor { params["cursor"] = cursor }
          let page = try await library.ask("dataset.facets", params)
          #expect(page.items.count <= limit)
          for item in page.items {
            let own = item["facets"]?["output"] ?? item["facets"]?["dataset"]
            versions.append(own?["facets"]?["version"]?.text("datasetVersion") ?? "?")
          }
          cursor = page["next_cursor"].flatMap { $0.isNull ? .none : $0 }
        } while cursor != nil
        #expect(versions == ["v7", "v6", "v5", "v4", "v3", "v2", "v1"], "limit \(limit)")
      }
    }
  }

  @Test func `facets are for those who may write, and of their own organization`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let run: JSONObject = ["id": .string(try await record(Self.event(1), acme, library))]
      let developer = try await library.member("d@example.org", of: acme, role: "developer")
      #expect(try await library.ask("run.facets", run, as: developer).items.count == 1)
      let viewer = try await library.member("v@example.org", of: acme)
      let refusal = try await library.refusal("run.facets", run, as: viewer)
      #expect(refusal.code == .forbidden && refusal.data["permission"] == "runs:write")
      let stranger = try await library.member(
        "s@example.org", of: try await library.organization("other"), role: "developer")
      #expect(try await library.refusal("run.facets", run, as: stranger).code == .notFound)
      try await library.call("run.delete", run)
      #expect(try await library.refusal("run.facets", run).code == .gone)
    }
  }
}
