import CanonicalJSON
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct LineageCommandTests {
  /// An event of a job without a run, as a line.
  private static func line(_ job: String, day: Int, inputs: [String], outputs: JSON) -> String {
    JSON.object([
      "eventTime": .string("2026-01-0\(day)T00:00:00Z"), "producer": "test",
      "job": ["namespace": "ns", "name": .string(job)],
      "inputs": .array(inputs.map { ["namespace": "wh", "name": .string($0)] }), "outputs": outputs,
    ]).canonicalString
  }

  private static func output(_ name: String, _ facet: JSON) -> JSON {
    ["namespace": "wh", "name": .string(name), "facets": ["columnLineage": facet]]
  }

  private static func input(_ field: String, _ transformations: JSON = []) -> JSON {
    ["namespace": "wh", "name": "src", "field": .string(field), "transformations": transformations]
  }

  private func importing(_ lines: [String], _ body: (Desk) async throws -> Void) async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let text = lines.joined(separator: "\n") + "\n"
        let outcome = try await desk.daybook("import", "openlineage", "-", "--json", input: text)
        #expect(outcome.status == .code(0), "\(outcome.errors)")
        try await body(desk)
      }
    }
  }

  @Test func `columns are drawn with what made them, masked ones, those of every column and those of each job`()
    async throws
  {
    let older: JSON = [
      "fields": ["c": ["inputFields": [Self.input("a"), Self.input("b")], "transformationType": "MASKED"]]
    ]
    let newer: JSON = [
      "fields": ["d": ["inputFields": [Self.input("a", [["type": "DIRECT", "subtype": "HASH", "masking": true]])]]],
      "dataset": [Self.input("k", [["type": "INDIRECT", "subtype": "FILTER"]])],
    ]
    let lines = [
      Self.line("mask", day: 1, inputs: ["src"], outputs: [Self.output("t", older)]),
      Self.line("hash", day: 2, inputs: ["src"], outputs: [Self.output("u", newer)]),
      Self.line("second", day: 3, inputs: ["src"], outputs: [Self.output("u", older)]),
    ]
    try await importing(lines) { desk in
      let masked = try await desk.daybook("lineage", "t", "--direction", "up")
      #expect(
        masked.output == """
          t (wh)
          made from
          └─ src (wh)  · mask, 2026-01-01 00:00:00Z
                c ← a (masked), b (masked)

          """, "\(masked.errors)")
      let both = try await desk.daybook("lineage", "u", "--direction", "up")
      #expect(both.output.contains("(all columns) ← k (filter)  · hash\n"), "\(both.output)")
      #expect(both.output.contains("d ← a (hash, masked)  · hash\n"))
      #expect(both.output.contains("c ← a (masked), b (masked)  · second\n"))
      #expect(both.output.contains("└─ src (wh)  · second, 2026-01-03 00:00:00Z\n"))
    }
  }

  @Test func `what came into the wrong organization is moved by one command, and said in words`() async throws {
    func run(_ number: Int) -> String {
      JSON.object([
        "eventType": "COMPLETE", "eventTime": .string("2026-01-01T00:0\(number % 10):00Z"), "producer": "test",
        "run": ["runId": .string("01930000-0000-7000-8000-0000000000\(number)")],
        "job": ["namespace": "airflow_prod", "name": .string("dag\(number % 3)")],
        "inputs": [["namespace": "wh", "name": "src"]],
        "outputs": [["namespace": "wh", "name": .string("t\(number % 3)")]],
      ]).canonicalString
    }
    let lines = [Self.line("own", day: 1, inputs: ["src"], outputs: [])] + (10..<40).map { run($0) }
    try await importing(lines) { desk in
      let acme = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])
      func move(_ more: String...) async throws -> ProgramResult {
        try await desk.run(
          ["openlineage", "move", "airflow_", "--prefix", "--from", "openlineage", "--to", "acme"] + more)
      }
      let dry = try await move("--dry-run")
      #expect(
        dry.output == """
          The first piece would be: 3 pipelines, 30 runs, 3 lineage edges, 4 datasets copied; more may follow.

          """, "\(dry.errors)")
      let moved = try await move()
      #expect(
        moved.output == """
          Moved: 3 pipelines, 30 runs, 3 lineage edges, 4 datasets copied, 4 datasets deleted.

          """, "\(moved.errors)")
      #expect(try await move().output == "There is nothing to move.\n")
      let runs = try await desk.call("run.list", ["where": ["organization_id": acme["id"] ?? .null], "limit": 100])
      #expect(runs["items"]?.arrayValue?.count == 30)
      let other = try await desk.daybook("openlineage", "move", "x", "--from", "acme", "--to", "acme")
      #expect(other.status == .code(1), "\(other.status)")
      #expect(other.errors.contains("is where it is already: say another organization"), "\(other.errors)")
    }
  }

  @Test func `a hub is drawn both ways, and what is left out is told with what helps`() async throws {
    let reports = (0..<30).map { "report\($0 < 10 ? "0" : "")\($0)" }
    let lines = [
      Self.line(
        "big", day: 1, inputs: (0..<1500).map { "in\($0)" }, outputs: [["namespace": "wh", "name": "hub"]]),
      Self.line(
        "consumers", day: 2, inputs: ["hub"], outputs: .array(reports.map { ["namespace": "wh", "name": .string($0)] })),
    ]
    try await importing(lines) { desk in
      let wide = try await desk.daybook("lineage", "hub")
      for report in reports { #expect(wide.output.contains("─ \(report) (wh)"), "\(report)") }
      #expect(wide.output.contains("\nThere are more than 1000 edges: raise --limit (at most 10000), or look one way"))
      let whole = try await desk.daybook("lineage", "hub", "--limit", "2000")
      #expect(!whole.output.contains("There "), "\(whole.output.suffix(200))")
      #expect(whole.output.split(separator: "\n").count == 1533)
      let recent = try await desk.daybook("lineage", "hub", "--since", "2026-01-02T00:00:00Z", "--limit", "1")
      #expect(recent.output.contains("made from\n└─ nothing that is shown\nmade into\n└─ report"), "\(recent.output)")
    }
  }

  @Test func `a table of two names is one`() async throws {
    let link: JSON = ["symlinks": ["identifiers": [["namespace": "hive", "name": "db.t", "type": "TABLE"]]]]
    let lines = [
      Self.line("spark", day: 1, inputs: ["raw"], outputs: [["namespace": "wh", "name": "path/t", "facets": link]]),
      JSON.object([
        "eventTime": "2026-01-01T00:00:00Z", "job": ["namespace": "ns", "name": "dbt"],
        "inputs": [["namespace": "hive", "name": "db.t"]], "outputs": [["namespace": "wh", "name": "mart"]],
      ]).canonicalString,
    ]
    try await importing(lines) { desk in
      let up = try await desk.daybook("lineage", "mart", "--direction", "up")
      #expect(up.output.contains("└─ db.t (hive) = path/t (wh)"), "\(up.output)")
      #expect(up.output.contains("   └─ raw (wh)"), "\(up.output)")
    }
  }
}
