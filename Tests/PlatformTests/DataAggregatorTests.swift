import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Testing

/// The schema of the Data Aggregator Platform: what a client of that platform's own database finds.
@Suite struct DataAggregatorTests {
  static let platform = Tenant.platform
  /// Columns that show who made the resource where nobody owns it.
  static let makers: Set<String> = [
    "pipelines.owner_id", "connectors.owner_id", "transformations.owner_id", "pipeline_templates.owner_id",
    "transformation_functions.owner_id", "schema_mappings.owner_id", "file_uploads.owner_id", "alert_rules.owner_id",
    "alert_escalation_policies.owner_id", "dashboard_layouts.user_id",
  ]

  /// A tenant of the platform in which something is set in every column.
  struct Tenant {
    var organization = ""
    var owner = ""
    /// What was made, by table.
    var made: [String: String] = [:]

    subscript(_ table: String) -> String { made[table] ?? "nothing made" }
  }

  static func makeTenant(_ harness: TestReadModels, _ name: String) async throws -> Tenant {
    var tenant = Tenant()
    tenant.organization = try await harness.organization(name, platform: platform)
    tenant.owner = try await harness.make(
      "user",
      [
        "email": .string("grace@\(name).example"), "full_name": "Grace Hopper", "role": "editor",
        "organization_id": .string(tenant.organization), "membership_role": "owner", "password": "correct horse 9",
      ])
    try await harness.call("user.verify_email", ["id": .string(tenant.owner)])
    let principal = try harness.principal(of: tenant.owner)
    try await makePipelines(harness, &tenant, principal)
    try await makeLibrary(harness, &tenant, principal, name)
    try await makeFiles(harness, &tenant, principal)
    try await makeAlerts(harness, &tenant, principal)
    try await makeComfort(harness, &tenant, principal, name)
    return tenant
  }

  private static func makePipelines(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal
  ) async throws {
    let pipeline = try await harness.make(
      "pipeline",
      [
        "organization_id": .string(tenant.organization), "name": "orders", "description": "All orders",
        "source_config": ["table": "orders"], "transformation_config": ["drop": ["secret"]],
        "destination_config": ["bucket": "lake"], "schedule": "*/5 * * * *", "visual_definition": ["zoom": 1.5],
        "owner_id": .string(tenant.owner), "status": "active",
      ], as: principal)
    tenant.made["pipelines"] = pipeline
    try await harness.call(
      "pipeline.edit",
      ["id": .string(pipeline), "description": "All paid orders", "reason": "only what is paid counts"], as: principal)
    try await harness.call(
      "pipeline.name_version", ["id": .string(pipeline), "version_number": 2, "name": "paid only"], as: principal)
    let failed = try await harness.make(
      "run", ["pipeline_id": .string(pipeline), "trigger_type": "manual"], as: principal)
    tenant.made["pipeline_runs"] = failed
    try await harness.call("run.begin", ["id": .string(failed), "at": "2025-10-03T02:00:00Z"], as: principal)
    try await harness.call(
      "run.finish",
      [
        "id": .string(failed), "at": "2025-10-03T02:01:00Z", "status": "failed", "error_message": "disk full",
        "rows_processed": 77, "execution_log": [["step": "load", "ok": false]],
      ], as: principal)
    let logged = try await harness.make(
      "run", ["pipeline_id": .string(pipeline), "trigger_type": "scheduled"], as: principal)
    tenant.made["logged"] = logged
    try await harness.call(
      "run.log",
      [
        "id": .string(logged),
        "lines": [
          ["at": "2025-10-03T03:00:02Z", "level": "ERROR", "node_id": "n2", "message": "second"],
          ["at": "2025-10-03T03:00:01Z", "message": "first", "metadata": ["rows": 3]],
        ],
      ], as: principal)
    try await harness.call("run.finish", ["id": .string(logged), "status": "completed"], as: principal)
    tenant.made["connectors"] = try await harness.make(
      "connection",
      [
        "organization_id": .string(tenant.organization), "name": "shop", "type": "postgresql",
        "config": ["host": "db.example", "password": "hunter2"], "owner_id": .string(tenant.owner),
      ], as: principal)
  }

