import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Testing

/// The schema of ETL/ELT Builder: what a client of that platform's own database finds.
@Suite struct EtlBuilderTests {
  /// A tenant of the platform in which something is set in every column.
  struct Tenant {
    let organization: String
    let owner: String
    let connection: String
    let pipeline: String
    let run: String
    let key: String
    let template: String
    let notification: String
  }

  /// Columns that show something else than their field.
  static var shown: [String: PlatformChecks.Shown] {
    [
      "pipelines.config": { value, state in
        .object((value?.objectValue ?? [:]).merging(state.fields.filter { $0.key == "nodes" || $0.key == "edges" }))
      },
      "pipeline_executions.duration_seconds": { value, _ in value?.doubleValue.map { .integer(Int64($0.rounded())) } },
    ]
  }

  static func makeTenant(_ harness: TestReadModels, _ name: String) async throws -> Tenant {
    let organization = try await harness.organization(
      name, platform: "etl_builder", ["description": .string("About \(name)"), "settings": ["region": "eu"]])
    let owner = try await harness.make(
      "user",
      [
        "email": .string("ada@\(name).example"), "username": .string("ada-\(name)"), "full_name": "Ada Lovelace",
        "role": "developer", "organization_id": .string(organization), "membership_role": "owner",
        "password": "correct horse 9",
      ])
    try await harness.call("user.verify_email", ["id": .string(owner)])
    let principal = try harness.principal(of: owner)
    try await harness.engine.recordSignIn(of: principal, from: Origin(ip: "192.0.2.7", userAgent: "tests"))
    let connection = try await harness.make(
      "connection",
      [
        "organization_id": .string(organization), "name": "warehouse", "type": "postgres",
        "description": "The warehouse",
        "config": ["host": "db.example", "password": "hunter2"],
      ], as: principal)
    _ = try await harness.engine.apply(
      method: "connection.test", params: ["id": .string(connection), "status": "failed", "message": "no route"],
      principal: principal, origin: Origin(ip: "192.0.2.8", userAgent: "curl/8"))
    let pipeline = try await harness.make(
      "pipeline",
      [
        "organization_id": .string(organization), "name": "nightly", "description": "Every night",
        "version_label": "2.1.0", "config": ["parallelism": 4], "nodes": [["id": "n1"], ["id": "n2"]],
        "edges": [["source": "n1", "target": "n2"]], "schedule": "0 2 * * *", "is_scheduled": true,
        "tags": ["finance", "daily"], "default_params": ["date": "today"],
      ], as: principal)
    try await harness.call("pipeline.publish", ["id": .string(pipeline)], as: principal)
    let run = try await harness.make(
      "run",
      [
        "pipeline_id": .string(pipeline), "trigger_type": "api", "triggered_by": .string(owner),
        "dag_id": "nightly_dag",
        "dag_run_id": "scheduled__1", "params": ["date": "2025-03-01"],
      ], as: principal)
    try await harness.call("run.begin", ["id": .string(run), "at": "2025-03-01T02:00:00Z"], as: principal)
    try await harness.call(
      "run.log",
      [
        "id": .string(run),
        "lines": [
          [
            "at": "2025-03-01T02:00:01Z", "level": "WARNING", "node_id": "n1", "message": .string("slow at \(name)"),
            "metadata": ["ms": 1200],
          ],
          ["at": "2025-03-01T02:00:02Z", "level": "INFO", "message": "and on"],
        ],
      ], as: principal)
    try await harness.call(
      "run.measure",
      [
        "id": .string(run), "at": "2025-03-01T02:00:03Z", "node_id": "n1", "rows_input": 100, "rows_output": 90,
        "rows_filtered": 7, "rows_error": 3, "data_size_bytes": 5_000_000_000, "duration_seconds": 1.5,
        "memory_peak_mb": 256.5, "cpu_percent": 37.25, "metadata": ["host": "w1"],
      ], as: principal)
    try await harness.call(
      "run.preview",
      [
        "id": .string(run), "node_id": "n2", "sample_data": [["a": 1]], "schema_info": ["a": "integer"],
        "row_count": 90,
        "column_count": 1,
      ], as: principal)
    try await harness.call(
      "run.finish",
      [
        "id": .string(run), "at": "2025-03-01T02:01:30.6Z", "status": "failed", "result": ["loaded": 90],
        "error_message": "disk full", "rows_processed": 90, "data_size_bytes": 5_000_000_000,
      ], as: principal)
    let key = try await harness.make(
      "api_key",
      [
        "organization_id": .string(organization), "name": "robot", "expires_at": "2099-01-01T00:00:00Z",
        "permissions": ["pipelines": ["read", "execute"]],
      ], as: principal)
    try await use(key, harness)
    let notification = try await harness.make(
      "notification",
      [
        "organization_id": .string(organization), "user_id": .string(owner), "type": "warning", "title": "Look",
        "message": "Disk is full", "resource_type": "run", "resource_id": .string(run),
      ], as: principal)
    try await harness.call("notification.mark_read", ["id": .string(notification)], as: principal)
    let template = try await harness.make(
      "module_template",
      [
        "organization_id": .string(organization), "name": "Cleaner", "description": "Cleans", "category": "transformer",
        "type": "cleaner", "config_schema": ["type": "object"], "default_config": ["trim": true], "icon": "broom",
        "color": "#ff00aa", "is_public": true,
      ], as: principal)
    try await harness.call("module_template.use", ["id": .string(template)], as: principal)
    return Tenant(
      organization: organization, owner: owner, connection: connection, pipeline: pipeline, run: run, key: key,
      template: template, notification: notification)
  }

