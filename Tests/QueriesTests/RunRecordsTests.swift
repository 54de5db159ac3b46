import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Queries
import Refusals
import Testing

@Suite struct RunRecordsTests {
  private func started(_ library: TestQueries, _ organization: String) async throws -> JSON {
    try #require(
      try await library.call("run.start", ["organization_id": .string(organization), "code": "1"])["id"])
  }

  @Test func `lines come in the order of their times, page by page, with those of tasks`() async throws {
    try await TestQueries.with { library in
      let run = try await started(library, try await library.organization("acme"))
      let task = try #require(try await library.call("task_run.start", ["run_id": run, "name": "load"])["id"])
      let lines: [JSON] = (0..<25).map { index in
        [
          "at": .string("2026-01-01T00:00:\(index < 10 ? "0" : "")\(index)Z"), "message": .string("line \(index)"),
          "level": index % 5 == 0 ? "ERROR" : "INFO", "node_id": .string("n\(index % 2)"),
          "metadata": ["index": .integer(Int64(index))],
        ]
      }
      // Later lines are told first; lines of one time keep the order in which they were told.
      try await library.call("run.log", ["id": run, "lines": .array(Array(lines[10...]))])
      try await library.call("task_run.log", ["id": task, "lines": .array(Array(lines[..<10]))])
      try await library.call(
        "run.log", ["id": run, "lines": [["message": "untimed 1"], ["message": "untimed 2", "level": "DEBUG"]]])
      func messages(_ params: JSONObject, of id: JSON, _ method: String = "run.logs") async throws -> [String] {
        try await library.ask(method, params.merging(["id": id])).items.map { $0.text("message") }
      }
      let expected = (0..<25).map { "line \($0)" } + ["untimed 1", "untimed 2"]
      #expect(try await messages([:], of: run) == expected)
      #expect(try await messages(["order": "-at"], of: run) == expected.reversed())
      #expect(try await messages(["level": "ERROR"], of: run) == [0, 5, 10, 15, 20].map { "line \($0)" })
      #expect(try await messages(["node_id": "n1", "until": "2026-01-01T00:00:04Z"], of: run) == ["line 1", "line 3"])
      #expect(
        try await messages(["since": "2026-01-01T00:00:22Z", "until": "2026-01-01T00:00:24Z"], of: run) == [
          "line 22", "line 23",
        ])
      #expect(try await messages([:], of: task, "task_run.logs") == (0..<10).map { "line \($0)" })
      for order in ["at", "-at"] {
        var paged: [String] = []
        var params: JSONObject = ["id": run, "limit": 4, "order": .string(order)]
        while true {
          let page = try await library.ask("run.logs", params)
          paged += page.items.map { $0.text("message") }
          #expect(page.items.count <= 4)
          #expect(page.integer("position") == Int64(library.log.head.position))
          guard let cursor = page["next_cursor"]?.stringValue else { break }
          params["cursor"] = .string(cursor)
        }
        #expect(paged == (order == "at" ? expected : expected.reversed()))
      }
      let first = try #require(try await library.ask("run.logs", ["id": run, "limit": 1]).items.first)
      #expect(first["at"] == "2026-01-01T00:00:00.000000Z" && first["level"] == "ERROR" && first["node_id"] == "n0")
      #expect(first["metadata"] == ["index": 0] && first["run_id"] == run && first["task_run_id"] == task)
    }
  }

  @Test func `measurements come with all they hold`() async throws {
    try await TestQueries.with { library in
      let run = try await started(library, try await library.organization("acme"))
      let task = try #require(try await library.call("task_run.start", ["run_id": run])["id"])
      let measured: JSONObject = [
        "node_id": "n1", "at": "2026-01-01T00:00:00.000000Z", "rows_input": 5, "rows_output": 4, "rows_filtered": 1,
        "rows_error": 2, "data_size_bytes": 9_007_199_254_740_993, "duration_seconds": 0.25, "memory_peak_mb": 1.5,
        "cpu_percent": 99.5, "metadata": ["k": [1]],
      ]
      try await library.call("run.measure", measured.merging(["id": run]))
      try await library.call("task_run.measure", ["id": task, "node_id": "n2", "at": "2026-01-02T00:00:00Z"])
      let items = try await library.ask("run.metrics", ["id": run]).items
      #expect(items.map { $0.text("node_id") } == ["n1", "n2"])
      for (name, value) in measured { #expect(items.first?[name] == value, "\(name)") }
      #expect(items.last?["task_run_id"] == task && items.last?["rows_input"] == 0)
      #expect(try await library.ask("task_run.metrics", ["id": task]).items.map { $0.text("node_id") } == ["n2"])
      #expect(
        try await library.ask("run.metrics", ["id": run, "until": "2026-01-02T00:00:00Z"]).items.count == 1)
      #expect(try await library.ask("run.metrics", ["id": run, "node_id": "n2", "order": "-at"]).items.count == 1)
    }
  }

  @Test func `a preview is shown until it expires`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.models.domain.organization("acme", platform: "etl_builder")
      let run = try #require(
        try await library.call(
          "run.start", ["organization_id": .string(acme), "code": "1", "trigger_type": "manual"])["id"])
      let sample: JSON = [["name": "Ada", "n": 1]]
      try await library.call(
        "run.preview",
        [
          "id": run, "node_id": "n1", "sample_data": sample, "schema_info": ["name": "text"], "row_count": 10,
          "column_count": 2,
        ])
      let end = try #require(Timestamp("2090-01-01T00:00:00Z"))
      try await library.call(
        "run.preview",
        ["id": run, "node_id": "n2", "sample_data": [], "schema_info": [:], "expires_at": .string(end.text)])
      let items = try await library.ask("run.previews", ["id": run]).items
      #expect(items.map { $0.text("node_id") } == ["n1", "n2"])
      #expect(items.first?["sample_data"] == sample && items.first?["schema_info"] == ["name": "text"])
      #expect(items.first?["row_count"] == 10 && items.first?["column_count"] == 2)
      #expect(try await library.ask("run.previews", ["id": run, "node_id": "n2"]).items.count == 1)
      let expiry = try #require(items.first?["expires_at"]?.stringValue.flatMap { Timestamp($0) })
      let created = try #require(items.first?["created_at"]?.stringValue.flatMap { Timestamp($0) })
      #expect(expiry == created.adding(seconds: 86_400))
      func nodes(at time: Timestamp) async throws -> [String] {
        library.clock.withLockedValue { $0 = time }
        return try await library.ask("run.previews", ["id": run]).items.map { $0.text("node_id") }
      }
      #expect(try await nodes(at: Timestamp(microseconds: expiry.microseconds - 1)) == ["n1", "n2"])
      #expect(try await nodes(at: expiry) == ["n2"])
      #expect(try await nodes(at: end) == [])
      let history = try await library.ask("run.history", ["id": run])
      #expect(!history.canonicalString.contains("Ada"), "no other query shows what was previewed")
      let page = try await library.ask("run.get", ["id": run])
      #expect(!page.canonicalString.contains("Ada"))
    }
  }

  @Test func `what a run told is for those who may read the run`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      let run = try await started(library, acme)
      try await library.call("run.log", ["id": run, "lines": [["message": "secret"]]])
      let member = try await library.member("ann@example.org", of: acme)
      let stranger = try await library.member("bob@example.org", of: other)
      #expect(try await library.ask("run.logs", ["id": run], as: member).items.count == 1)
      for method in ["run.logs", "run.metrics", "run.previews"] {
        #expect(library.queries.isQuery(method))
        #expect(try await library.refusal(method, ["id": run], as: stranger).code == .notFound)
        #expect(try await library.refusal(method, ["id": .string(acme)]).code == .notFound)
        let wrong = try await library.refusal(method, ["limit": 0, "cursor": 1, "order": "size", "x": 1])
        let paths = wrong.data["problems"]?.arrayValue?.map { $0.text("path") } ?? []
        #expect(Set(paths) == ["/id", "/limit", "/cursor", "/order", "/x"])
        #expect(try await library.refusal(method, ["id": run, "cursor": "nonsense"]).code == .invalidParams)
      }
      let level = try await library.refusal("run.logs", ["id": run, "level": "LOUD", "since": "now", "limit": 10_001])
      #expect(
        Set(level.data["problems"]?.arrayValue?.map { $0.text("path") } ?? []) == ["/level", "/since", "/limit"])
      let task = try #require(try await library.call("task_run.start", ["run_id": run])["id"])
      #expect(try await library.refusal("task_run.logs", ["id": task], as: stranger).code == .notFound)
      #expect(try await library.refusal("run.logs", ["id": task]).code == .notFound)
      #expect(!library.queries.isQuery("task_run.previews") && !library.queries.isQuery("pipeline.logs"))
      try await library.call("run.delete", ["id": run])
      #expect(try await library.refusal("run.logs", ["id": run]).code == .gone)
    }
  }

  @Test func `every platform's word for a state finds it in lists`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let pending = JSON.string(try await library.make("run", ["organization_id": .string(acme), "code": "1"]))
      let done = try await started(library, acme)
      try await library.call("run.finish", ["id": done, "status": "completed"])
      func runs(_ condition: JSON) async throws -> [String] {
        try await library.list("run", ["where": ["status": condition]])
      }
      #expect(try await runs("completed") == [done.stringValue])
      #expect(try await runs("success") == [done.stringValue])
      #expect(try await runs("queued") == [pending.stringValue])
      #expect(try await runs(["in": ["queued", "completed"]]).count == 2)
      #expect(try await runs(["ne": "completed"]) == [pending.stringValue])
      let unknown = try await library.refusal("run.list", ["where": ["status": "sleeping"]])
      #expect(unknown.data["problems"]?.arrayValue?.first?.text("path") == "/where/status")
      for type in ["task_run", "calculation", "file_job"] {
        #expect(try await library.list(type, ["where": ["status": "completed"]]) == [], "\(type)")
      }
    }
  }
}