  private static func makeLibrary(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal, _ name: String
  ) async throws {
    let owned: JSONObject = ["organization_id": .string(tenant.organization), "owner_id": .string(tenant.owner)]
    tenant.made["transformations"] = try await harness.make(
      "transformation",
      owned.merging([
        "name": "paid", "transformation_type": "filter", "transformation_code": "row.paid", "config": ["strict": true],
        "is_active": false,
      ]), as: principal)
    let template = try await harness.make(
      "pipeline_template",
      owned.merging([
        "name": "nightly", "description": "Every night", "category": "quality",
        "template_config": ["schedule": "@daily"], "is_public": true, "tags": ["night", "quality"],
      ]), as: principal)
    tenant.made["pipeline_templates"] = template
    try await harness.call("pipeline_template.use", ["id": .string(template)], as: principal)
    let function = try await harness.make(
      "transformation_function",
      owned.merging([
        "name": .string("trim_\(name)"), "display_name": "Trim", "description": "Trims", "category": "map",
        "function_type": "python", "function_code": "return x.strip()", "parameters": ["x": "string"],
        "example_usage": "trim(' a ')", "is_public": true, "tags": ["text"],
      ]), as: principal)
    tenant.made["transformation_functions"] = function
    try await harness.call("transformation_function.use", ["id": .string(function)], as: principal)
    tenant.made["schema_mappings"] = try await harness.make(
      "schema_mapping",
      owned.merging([
        "name": "orders", "source_schema": ["a": "int"], "destination_schema": ["b": "text"],
        "field_mappings": ["a": "b"], "transformation_rules": ["a": "str"], "is_active": false,
      ]), as: principal)
  }

  private static func makeFiles(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal
  ) async throws {
    let file = try await harness.make(
      "file",
      [
        "organization_id": .string(tenant.organization), "filename": "orders.csv", "file_path": "/in/orders.csv",
        "file_type": "csv", "file_size": 10, "mime_type": "text/csv", "total_chunks": 2, "metadata": ["delimiter": ";"],
        "is_temporary": false, "expires_at": "2099-01-01T00:00:00Z", "owner_id": .string(tenant.owner),
        "pipeline_id": .string(tenant["pipelines"]),
      ], as: principal)
    tenant.made["file_uploads"] = file
    try await harness.call("file.add_chunk", ["id": .string(file), "index": 0, "size_bytes": 4], as: principal)
    try await harness.call("file.add_chunk", ["id": .string(file), "index": 1, "size_bytes": 6], as: principal)
    try await harness.call(
      "file.complete", ["id": .string(file), "file_hash": .string(String(repeating: "ab", count: 32))], as: principal)
    let output = try await harness.make(
      "file",
      [
        "organization_id": .string(tenant.organization), "filename": "orders.json", "file_path": "/out/orders.json",
        "file_type": "json", "file_size": 20,
      ], as: principal)
    let job = try await harness.make(
      "file_job", ["file_id": .string(file), "job_type": "conversion"], as: principal)
    tenant.made["file_processing_jobs"] = job
    try await harness.call("file_job.begin", ["id": .string(job)], as: principal)
    try await harness.call("file_job.progress", ["id": .string(job), "progress": 40], as: principal)
    try await harness.call(
      "file_job.finish",
      [
        "id": .string(job), "status": "completed", "result_data": ["rows": 12], "error_message": "one line skipped",
        "output_file_id": .string(output),
      ], as: principal)
  }

  private static func makeAlerts(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal
  ) async throws {
    let owned: JSONObject = ["organization_id": .string(tenant.organization), "owner_id": .string(tenant.owner)]
    let policy = try await harness.make(
      "escalation_policy",
      owned.merging([
        "name": "on call", "description": "Who is up",
        "levels": [
          [
            "after_minutes": 5, "severity": "critical", "notify_user_ids": [.string(tenant.owner)],
            "channels": ["slack"],
          ]
        ],
      ]), as: principal)
    tenant.made["alert_escalation_policies"] = policy
    let rule = try await harness.make(
      "alert_rule",
      owned.merging([
        "name": "slow", "description": "Too slow", "metric": "duration_seconds", "threshold": 12.5, "operator": "gte",
        "severity": "high", "cooldown_minutes": 15, "notification_channels": ["email", "webhook"],
        "escalation_policy_id": .string(policy),
      ]), as: principal)
    tenant.made["alert_rules"] = rule
    let raised = try await harness.call(
      "alert.raise",
      [
        "organization_id": .string(tenant.organization), "rule_id": .string(rule), "severity": "high",
        "metric_value": 97.5, "message": "It took 97.5 s", "context": ["node": "n1"],
      ], as: principal)
    let alert = try #require(raised["id"]?.stringValue)
    tenant.made["alerts"] = alert
    try await harness.call("alert.escalate", ["id": .string(alert)], as: principal)
    try await harness.call("alert.acknowledge", ["id": .string(alert)], as: principal)
    try await harness.call("alert.resolve", ["id": .string(alert)], as: principal)
  }

