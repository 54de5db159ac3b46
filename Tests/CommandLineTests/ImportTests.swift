import CanonicalJSON
import DaybookTestKit
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

  @Test func `lines that are no events are passed over and counted, packed files are unpacked, and lists have it`()
    async throws
  {
    try await withDesk { desk in
      try await desk.withServer {
        let line = run.split(separator: "\n").joined()
        let file = desk.folder + "/mixed.log"
        let mixed = "2026-01-01 INFO started\n\(line)\n{\"level\":\"info\",\"message\":\"done\"}\n42\n"
        try TestFiles.write(mixed.utf8, to: file)
        let packed = try await runProgram(["gzip", "-k", file], in: desk.directory)
        #expect(packed.status == .code(0), "\(packed.errors)")
        let first = try await desk.daybook("import", "openlineage", file + ".gz", "--wait", "--json")
        #expect(first.status == .code(0), "\(first.errors)")
        #expect(try first.json()["read"] == 1 && first.json()["passed_over"] == 3)
        // Right after --wait a list without any waiting of its own has it.
        #expect(try await desk.call("run.list", ["at_least": 0])["items"]?.arrayValue?.count == 1)
        let strict = try await desk.daybook("import", "openlineage", file, "--strict")
        #expect(strict.status == .code(1) && strict.output.contains("3 passed over"), "\(strict.output)")
        let whole = try TestFiles.bytes(file + ".gz")
        try TestFiles.write(whole.dropLast(8), to: desk.folder + "/cut.gz")
        let cut = try await desk.daybook("import", "openlineage", desk.folder + "/cut.gz")
        #expect(cut.status == .code(1) && cut.errors.contains("damaged or cut off"), "\(cut.errors)")
      }
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `a file is followed through rotation, restarts and a server that goes away, without loss or repetition`()
    async throws
  {
    try await withDesk { desk in
      let url = try await ThrowawayPostgres.database()
      let server = DaybookProcess(
        folder: desk.directory, listen: "none", arguments: ["--postgres", url, "--log-level", "error"])
      try await server.start()
      let file = desk.folder + "/lineage.ndjson"
      var written = 0
      func event() -> String {
        written += 1
        return run.split(separator: "\n").joined().replacing(
          "0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b", with: Self.id(written))
      }
      func append(_ text: String) throws {
        let handle = open(file, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        defer { close(handle) }
        let bytes = Array(text.utf8)
        try #require(write(handle, bytes, bytes.count) == bytes.count)
      }
      func follow() throws -> SpawnedProcess {
        let process = try SpawnedProcess(
          [try Programs.built("daybook"), "import", "openlineage", "--follow", file],
          outputFile: desk.folder + "/follow-output", errorFile: desk.folder + "/follow-errors",
          environment: ["DAYBOOK_DATA": desk.data])
        try desk.directory.note(process.pid)
        return process
      }
      func reached(_ what: String) async throws {
        _ = try await eventually("\(what): \(written) runs", within: .seconds(60), every: .milliseconds(200)) {
          let runs = try await desk.daybook("call", "run.list", "{\"limit\":1000,\"timeout_ms\":20000}")
          return try runs.json()["items"]?.arrayValue?.count == written ? true : nil
        }
      }
      try append("\(event())\n\(event())\n")
      var follower = try follow()
      try await reached("what is there")
      // A line that isn't whole yet waits for its end.
      let late = event()
      try append(String(late.prefix(40)))
      try await Task.sleep(for: .milliseconds(500))
      try append(String(late.dropFirst(40)) + "\n")
      try await reached("a line in two pieces")
      // Renamed and made anew, with a last line that has no end.
      try append("\(event())\n\(event())")
      try FileManager.default.moveItem(atPath: file, toPath: file + ".1")
      try append("\(event())\n")
      try await reached("rotated")
      // The server goes away and comes back.
      try await server.kill()
      try append("\(event())\n")
      try await server.start()
      try await reached("after the server")
      // Rotated while nobody follows.
      follower.send(SIGKILL)
      _ = try await follower.wait(within: .seconds(20))
      try append("\(event())\n")
      try FileManager.default.moveItem(atPath: file, toPath: file + ".2")
      try append("\(event())\n")
      follower = try follow()
      try await reached("after a restart")
      // Emptied in place, as copytruncate does.
      truncate(file, 0)
      try await Task.sleep(for: .milliseconds(500))
      try append("\(event())\n")
      try await reached("emptied")
      follower.send(SIGTERM)
      _ = try await follower.wait(within: .seconds(20))
      // Each line was recorded once: another import of all files records nothing.
      let head = try await desk.call("log.head")["position"]
      let again = try await desk.daybook("import", "openlineage", file + ".1", file + ".2", file, "--json")
      #expect(try again.json()["recorded"] == 0, "\(again.errors)")
      #expect(try await desk.call("log.head")["position"] == head)
      #expect(try await server.terminate() == .code(0))
    }
  }

  /// The id of a run by its number.
  private static func id(_ number: Int) -> String {
    let digits = String(number)
    return "0193f0e2-5f3e-7c1a-9b39-" + String(repeating: "0", count: 12 - digits.count) + digits
  }
}