  /// What a call with that key does: it notes that it was used.
  private static func use(_ key: String, _ harness: TestReadModels) async throws {
    let id = try #require(Identifier(key))
    try await harness.call("api_key.mark_used", ["id": .string(id.text)], as: .server)
  }

  @Test func `what commands set comes out of the documented columns`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let user = try await harness.row("etl_builder.users", tenant.owner)
      #expect(user["email"] == "ada@acme.example" && user["username"] == "ada-acme")
      #expect(user["password_hash"] == "!" && user["full_name"] == "Ada Lovelace" && user["role"] == "developer")
      #expect(user["is_active"] == true && user["email_verified"] == true && user["last_login_at"] != .null)
      let connection = try await harness.row("etl_builder.connections", tenant.connection)
      #expect(connection["config"]?["host"] == "db.example" && connection["config"]?["password"]?["$sealed"] != nil)
      #expect(connection["last_test_status"] == "failed" && connection["last_test_message"] == "no route")
      #expect(connection["created_by"]?.stringValue == tenant.owner)
      let pipeline = try await harness.row("etl_builder.pipelines", tenant.pipeline)
      #expect(
        pipeline["config"] == [
          "parallelism": 4, "nodes": [["id": "n1"], ["id": "n2"]], "edges": [["source": "n1", "target": "n2"]],
        ])
      #expect(pipeline["schedule"] == "0 2 * * *" && pipeline["version"] == "2.1.0" && pipeline["status"] == "active")
      #expect(pipeline["tags"] == ["finance", "daily"] && pipeline["published_at"] != .null)
      let execution = try await harness.row("etl_builder.pipeline_executions", tenant.run)
      // 90.6 seconds.
      #expect(execution["duration_seconds"] == 91 && execution["rows_processed"] == 90)
      #expect(execution["data_size_bytes"] == 5_000_000_000 && execution["error_message"] == "disk full")
      #expect(execution["dag_id"] == "nightly_dag" && execution["dag_run_id"] == "scheduled__1")
      let logs = try await harness.objects("SELECT * FROM etl_builder.execution_logs ORDER BY timestamp")
      #expect(logs.map { $0["message"] ?? .null } == ["slow at acme", "and on"])
      #expect(logs.map { $0["level"] ?? .null } == ["WARNING", "INFO"] && logs[0]["metadata"] == ["ms": 1200])
      #expect(logs.allSatisfy { $0["execution_id"]?.stringValue == tenant.run } && logs[0]["node_id"] == "n1")
      let metrics = try await harness.objects("SELECT * FROM etl_builder.node_metrics")
      #expect(metrics.count == 1)
      for (column, value) in [
        ("rows_input", 100), ("rows_output", 90), ("rows_filtered", 7), ("rows_error", 3),
        ("data_size_bytes", 5_000_000_000), ("duration_seconds", 1.5), ("memory_peak_mb", 256.5),
        ("cpu_percent", 37.25),
      ] as [(String, Double)] {
        #expect(metrics[0][column]?.doubleValue == value, "node_metrics.\(column)")
      }
      #expect(metrics[0]["metadata"] == ["host": "w1"] && metrics[0]["node_id"] == "n1")
      let previews = try await harness.objects("SELECT * FROM etl_builder.data_previews")
      #expect(previews.count == 1 && previews[0]["sample_data"] == [["a": 1]])
      #expect(previews[0]["schema_info"] == ["a": "integer"] && previews[0]["row_count"] == 90)
      let key = try await harness.row("etl_builder.api_keys", tenant.key)
      #expect(key["key_hash"] == .string("!\(tenant.key)") && key["permissions"] == ["pipelines": ["read", "execute"]])
      #expect(key["key_prefix"]?.stringValue?.hasPrefix("dbk_") == true && key["last_used_at"] != .null)
      let notification = try await harness.row("etl_builder.notifications", tenant.notification)
      #expect(notification["is_read"] == true && notification["resource_id"]?.stringValue == tenant.run)
      let template = try await harness.row("etl_builder.module_templates", tenant.template)
      #expect(template["usage_count"] == 1 && template["default_config"] == ["trim": true])
      let audit = try await harness.objects(
        "SELECT * FROM etl_builder.audit_trail WHERE resource_id = '\(tenant.connection)' ORDER BY id")
      #expect(audit.map { $0["metadata"]?["event"] ?? .null } == ["connection.created", "connection.tested"])
      #expect(audit.last?["ip_address"] == "192.0.2.8" && audit.last?["user_agent"] == "curl/8")
      #expect(audit.allSatisfy { $0["user_id"]?.stringValue == tenant.owner && $0["resource_type"] == "connection" })
    }
  }

  @Test func `the documented views count and choose as the document says`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let principal = try harness.principal(of: tenant.owner)
      _ = try await Self.makeTenant(harness, "globex")
      for number in 0..<3 {
        let pipeline = try await harness.make(
          "pipeline", ["organization_id": .string(tenant.organization), "name": .string("p\(number)"), "config": [:]],
          as: principal)
        if number > 0 { try await harness.call("pipeline.publish", ["id": .string(pipeline)], as: principal) }
        if number == 2 { try await harness.call("pipeline.pause", ["id": .string(pipeline)], as: principal) }
        for _ in 0..<number {
          let run = try await harness.make("run", ["pipeline_id": .string(pipeline), "trigger_type": "manual"])
          try await harness.call("run.begin", ["id": .string(run)])
        }
      }
      // The documents' own text over the platform's tables.
      let printed = """
        SELECT u.id, u.username, u.email, COUNT(DISTINCT p.id) AS pipeline_count, COUNT(DISTINCT c.id) AS connection_count,
          COUNT(DISTINCT pe.id) AS execution_count, MAX(pe.started_at) AS last_execution_date
        FROM users u
        LEFT JOIN pipelines p ON p.created_by = u.id
        LEFT JOIN connections c ON c.created_by = u.id
        LEFT JOIN pipeline_executions pe ON EXISTS (
          SELECT 1 FROM pipelines p2 WHERE p2.id = pe.pipeline_id AND p2.created_by = u.id)
        GROUP BY u.id, u.username, u.email
        """
      try await harness.settle()
      try await PostgresConnection.with(harness.url) { connection in
        try await connection.execute("SET search_path = etl_builder")
        let own = try await connection.query("SELECT * FROM user_statistics ORDER BY id").rows
        let documented = try await connection.query("SELECT * FROM (\(printed)) AS x ORDER BY id").rows
        #expect(own == documented && own.count == 2)
        let ada = try #require(own.first { $0[0] == tenant.owner })
        #expect(ada[3] == "4" && ada[4] == "1" && ada[5] == "4")
      }
      let last = try await harness.objects(
        "SELECT * FROM etl_builder.pipelines_with_last_execution WHERE organization_id = '\(tenant.organization)'")
      #expect(Set(last.compactMap { $0["name"]?.stringValue }) == ["nightly", "p1", "p2"])
      for row in last {
        let pipeline = try #require(row["id"]?.stringValue)
        let newest = try PlatformChecks(harness, "etl_builder").states()
          .filter { $0.type == "run" && $0.fields["pipeline_id"]?.stringValue == pipeline }
          .max { PlatformChecks.madeBefore($0, $1) }
        #expect(row["last_execution_id"]?.stringValue == newest?.id.text)
        #expect(row["last_execution_status"] == newest?.fields["status"])
      }
    }
  }

  @Test func `the audit trail has what was done to the platform's members, as long as they are`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let elsewhere = try await harness.organization("elsewhere", platform: "django_etl")
      let stranger = try await harness.make(
        "user", ["email": "x@elsewhere.example", "username": "x", "organization_id": .string(elsewhere)])
      func user(_ name: String) async throws -> String {
        try await harness.make(
          "user",
          [
            "email": .string("\(name)@acme.example"), "username": .string(name),
            "organization_id": .string(tenant.organization),
          ])
      }
      let (gone, left) = (try await user("gone"), try await user("left"))
      try await harness.call("user.delete", ["id": .string(gone)])
      let membership = try await harness.settledRows("SELECT id FROM daybook.memberships WHERE user_id = '\(left)'")
      try await harness.call("membership.delete", ["id": .string(try #require(membership.first?.first ?? nil))])
      try await harness.call("user.edit", ["id": .string(left), "full_name": "Somewhere Else"])
      func events(of id: String) async throws -> [JSON] {
        try await harness.objects(
          "SELECT organization_id, metadata FROM etl_builder.audit_trail WHERE resource_id = '\(id)' ORDER BY id"
        ).map { row in
          #expect(row["organization_id"] == .null)
          return row["metadata"]?["event"] ?? .null
        }
      }
      #expect(
        try await events(of: tenant.owner) == ["user.created", "user.email_verified", "user.logged_in"])
      #expect(try await events(of: gone) == ["user.created", "user.deleted"])
      #expect(try await events(of: left) == ["user.created"])
      #expect(try await events(of: stranger) == [])
    }
  }

  @Test func `of executions that one commit recorded, the one made last is the last`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      var commands: [JSON] = []
      var last = ""
      for number in 0..<20 {
        // Ids that don't grow.
        last = "\(20 - number + 10)000000-0000-4000-8000-000000000000"
        commands.append([
          "method": "run.start",
          "params": ["id": .string(last), "pipeline_id": .string(tenant.pipeline), "trigger_type": "manual"],
        ])
      }
      try await harness.call("batch.apply", ["commands": .array(commands)])
      let row = try await harness.objects(
        "SELECT last_execution_id FROM etl_builder.pipelines_with_last_execution WHERE id = '\(tenant.pipeline)'")
      #expect(row.first?["last_execution_id"]?.stringValue == last)
    }
  }

  @Test func `a preview that has expired shows no more`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      try await harness.call(
        "run.preview",
        [
          "id": .string(tenant.run), "node_id": "old", "sample_data": [["a": 2]], "schema_info": [:],
          "expires_at": "2020-01-01T00:00:00Z",
        ])
      #expect(try await harness.settledRows("SELECT node_id FROM etl_builder.data_previews") == [["n2"]])
    }
  }

}