  private static func makeComfort(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal, _ name: String
  ) async throws {
    tenant.made["user_preferences"] = try await harness.make(
      "user_preferences",
      [
        "organization_id": .string(tenant.organization), "user_id": .string(tenant.owner), "theme": "dark",
        "language": "fr", "timezone": "Europe/Paris", "date_format": "DD.MM.YYYY", "time_format": "12h",
        "notifications_enabled": false, "email_notifications": false, "dashboard_refresh_interval": 90,
        "accessibility_mode": true, "custom_settings": ["font": "large"],
      ], as: principal)
    let dashboard = try await harness.make(
      "dashboard",
      [
        "organization_id": .string(tenant.organization), "user_id": .string(tenant.owner), "name": "Morning",
        "description": "What happened", "layout_config": ["widgets": [1]], "is_shared": true,
      ], as: principal)
    tenant.made["dashboard_layouts"] = dashboard
    try await harness.call(
      "dashboard.edit", ["id": .string(dashboard), "layout_config": ["widgets": [1, 2]]], as: principal)
    try await harness.call("dashboard.set_default", ["id": .string(dashboard)], as: principal)
    try await harness.call(
      "system.log",
      [
        "organization_id": .string(tenant.organization), "at": "2025-10-03T04:00:00Z", "level": "CRITICAL",
        "message": .string("out of memory at \(name)"), "logger_name": "api.loader", "module": "loader",
        "function_name": "load", "line_number": 42, "correlation_id": "corr-1", "user_id": .string(tenant.owner),
        "request_id": "req-1", "request_method": "POST", "request_path": "/load", "request_ip": "2001:db8::1",
        "duration_ms": 1500, "memory_usage_mb": 512.25, "exception_type": "MemoryError",
        "exception_message": "no more", "stack_trace": "at load:42", "extra_data": ["retry": 1],
      ], as: principal)
  }

  // MARK: - Columns and values

  @Test func `what commands set comes out of the documented columns`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let checks = try PlatformChecks(harness, Self.platform)
      let me = try checks.number(of: tenant.owner)

      let user = try await checks.row("users", of: tenant.owner)
      #expect(user["email"] == "grace@acme.example" && user["full_name"] == "Grace Hopper" && user["role"] == "editor")
      #expect(user["hashed_password"] == "!" && user["is_active"] == true && user["is_verified"] == true)

      let pipeline = try await checks.row("pipelines", of: tenant["pipelines"])
      #expect(pipeline["source_config"] == ["table": "orders"] && pipeline["destination_config"] == ["bucket": "lake"])
      #expect(pipeline["transformation_config"] == ["drop": ["secret"]] && pipeline["schedule"] == "*/5 * * * *")
      #expect(pipeline["visual_definition"] == ["zoom": 1.5] && pipeline["is_active"] == true)
      #expect(pipeline["owner_id"] == me && pipeline["description"] == "All paid orders")

