import CanonicalJSON
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct UsageTests {
  @Test func `exit codes mean what the help says`() async throws {
    try await withDesk { desk in
      let help = try await desk.daybook("--help")
      #expect(help.status == .code(0))
      for word in ["EXIT CODES", "--generate-completion-script", "DAYBOOK_CONNECT", "rollback"] {
        #expect(help.output.contains(word))
      }
      #expect(!help.output.contains("verify-log"))
      #expect(try await desk.daybook("--generate-completion-script", "bash").output.contains("daybook"))
      #expect(try await desk.daybook("frobnicate").status == .code(64))
      #expect(try await desk.daybook("audit", "--limit", "0").status == .code(64))
      #expect(try await desk.daybook("call", "server.ping", "{").status == .code(64))
      #expect(try await desk.daybook("call", "server.ping", "[]").status == .code(64))
      #expect(try await desk.daybook("call", "server.ping", "--connect", "smoke:signals").status == .code(64))
      #expect(try await desk.daybook("serve", "--listen", "nowhere").status == .code(64))
      let away = try await desk.daybook("call", "server.ping", "--json")
      #expect(away.status == .code(69))
      let error = try JSON.parse(away.errors.trimmingCharacters(in: .newlines))["error"]
      #expect(error?["next"]?.stringValue?.contains("daybook serve") == true)
      try await desk.withServer {
        let ping = try await desk.daybook("call", "server.ping", "--json")
        #expect(ping.status == .code(0))
        #expect(try ping.json() == ["pong": true])
        let refused = try await desk.daybook("call", "pipeline.get", "{\"id\":\"x\"}", "--json")
        #expect(refused.status == .code(1))
        let told = try JSON.parse(refused.errors.trimmingCharacters(in: .newlines))["error"]
        #expect(told?["data"]?["type"] == "invalid_params")
        #expect(told?["code"] == -32602)
        let misspelled = try await desk.daybook("call", "pipeline.gett")
        #expect(misspelled.errors.contains("pipeline.get"))
        let missing = try await desk.daybook("history", "pipeline", "no such")
        #expect(missing.status == .code(1), "\(missing.errors)")
        let second = try await desk.daybook("serve", "--listen", "none")
        #expect(second.status == .code(69), "a folder has one server at a time")
        let input = try await desk.daybook("call", "server.ping", "-", input: "{}\n")
        #expect(input.status == .code(0))
      }
    }
  }

  @Test func `the catalog is shown in every format`() async throws {
    try await withDesk { desk in
      let text = try await desk.daybook("catalog", "pipeline")
      #expect(text.status == .code(0), "\(text.errors)")
      #expect(text.output.contains("pipeline.rollback"))
      let shown = text.output.split(separator: "\n").map(String.init)
      #expect(shown.contains { $0.hasPrefix("  versioned: ") })
      let template = try await desk.daybook("catalog", "pipeline_template").output
      #expect(template.contains("\n  public: while is_public or is_builtin\n"))
      let dashboard = try await desk.daybook("catalog", "dashboard").output
      #expect(
        dashboard.contains("  visible to: user_id and who has admin; everybody without user_id or while is_shared"))
      let hold = try await desk.daybook("catalog", "legal_hold").output
      #expect(hold.contains("\n  recipients: officers, auditors, administrators\n"))
      let connection = try await desk.daybook("catalog", "connection").output
      #expect(connection.contains("unique with organization_id (django_etl)"))
      let markdown = try await desk.daybook("catalog", "user", "--format", "markdown")
      #expect(markdown.output.contains("## user"))
      #expect(markdown.output.contains("| email | user.contact.email |"))
      let schema = try await desk.daybook("catalog", "--format", "json-schema").json()
      #expect(schema["$defs"]?["pipeline"]?["properties"]?["name"] != nil)
      #expect(schema["$defs"]?["pipeline"]?["x-commands"]?["pipeline.rollback"] != nil)
      let whole = try await desk.daybook("catalog").lines
      func line(_ first: String) throws -> String {
        try #require(whole.first { $0.hasPrefix("  \(first) ") }, "\(first)")
      }
      for (name, type) in try #require(schema["$defs"]?.objectValue) {
        #expect(whole.contains(name.uppercased()))
        for (method, _) in type["x-commands"]?.objectValue ?? [:] { _ = try line(method) }
      }
      let measure = try line("run.measure")
      #expect(measure.contains("  run.measured  ") && measure.contains("  runs:execute  "))
      #expect(measure.contains("at timestamp, node_id string required, rows_input bigint"))
      #expect(try line("alert.escalate_due").contains("  the server itself"))
      #expect(try line("run.previewed").hasSuffix("  sample_data, schema_info  previews"))
      let unknown = try await desk.daybook("catalog", "pipelin")
      #expect(unknown.status == .code(64))
      #expect(unknown.errors.contains("pipeline"))
      try await desk.withServer {
        let document = try await desk.daybook("catalog", "--format", "openrpc").json()
        #expect(document["methods"]?.arrayValue?.contains { $0["name"] == "pipeline.list" } == true)
      }
    }
  }
}
