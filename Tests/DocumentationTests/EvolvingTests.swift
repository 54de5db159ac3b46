import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// The page on changing Daybook: its changes are made to a copy of the catalog and
/// the read models, and a server runs on them.
@Suite(.needsPrograms) struct EvolvingTests {
  private let page = Page.named("Evolving")

  @Test func `what the page adds is there after tools generate and a start`() async throws {
    try await PageServer.with { old in
      // Resources from before the change.
      let organization: JSON = ["name": "Acme", "slug": "acme"]
      let id = try #require(try await call(old.server, "organization.create", organization)["id"])
      let rule: JSON = [
        "organization_id": id, "name": "slow", "metric": "duration", "operator": "gt", "threshold": 60,
        "severity": "high",
      ]
      let ruleID = try #require(try await call(old.server, "alert_rule.create", rule)["id"])
      let alertID = try #require(
        try await call(old.server, "alert.create", ["organization_id": id, "message": "it is slow"])["id"])
      let secret: JSON = ["organization_id": id, "name": "warehouse", "data": ["password": "x"]]
      let credentialID = try #require(try await call(old.server, "credential.create", secret)["id"])
      _ = try await call(old.server, "credential.reveal", ["id": credentialID, "reason": "the page's test"])
      #expect(try await old.server.terminate() == .code(0))

      let copy = try await changedCopy(in: old.server.folder)
      try await old.server.start(["--schema", copy + "/schema", "--projections", copy + "/projections"])

      try await settled(old.server)

      let alert = try await call(old.server, "alert.edit", ["id": alertID, "priority": 2])
      #expect(alert["version"] == 2)
      let urgent: JSON = ["where": ["priority": 2], "at_least": alert["position"] ?? .null, "timeout_ms": 60_000]
      let listed = try await call(old.server, "alert.list", urgent)
      #expect(listed["items"]?.arrayValue?.count == 1)
      let read = try await call(old.server, "alert_rule.get", ["id": ruleID])
      #expect(read["item"]?["window_minutes"] == 5, "an alert rule of before counts as the default")
      _ = try await call(old.server, "alert.resolve", ["id": alertID])
      #expect(try await call(old.server, "alert.reopen", ["id": alertID])["events"]?.arrayValue?.count == 1)

      let term: JSON = ["organization_id": id, "name": "Revenue", "definition": "Money that came in."]
      let termID = try #require(try await call(old.server, "glossary_term.create", term)["id"])
      let approved = try await call(old.server, "glossary_term.approve", ["id": termID])
      let known: JSON = [
        "where": ["status": "approved"], "at_least": approved["position"] ?? .null, "timeout_ms": 60_000,
      ]
      let terms = try await call(old.server, "glossary_term.list", known)
      #expect(terms["items"]?.arrayValue?.map { $0["name"] } == ["Revenue"])
      let credential = try #require(credentialID.stringValue)
      #expect(
        try await old.server.psql("SELECT actor FROM daybook.credential_reads WHERE credential_id = '\(credential)'")
          .hasPrefix("local:"))
    }
  }

  @Test func `code that the page quotes is in the file that it names`() throws {
    var quoted = 0
    for block in page.blocks {
      let words = block.info.split(separator: " ").map(String.init)
      guard words.count == 2, words[1].contains("/"), words[0] != "diff" else { continue }
      let text = TestFiles.text(Repository.root + "/" + words[1])
      #expect(text.contains(block.text), "\(page.path):\(block.line) isn't in \(words[1])")
      quoted += 1
    }
    #expect(quoted > 2)
  }

  /// A copy of schema/ and projections/ with every change of the page, and what tools/generate makes of it.
  private func changedCopy(in folder: TemporaryFolder) async throws -> String {
    let copy = folder.path + "/changed"
    try TestFiles.makeFolder(copy)
    for name in ["schema", "projections"] {
      try FileManager.default.copyItem(atPath: Repository.root + "/" + name, toPath: copy + "/" + name)
    }
    for diff in page.blocks("diff apply") {
      let applied = try await runProgram(["git", "apply", "-"], in: folder, input: diff.text + "\n", directory: copy)
      try #require(applied.status == .code(0), "\(page.path):\(diff.line): \(applied.errors)")
    }
    for block in page.blocks {
      let words = block.info.split(separator: " ").map(String.init)
      guard words.count == 3, words[1] == "apply" else { continue }
      try TestFiles.write((block.text + "\n").utf8, to: copy + "/" + words[2])
    }
    let generated = try await runProgram(
      [
        try Programs.built("daybook"), "generate", "--schema", copy + "/schema", "--projections", copy + "/projections",
      ],
      in: folder)
    try #require(generated.status == .code(0), "\(generated.output) \(generated.errors)")
    for name in ["alerts.sql", "alert_rules.sql", "glossary_terms.sql"] {
      #expect(generated.output.contains("wrote \(name)") || generated.output.contains(name), "\(generated.output)")
    }
    return copy
  }

  /// Waits until the read models that have changed are rebuilt.
  private func settled(_ server: DaybookProcess) async throws {
    _ = try await eventually("the read models are rebuilt", within: .seconds(120)) { () -> Bool? in
      let items = try await call(server, "projection.status", [:])["items"]?.arrayValue ?? []
      return !items.isEmpty && items.allSatisfy { $0["state"] == "running" } ? true : nil
    }
  }

  private func call(_ server: DaybookProcess, _ method: String, _ params: JSON) async throws -> JSON {
    let result = try await server.run(["call", method, params.canonicalString])
    try #require(result.status == .code(0), "\(method): \(result.errors)")
    return try result.json()
  }
}