      let versions = try await harness.objects(
        "SELECT * FROM data_aggregator.pipeline_versions ORDER BY version_number")
      #expect(versions.map { $0["version_number"] ?? .null } == [1, 2])
      #expect(versions.map { $0["is_active"] ?? .null } == [false, true])
      #expect(versions.allSatisfy { $0["pipeline_id"] == pipeline["id"] && $0["created_by"] == me })
      #expect(versions[0]["snapshot"]?["description"] == "All orders" && versions[0]["version_name"] == .null)
      #expect(
        versions[1]["snapshot"]?["description"] == "All paid orders" && versions[1]["version_name"] == "paid only")
      #expect(versions[1]["change_description"] == "only what is paid counts")

      let connector = try await checks.row("connectors", of: tenant["connectors"])
      #expect(connector["connector_type"] == "postgresql" && connector["config"]?["host"] == "db.example")
      #expect(connector["config"]?["password"]?["$sealed"] != nil && connector["owner_id"] == me)

      let file = try await checks.row("file_uploads", of: tenant["file_uploads"])
      #expect(file["upload_progress"] == 100 && file["uploaded_chunks"] == 2 && file["total_chunks"] == 2)
      #expect(
        file["file_hash"]?.stringValue == String(repeating: "ab", count: 32) && file["metadata"] == ["delimiter": ";"])
      #expect(file["pipeline_id"] == pipeline["id"] && file["is_temporary"] == false && file["status"] == "completed")
      let job = try await checks.row("file_processing_jobs", of: tenant["file_processing_jobs"])
      #expect(job["status"] == "completed" && job["progress"] == 100 && job["result_data"] == ["rows": 12])
      #expect(job["file_id"] == file["id"] && job["output_file_id"] != file["id"] && job["completed_at"] != .null)

      let preferences = try await checks.row("user_preferences", of: tenant["user_preferences"])
      #expect(preferences["user_id"] == me && preferences["accessibility_mode"] == true)
      #expect(preferences["custom_settings"] == ["font": "large"] && preferences["theme"] == "dark")
      let layout = try await checks.row("dashboard_layouts", of: tenant["dashboard_layouts"])
      #expect(layout["version"] == 2 && layout["is_default"] == true && layout["layout_config"] == ["widgets": [1, 2]])
    }
  }

  @Test func `runs show the documented words, and their lines where no log was given`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let checks = try PlatformChecks(harness, Self.platform)
      let failed = try await checks.row("pipeline_runs", of: tenant["pipeline_runs"])
      #expect(
        failed["status"] == "failed" && failed["records_processed"] == 77 && failed["error_message"] == "disk full")
      #expect(failed["execution_log"] == [["step": "load", "ok": false]])
      #expect(failed["pipeline_id"] == (try checks.number(of: tenant["pipelines"])))
      let logged = try await checks.row("pipeline_runs", of: tenant["logged"])
      #expect(logged["status"] == "completed" && logged["records_processed"] == 0)
      let lines = try #require(logged["execution_log"]?.arrayValue)
      #expect(lines.map { $0["message"] ?? .null } == ["first", "second"])
      #expect(lines[0]["metadata"] == ["rows": 3] && lines[0]["level"] == "INFO" && lines[1]["node_id"] == "n2")
      #expect(
        try await harness.settledRows("SELECT id FROM data_aggregator.pipeline_runs WHERE status = 'completed'")
          == [[logged["id"]?.canonicalString]])
    }
  }

  @Test func `alerts, their rules and policies, and system logs show all that was told`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let checks = try PlatformChecks(harness, Self.platform)
      let me = try checks.number(of: tenant.owner)
      let rule = try await checks.row("alert_rules", of: tenant["alert_rules"])
      #expect(rule["threshold"] == 12.5 && rule["operator"] == "gte" && rule["cooldown_minutes"] == 15)
      #expect(rule["notification_channels"] == ["email", "webhook"] && rule["owner_id"] == me)
      let policy = try await checks.row("alert_escalation_policies", of: tenant["alert_escalation_policies"])
      #expect(rule["escalation_policy_id"] == policy["id"] && policy["levels"]?.arrayValue?.count == 1)
      let alert = try await checks.row("alerts", of: tenant["alerts"])
      #expect(alert["rule_id"] == rule["id"] && alert["metric_value"] == 97.5 && alert["message"] == "It took 97.5 s")
      #expect(alert["severity"] == "critical" && alert["status"] == "resolved" && alert["context"] == ["node": "n1"])
      #expect(alert["acknowledged_by"] == me && alert["resolved_by"] == me && alert["resolution_type"] == "manual")
      #expect(alert["escalation_level"] == 1 && alert["notifications_sent"]?.arrayValue?.count == 1)
      let logs = try await harness.objects("SELECT * FROM data_aggregator.system_logs")
      try #require(logs.count == 1)
      for (column, value) in [
        ("level", "CRITICAL"), ("message", "out of memory at acme"), ("logger_name", "api.loader"),
        ("module", "loader"), ("function_name", "load"), ("line_number", 42), ("correlation_id", "corr-1"),
        ("user_id", me), ("request_id", "req-1"), ("request_method", "POST"), ("request_path", "/load"),
        ("request_ip", "2001:db8::1"), ("duration_ms", 1500), ("memory_usage_mb", 512.25),
        ("exception_type", "MemoryError"), ("exception_message", "no more"), ("stack_trace", "at load:42"),
        ("extra_data", ["retry": 1]),
      ] as [(String, JSON)] {
        #expect(logs[0][column] == value, "system_logs.\(column)")
      }
      #expect(
        logs[0]["created_at"]?.stringValue.flatMap { PlatformChecks.moment($0) } == Timestamp("2025-10-03T04:00:00Z"))
    }
  }

  @Test func `what is built in belongs to every organization of the platform`() async throws {
    try await TestReadModels.with { harness in
      let builtin = try await harness.make(
        "pipeline_template",
        ["name": "base", "category": "etl", "template_config": ["schedule": "@daily"], "is_builtin": true])
      let function = try await harness.make(
        "transformation_function",
        [
          "name": "upper", "display_name": "Upper", "category": "map", "function_type": "sql",
          "function_code": "upper(x)", "is_builtin": true,
        ])
      let checks = try PlatformChecks(harness, Self.platform)
      #expect(try await checks.row("pipeline_templates", of: builtin)["is_builtin"] == true)
      #expect(try await checks.row("transformation_functions", of: function)["owner_id"] == .null)
    }
  }
}

