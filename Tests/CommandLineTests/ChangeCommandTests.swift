import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// What changed, as people see it: piped and at a terminal of 80 columns.
@Suite(.serialized) struct ChangeCommandTests {
  /// A pipeline as they are: a configuration that is longer than any line, and one value inside that changes.
  private static func config(batch: Int64, steps: [String]) -> JSON {
    let nodes = steps.map { step -> JSON in
      [
        "id": .string(step), "type": "transform", "label": .string("The step \(step) of the nightly flow"),
        "config": ["batch_size": .integer(batch), "query": .string("SELECT * FROM a_schema.\(step)")],
      ]
    }
    return ["nodes": .array(nodes), "retries": 3]
  }

  private func makeStory(_ desk: Desk) async throws -> String {
    let organization = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])["id"] ?? .null
    try await desk.call(
      "user.create",
      [
        "email": "ann@acme.example", "role": "developer", "password": "ann of acme", "organization_id": organization,
      ])
    let made = try await desk.call(
      "pipeline.create",
      [
        "organization_id": organization, "name": "Nightly shipments",
        "config": Self.config(batch: 5000, steps: ["read_shipments", "clean_shipments", "write_shipments"]),
        "tags": ["core", "pii"], "generated_code": "import a\nload()\nstore()",
      ])
    let ann = ["DAYBOOK_EMAIL": "ann@acme.example", "DAYBOOK_PASSWORD": "ann of acme"]
    let id = try #require(made["id"]?.stringValue)
    let edit: JSON = [
      "id": .string(id), "reason": "larger batches, fewer round trips",
      "config": Self.config(batch: 6000, steps: ["read_shipments", "write_shipments", "notify"]),
      "tags": ["core", "big"],
      "generated_code": "import a\nload(6000)\nstore()",
    ]
    let edited = try await desk.daybook("call", "pipeline.edit", edit.canonicalString, environment: ann)
    try #require(edited.status == .code(0), "\(edited.errors)")
    return id
  }

  @Test func `history and audit show the values inside that changed, steps by their names`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await makeStory(desk)
        let wanted = [
          "    config/nodes[read_shipments]/config/batch_size: 5000 → 6000",
          "    config/nodes[write_shipments]/config/batch_size: 5000 → 6000",
        ]
        let history = try await desk.daybook("history", "pipeline", "Nightly shipments")
        for line in wanted { #expect(history.lines.contains(line), "\(history.output)") }
        let gone = try #require(history.lines.first { $0.hasPrefix("    - config/nodes[clean_shipments]: {") })
        #expect(gone.contains("\"query\":\"SELECT * FROM a_schema.clean_shipments\"") && gone.hasSuffix("}"), "whole")
        #expect(history.lines.contains { $0.hasPrefix("    + config/nodes[notify]: {") })
        for line in ["    - tags: \"pii\"", "    + tags: \"big\"", "    - 2 load()", "    + 2 load(6000)"] {
          #expect(history.lines.contains(line), "\(line) is not in\n\(history.output)")
        }
        #expect(!history.output.contains("config/retries") && !history.output.contains("…"))
        // Piped, names stand beside what the log has, whole.
        #expect(history.output.contains("  ann@acme.example user:"))
        let audit = try await desk.daybook("audit", "--resource", id, "--changes", "--event", "pipeline.edited")
        for line in wanted { #expect(audit.lines.contains(line), "\(audit.output)") }
        #expect(audit.output.contains("  Nightly shipments \(id)  "))
        let versions = try await desk.daybook("versions", id, "--diff", "1", "2")
        #expect(versions.lines.contains(String(wanted[0].dropFirst(4))))
        let trial = try await desk.daybook("rollback", id, "1", "--reason", "slow", "--dry-run")
        #expect(trial.lines.first == "This would bring version 1 back, and change:")
        #expect(trial.lines.contains("  config/nodes[read_shipments]/config/batch_size: 6000 → 5000"))
        #expect(trial.lines.contains { $0.hasPrefix("  - config/nodes[notify]: {") }, "\(trial.output)")
        #expect(trial.lines.contains { $0.hasPrefix("  + config/nodes[clean_shipments]: {") })
      }
    }
  }

  @Test func `at 80 columns nothing that tells things apart is cut`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await makeStory(desk)
        let plain = ["NO_COLOR": "1"]
        for arguments in [["history", "pipeline", id], ["audit", "--changes"], ["versions", id]] {
          let shown = try await run(desk, arguments, plain)
          #expect(shown.status == .code(0), "\(shown.output)")
          for line in shown.lines { #expect(line.count <= 80, "\(line)") }
          #expect(shown.output.contains("ann@acme.examp"), "who: \(shown.output)")
          #expect(!shown.output.contains("\u{1B}"))
        }
        let history = try await run(desk, ["history", "pipeline", id], plain)
        #expect(history.lines.contains("    config/nodes[read_shipments]/config/batch_size: 5000 → 6000"))
        #expect(history.lines.contains("    why: larger batches, fewer round trips"))
        // "11 s ago" above it takes a column more than "7 s ago".
        #expect(history.output.contains(#/ ago +pipeline\.edited/#), "how long ago")
        let audit = try await run(desk, ["audit", "--event", "pipeline.edited"], plain)
        #expect(audit.output.contains("Nightly shipments …\(id.suffix(6))"), "\(audit.output)")
        // The short id that is shown is taken.
        let again = try await desk.daybook("history", "pipeline", "…\(id.suffix(6))", "--json")
        #expect(try again.json().arrayValue?.count == 2)
      }
    }
  }

  @Test func `colours are for terminals, and for those who want them`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await makeStory(desk)
        let coloured = try await run(desk, ["history", "pipeline", id], ["NO_COLOR": ""])
        #expect(coloured.output.contains("\u{1B}[31m- tags: \"pii\"\u{1B}[0m"))
        #expect(coloured.output.contains("\u{1B}[32m+ tags: \"big\"\u{1B}[0m"))
        let dumb = try await run(desk, ["history", "pipeline", id], ["NO_COLOR": "", "TERM": "dumb"])
        #expect(!dumb.output.contains("\u{1B}"))
        #expect(try await !desk.daybook("history", "pipeline", id).output.contains("\u{1B}"))
      }
    }
  }

  @Test func `what was misspelled is told with what may have been meant`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await makeStory(desk)
        let inCase = try await desk.daybook("history", "pipeline", "nightly SHIPMENTS", "--json")
        #expect(try inCase.json().arrayValue?.count == 2)
        let plural = try await desk.daybook("history", "pipelines", "Nightly shipments", "--json")
        #expect(try plural.json().arrayValue?.count == 2)
        let part = try await desk.daybook("history", "pipeline", "nightly")
        #expect(part.status == .code(1))
        #expect(part.errors.contains("Did you mean “Nightly shipments”?"))
        let near = try await desk.daybook("versions", "Nigthly shipment")
        #expect(near.errors.contains("Did you mean “Nightly shipments”?"))
        let type = try await desk.daybook("history", "pipelin", "x")
        #expect(type.status == .code(64))
        #expect(type.errors.contains("There is no resource type “pipelin”.\nNext: Did you mean pipeline?"))
        let event = try await desk.daybook("audit", "--event", "run.failed")
        #expect(event.status == .code(0) && event.errors.contains("run.finished"), "\(event.errors)")
        let pattern = try await desk.daybook("audit", "--event", "pipeline.*")
        #expect(pattern.status == .code(64) && pattern.errors.contains("is written as"), "\(pattern.errors)")
        let known = try await desk.daybook("audit", "--event", "pipeline.archived")
        #expect(known.status == .code(0) && known.output.contains("Nothing in the audit trail matches."))
        let actor = try await desk.daybook("audit", "--actor", "ann@acme.example", "--json")
        #expect(try actor.json().arrayValue?.contains { $0["event"] == "pipeline.edited" } == true)
        let nobody = try await desk.daybook("audit", "--actor", "bob@acme.example")
        #expect(nobody.status == .code(1) && nobody.errors.contains("There is no user called"))
        let name = try await desk.daybook("audit", "--actor", "bob")
        #expect(name.status == .code(1) && name.errors.contains("There is no user called"), "\(name.errors)")
      }
    }
  }

  @Test func `times are given as people say them, and else it is said what is understood`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await makeStory(desk)
        func found(_ option: String, _ text: String) async throws -> Int? {
          let result = try await desk.daybook("audit", "--resource", id, option, text, "--json")
          return try result.status == .code(0) ? result.json().arrayValue?.count : nil
        }
        for text in [
          "yesterday", "last tuesday", "24h", "2 days ago", "an hour ago", "last night", "2020-01-01", "yesterday 9:30",
          "2020-01-01 18:00", "2020-01-01T00:00:00Z", "1 jan 2020", "last month",
        ] {
          #expect(try await found("--since", text) == 2, "since \(text)")
          #expect(try await found("--until", text) == 0, "until \(text)")
        }
        // The day itself is meant, too.
        for text in ["today", "now"] { #expect(try await found("--until", text) == 2, "until \(text)") }
        #expect(try await found("--since", "today") == 2)
        let history = try await desk.daybook(
          "history", "pipeline", id, "--since", "yesterday", "--until", "today", "--json")
        #expect(try history.json().arrayValue?.count == 2)
        let before = try await desk.daybook("history", "pipeline", id, "--until", "yesterday")
        #expect(before.output == "Nothing has happened to it.\n")
        for text in ["soon", "2026-02-30", "31 nov", "25:00", "next week", ""] {
          let refused = try await desk.daybook("audit", "--since", text)
          #expect(refused.status == .code(64), "\(text)")
          for word in ["last tuesday", "24h", "2026-11-24", "RFC 3339"] { #expect(refused.errors.contains(word)) }
        }
        // A day begins when it does where the person is.
        let zones = ["TZ": "Pacific/Kiritimati"]
        let far = try await desk.daybook("audit", "--since", "now", "--json", environment: zones)
        #expect(far.status == .code(0), "\(far.errors)")
      }
    }
  }

  private func run(_ desk: Desk, _ arguments: [String], _ environment: [String: String]) async throws -> ProgramResult {
    try await desk.atTerminal(arguments, environment: environment)
  }
}
