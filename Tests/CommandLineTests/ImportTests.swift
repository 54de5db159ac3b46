import CanonicalJSON
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct ImportTests {
  private let run = """
    {"eventTime":"2026-01-01T00:00:00Z","eventType":"COMPLETE","run":{"runId":"0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b"},
    "job":{"namespace":"shop","name":"orders"},"inputs":[{"namespace":"db","name":"a"}],
    "outputs":[{"namespace":"db","name":"b"}],"producer":"https://example.org","schemaURL":"https://example.org"}
    """

  @Test(.needsSharedData)
  func `import takes every file completely, and a second time changes nothing`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let shared = try #require(Repository.sharedData)
        let files = [
          ("openlineage/compatibility_74_run_events.ndjson", 74), ("marquez/metadata_26_run_events.json", 26),
          ("marquez/event_large.json", 1), ("marquez/event_required_no_timezone.json", 1),
          ("marquez/event_unicode.json", 1), ("marquez/event_without_schema_url.json", 1),
        ]
        for (file, count) in files {
          let first = try await desk.daybook("import", "openlineage", "\(shared)/\(file)", "--json")
          #expect(first.status == .code(0), "\(file): \(first.errors)")
          #expect(try first.json()["read"]?.integerValue == Int64(count), "\(file)")
          #expect(try first.json()["failed"] == 0, "\(file)")
        }
        let head = try await desk.call("log.head")["position"]
        for (file, count) in files {
          let again = try await desk.daybook("import", "openlineage", "\(shared)/\(file)", "--json")
          #expect(try again.json()["unchanged"]?.integerValue == Int64(count), "\(file)")
        }
        #expect(try await desk.call("log.head")["position"] == head)
        let up = try await desk.daybook("lineage", "/tmp/cll_test/tbl1", "--direction", "up")
        #expect(up.status == .code(0), "\(up.errors)")
        #expect(up.output.contains("cll_source1"))
        #expect(up.output.contains("cll_source2"))
        #expect(up.output.contains("ident ← a (identity"))
        let down = try await desk.daybook("lineage", "/tmp/cll_test/cll_source1", "--direction", "down")
        #expect(down.output.contains("/tmp/cll_test/tbl1"))
        let graph = try await desk.daybook("lineage", "/tmp/cll_test/tbl1", "--direction", "up", "--json")
        #expect(try graph.json()["nodes"]?.arrayValue?.count == 3)
      }
    }
  }

  @Test func `import reports a bad line by its number and takes the others`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let line = run.split(separator: "\n").joined()
        let file = desk.folder + "/events.ndjson"
        try Data("\(line)\n\n{broken\n{\"eventTime\":\"x\"}\n\(line)\n".utf8).write(to: URL(fileURLWithPath: file))
        let outcome = try await desk.daybook("import", "openlineage", file, "--json")
        #expect(outcome.status == .code(1))
        #expect(outcome.errors.contains("\(file), line 3: "))
        #expect(outcome.errors.contains("\(file), line 4: "))
        let counts = try outcome.json()
        #expect(counts["read"] == 4)
        #expect(counts["recorded"] == 1)
        #expect(counts["unchanged"] == 1)
        #expect(counts["failed"] == 2)
        #expect(counts["runs"] == 1)
      }
    }
  }

  @Test func `jobs and datasets alone are counted as what they are, and go where the rules say`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])
        let mapped = try await desk.daybook("openlineage", "map", "sho", "--prefix", "--organization", "acme")
        #expect(mapped.status == .code(0), "\(mapped.errors)")
        let rules = try await desk.daybook("openlineage", "rules")
        #expect(rules.output.contains("prefix") && rules.output.contains("sho"), "\(rules.output)")
        let lines = [
          run.split(separator: "\n").joined(),
          #"{"eventTime":"2026-01-01T00:00:00Z","job":{"namespace":"shop","name":"other"}}"#,
          #"{"eventTime":"2026-01-01T00:00:00Z","dataset":{"namespace":"db","name":"b"}}"#,
        ]
        let outcome = try await desk.daybook(
          "import", "openlineage", "-", input: lines.joined(separator: "\n") + "\n")
        #expect(
          outcome.output
            == "3 events read: 3 recorded, 0 known already, 0 failed; 1 runs, 1 jobs alone, 1 datasets alone.\n",
          "\(outcome.errors)")
        // The dataset's own event goes by the rules for datasets, of which there are none.
        let several = try await desk.daybook("lineage", "b")
        #expect(several.status == .code(1))
        #expect(several.errors.contains("in acme") && several.errors.contains("in openlineage"), "\(several.errors)")
        let unmapped = try await desk.daybook("openlineage", "unmap", "sho", "--prefix")
        #expect(unmapped.status == .code(0), "\(unmapped.errors)")
      }
    }
  }

  @Test func `what failed is told with its try, its part, its log and its stack trace`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let facets =
          #"{"airflow":{"taskInstance":{"try_number":2,"rendered_map_index":"c.csv","log_url":"http://a/log"}},"#
          + #""errorMessage":{"message":"boom","stackTrace":"at load.py:7"}}"#
        let line =
          #"{"eventTime":"2026-01-01T00:00:00Z","eventType":"FAIL","job":{"namespace":"n","name":"load"},"#
          + #""run":{"runId":"0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4c","facets":\#(facets)}}"#
        let outcome = try await desk.daybook("import", "openlineage", "-", input: line + "\n")
        #expect(outcome.status == .code(0), "\(outcome.errors)")
        let failed = try await desk.daybook("failed", "--since", "2025-12-31")
        #expect(failed.output.contains("which: try 2, of c.csv, http://a/log"), "\(failed.output)\(failed.errors)")
        #expect(failed.output.contains("why: boom") && failed.output.contains("at load.py:7"), "\(failed.output)")
      }
    }
  }

  @Test func `import reads a document over many lines, an array and standard input`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let single = try await desk.daybook("import", "openlineage", "-", "--json", input: "{\n" + run.dropFirst())
        #expect(try single.json()["recorded"] == 1, "\(single.errors)")
        let array = try await desk.daybook("import", "openlineage", "-", "--json", input: "[\n\(run),\n\(run)\n]\n")
        #expect(try array.json()["unchanged"] == 2, "\(array.errors)")
        let cut = try await desk.daybook("import", "openlineage", "-", "--json", input: "[\n\(run),\n")
        #expect(cut.status == .code(1))
        #expect(cut.errors.contains("standard input") || cut.errors.contains("-, line"))
        let missing = try await desk.daybook("import", "openlineage", desk.folder + "/absent.json")
        #expect(missing.status == .code(64))
      }
    }
  }
}