extension EtlBuilderTests.Tenant: PlatformSample {
  static let platform = "etl_builder"

  static func make(_ harness: TestReadModels, _ name: String) async throws -> Self {
    try await EtlBuilderTests.makeTenant(harness, name)
  }

  static func addStrangers(_ harness: TestReadModels, _ tenant: Self, _ other: Self) async throws -> RowRules {
    // Pipelines of other kinds, deleted things.
    let page = try await harness.make(
      "pipeline", ["organization_id": .string(tenant.organization), "name": "page", "kind": "page"])
    _ = try await harness.make("run", ["pipeline_id": .string(page), "trigger_type": "manual"])
    _ = try await harness.make(
      "run", ["organization_id": .string(tenant.organization), "code": "SELECT 1", "trigger_type": "manual"])
    let gone = try await harness.make(
      "pipeline",
      [
        "organization_id": .string(tenant.organization), "name": "gone", "schedule": "@daily",
        "config": ["nodes": [], "edges": []],
      ])
    _ = try await harness.make("run", ["pipeline_id": .string(gone), "trigger_type": "scheduled"])
    try await harness.call("pipeline.delete", ["id": .string(gone)])
    let auditor = try await harness.make(
      "user",
      [
        "email": "audit@acme.example", "username": "audit", "role": "auditor",
        "organization_id": .string(tenant.organization), "membership_role": "member",
      ])
    let left = try await harness.make(
      "user",
      ["email": "left@acme.example", "username": "left", "organization_id": .string(tenant.organization)])
    try await harness.call("user.delete", ["id": .string(left)])
    try await harness.call("notification.delete", ["id": .string(other.notification)])
    return RowRules(
      shown: EtlBuilderTests.shown,
      afterwards: {
        let user = try await harness.row("etl_builder.users", auditor)
        #expect(user["role"] == "viewer")
      })
  }

  func expectPersonalValues(_ connection: PostgresConnection, isGranted: Bool) async throws {
    let user = try await connection.query("SELECT id, email, username, password_hash, full_name FROM etl_builder.users")
    #expect(
      user.rows == [
        isGranted ? [owner, "ada@acme.example", "ada-acme", "!", "Ada Lovelace"] : [owner, "!", "!", "!", nil]
      ])
    let organizations = try await connection.query("SELECT id FROM etl_builder.organizations")
    #expect(organizations.rows == [[organization]])
    let messages = try await connection.query("SELECT message FROM etl_builder.execution_logs ORDER BY timestamp")
    #expect(messages.rows == (isGranted ? [["slow at acme"], ["and on"]] : [["!"], ["!"]]))
    let previews = try await connection.query("SELECT schema_info FROM etl_builder.data_previews")
    #expect(previews.rows == [[isGranted ? "{\"a\": \"integer\"}" : "{}"]])
    await #expect(throws: PostgresError.self) {
      try await connection.execute("UPDATE etl_builder.organizations SET name = 'x'")
    }
    try await connection.execute("SELECT etl_builder.cleanup_expired_data()")
  }
}