extension DataAggregatorTests.Tenant: PlatformSample {
  static let platform = "data_aggregator"

  static func make(_ harness: TestReadModels, _ name: String) async throws -> Self {
    try await DataAggregatorTests.makeTenant(harness, name)
  }

  static func addStrangers(_ harness: TestReadModels, _ tenant: Self, _ other: Self) async throws -> RowRules {
    let page = try await harness.make(
      "pipeline", ["organization_id": .string(tenant.organization), "name": "page", "kind": "page"])
    _ = try await harness.make("run", ["pipeline_id": .string(page), "trigger_type": "manual"])
    _ = try await harness.make(
      "run", ["organization_id": .string(tenant.organization), "code": "SELECT 1", "trigger_type": "manual"])
    // Nobody owns it: it shows who made it, and for the system nobody.
    _ = try await harness.make(
      "transformation",
      ["organization_id": .string(tenant.organization), "name": "lost", "transformation_type": "map"])
    _ = try await harness.make(
      "transformation",
      ["organization_id": .string(tenant.organization), "name": "found", "transformation_type": "map"],
      as: try harness.principal(of: tenant.owner))
    try await harness.call("transformation.delete", ["id": .string(tenant["transformations"])])
    let checks = try PlatformChecks(harness, platform)
    var shown = try checks.shownNumbers(fallsBack: DataAggregatorTests.makers)
    let logged = try await harness.objects(
      "SELECT id, execution_log FROM data_aggregator.pipeline_runs WHERE execution_log @> '[{\"message\": \"first\"}]'"
    )
    #expect(logged.count == 2)
    let lines = Dictionary(
      uniqueKeysWithValues: logged.map { ($0["id"]?.canonicalString ?? "", $0["execution_log"] ?? .null) })
    shown["pipeline_runs.execution_log"] = { value, state in
      value ?? state.fields["number"].flatMap { lines[$0.canonicalString] }
    }
    return RowRules(shown: shown)
  }

  func expectPersonalValues(_ connection: PostgresConnection, isGranted: Bool) async throws {
    let users = try await connection.query("SELECT email FROM data_aggregator.users")
    #expect(users.rows == [[isGranted ? "grace@acme.example" : "!"]])
    let logs = try await connection.query("SELECT message FROM data_aggregator.system_logs")
    #expect(logs.rows == [[isGranted ? "out of memory at acme" : "!"]])
  }
}
