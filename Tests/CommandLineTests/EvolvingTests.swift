import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// The catalog grows by one edit of one file: the program writes the SQL, and a server takes both up.
@Suite(.serialized) struct EvolvingTests {
  private func change(_ path: String, _ old: String, _ new: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(old))
    try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
  }

  /// What `daybook generate` wrote.
  private func generate(_ desk: Desk) async throws -> [String] {
    let check = try await desk.daybook("generate", "--check")
    #expect(check.status == .code(1) && check.errors.contains("tools/generate"), "\(check.errors)")
    let outcome = try await desk.daybook("generate")
    #expect(outcome.status == .code(0), "\(outcome.errors)")
    #expect(try await desk.daybook("generate", "--check").status == .code(0))
    return outcome.lines
  }

  /// One value that PostgreSQL answers.
  private func sql(_ desk: Desk, _ text: String) async throws -> String {
    let status = try await desk.call("server.status")
    let url = try #require(status["postgres"]?["url"]?.stringValue)
    let result = try await runProgram(
      ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text], in: desk.directory)
    #expect(result.status == .code(0), "\(text): \(result.errors)")
    return result.output.trimmingCharacters(in: .newlines)
  }

  private func ids(_ list: JSON) -> [JSON] { (list["items"]?.arrayValue ?? []).compactMap { $0["id"] } }

  /// Asks until the read models that changed have been rebuilt.
  private func settled(_ desk: Desk) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(60)
    while clock.now < end {
      let status = try await desk.call("projection.status")
      let states = status["items"]?.arrayValue?.compactMap { $0["state"]?.stringValue } ?? []
      if !states.isEmpty, states.allSatisfy({ $0 == "running" }) { return }
    }
    Issue.record("the read models were not ready in time")
  }

  @Test func `a field is one edit of one file`() async throws {
    try await withDesk(ownHome: true) { desk in
      try change(
        "\(desk.home)/schema/alert.yaml", "  alert_type:\n",
        "  priority: {type: enum, values: [low, normal, high], summary: How soon somebody has to look.}\n  alert_type:\n"
      )
      #expect(try await generate(desk) == ["wrote alerts.sql"])
      try await desk.withServer {
        let organization = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])["id"] ?? .null
        let urgent = try await desk.call(
          "alert.create", ["organization_id": organization, "message": "on fire", "priority": "high"])
        try await desk.call("alert.create", ["organization_id": organization, "message": "smoke"])
        let found = try await desk.call("alert.list", ["where": ["priority": "high"]])
        #expect(ids(found) == [urgent["id"]])
        #expect(try await sql(desk, "SELECT message FROM daybook.alerts WHERE priority = 'high'") == "on fire")
        let meaning = "How soon somebody has to look. One of low, normal, high."
        let comment = """
          SELECT col_description('daybook.alerts'::regclass, attnum) FROM pg_attribute
          WHERE attrelid = 'daybook.alerts'::regclass AND attname = 'priority'
          """
        #expect(try await sql(desk, comment) == meaning)
        let refused = try await desk.daybook(
          "call", "alert.create",
          JSON.object(["organization_id": organization, "message": "?", "priority": "huge"]).canonicalString)
        #expect(refused.status == .code(1) && refused.errors.contains("/priority"))
      }
    }
  }

  @Test func `a plain resource type is one file`() async throws {
    try await withDesk(ownHome: true) { desk in
      let vendor = """
        resource: vendor
        plural: vendors
        summary: Who sells a data source.
        organization: required
        natural_keys: [code]
        fields:
          name: {type: string, max: 100, required: true}
          code: {type: slug, max: 40, required: true}
          tags: {type: tags}
        unique:
          vendor_code: {fields: [code]}
        commands:
          create: {}
          edit: {}
          delete: {}
        """
      try vendor.write(toFile: "\(desk.home)/schema/vendor.yaml", atomically: true, encoding: .utf8)
      #expect(try await generate(desk) == ["wrote vendors.sql"])
      try await desk.withServer {
        let organization = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])["id"] ?? .null
        let made = try await desk.call(
          "vendor.create", ["organization_id": organization, "name": "Weather", "code": "weather", "tags": ["a"]])
        try await desk.call("vendor.edit", ["id": made["id"] ?? .null, "name": "Weather Ltd"])
        #expect(try await desk.call("vendor.get", ["code": "weather"])["item"]?["name"] == "Weather Ltd")
        #expect(ids(try await desk.call("vendor.list", ["where": ["tags": ["contains": "a"]]])) == [made["id"]])
        #expect(try await sql(desk, "SELECT name FROM daybook.vendors") == "Weather Ltd")
      }
    }
  }

  @Test func `a required field with a default may be added where resources exist`() async throws {
    try await withDesk(ownHome: true) { desk in
      let url = try await ThrowawayPostgres.database()
      var organization = JSON.null
      var (old, edited) = (JSON.null, JSON.null)
      var position = JSON.null
      try await desk.withServer(url: url) {
        organization = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])["id"] ?? .null
        let params: JSONObject = ["organization_id": organization, "message": "on fire"]
        old = try await desk.call("alert.create", .object(params))["id"] ?? .null
        let made = try await desk.call("alert.create", .object(params))
        (edited, position) = (made["id"] ?? .null, made["position"] ?? .null)
        #expect(ids(try await desk.call("alert.list", [:])).count == 2)
        #expect(try await sql(desk, "SELECT count(*) FROM daybook.alerts") == "2")
      }
      let schema = "\(desk.home)/schema/alert.yaml"
      let field = "  priority: {type: enum, values: [low, normal, high], required: true}\n"
      try change(schema, "  alert_type:\n", field + "  alert_type:\n")
      #expect(try await generate(desk) == ["wrote alerts.sql"])
      let refused = try await desk.daybook("serve", "--listen", "none", "--postgres", url)
      #expect(refused.status != .code(0))
      #expect(
        refused.errors.contains("alert.priority: is required, but missing (2 resources). Give the field a default"))
      try change(schema, "required: true}\n  alert_type", "required: true, default: normal}\n  alert_type")
      try await desk.withServer(url: url) {
        try await settled(desk)
        try await desk.call("alert.edit", ["id": edited, "priority": "high"])
        #expect(try await desk.call("alert.get", ["id": old])["item"]?["priority"] == "normal")
        let then = try await desk.call("alert.get", ["id": edited, "as_of": position])
        #expect(then["item"]?["priority"] == "normal")
        #expect(ids(try await desk.call("alert.list", ["where": ["priority": "normal"]])) == [old])
        let past = try await desk.call("alert.list", ["where": ["priority": "normal"], "as_of": position])
        #expect(Set(ids(past)) == [old, edited])
        let history = try await desk.call("alert.history", ["id": edited])
        let changes = (history["items"]?.arrayValue ?? []).compactMap { $0["changes"]?["priority"] }
        #expect(changes == [["from": "normal", "to": "high"]])
        let rows = "SELECT string_agg(priority, ',' ORDER BY number) FROM daybook.alerts"
        #expect(try await sql(desk, rows) == "normal,high")
        // What a rebuild makes of the log is what stands there.
        let check = try await desk.daybook("rebuild", "--check")
        #expect(check.status == .code(0), "\(check.output) \(check.errors)")
      }
      let verified = try await desk.daybook("verify", "--data", desk.data)
      #expect(verified.status == .code(0), "\(verified.output) \(verified.errors)")
    }
  }
}
