import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Testing

/// The schema of ETLab: what a client of that platform's own database finds.
@Suite struct ETLabTests {
  static let platform = Tenant.platform

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
        "email": .string("alan@\(name).example"), "display_name": "Alan Turing",
        "avatar_url": "https://img.example/a.png", "organization_id": .string(tenant.organization),
        "membership_role": "owner", "password": "correct horse 9",
      ])
    let principal = try harness.principal(of: tenant.owner)
    let workspace = try await harness.make(
      "workspace",
      [
        "organization_id": .string(tenant.organization), "name": "Lab", "description": "Where we try things",
        "settings": ["theme": "dark"],
      ], as: principal)
    tenant.made["workspaces"] = workspace
    tenant.made["workspace_share_links"] = try await harness.make(
      "share_link",
      ["workspace_id": .string(workspace), "role": "editor", "expires_at": "2099-01-01T00:00:00Z"], as: principal)
    tenant.made["spark_connections"] = try await harness.make(
      "connection",
      [
        "organization_id": .string(tenant.organization), "name": "cluster", "type": "databricks", "is_default": true,
        "config": ["host": "https://x.cloud.example", "token": "dapi-1", "cluster_id": "0123-456789-abc123"],
      ], as: principal)
    tenant.made["schema_definitions"] = try await harness.make(
      "schema_definition",
      [
        "workspace_id": .string(workspace), "name": "people", "description": "Who is there",
        "columns": [
          ["name": "id", "type": "integer", "nullable": false, "description": "Primary key"],
          ["name": "seen", "type": "timestamp"],
        ],
      ], as: principal)
    try await makePipelines(harness, &tenant, principal)
    try await makeRuns(harness, &tenant, principal, name)
    return tenant
  }

  private static func makePipelines(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal
  ) async throws {
    let page = try await harness.make(
      "pipeline",
      [
        "kind": "page", "workspace_id": .string(tenant["workspaces"]), "name": "Ingest", "description": "Reads CSV",
        "nodes": [
          [
            "id": "node-1", "type": "source", "position": ["x": 100, "y": 200],
            "data": ["label": "Read CSV", "config": ["path": "a.csv"]],
          ],
          ["id": "node-2", "type": "sink", "position": ["x": 300, "y": 200], "data": ["label": "Write"]],
        ],
        "edges": [["id": "e1", "source": "node-1", "target": "node-2"]], "generated_code": "spark.read.csv('a.csv')",
        "metadata": ["color": "red"],
      ], as: principal)
    tenant.made["pages"] = page
    let dag = try await harness.make(
      "pipeline",
      [
        "kind": "dag", "workspace_id": .string(tenant["workspaces"]), "dag_id": "daily_ingest", "name": "Daily",
        "description": "Every day",
        "schedule": ["interval": "@daily", "start_date": "2024-01-01", "catchup": false],
        "default_args": ["retries": 2],
        "tasks": [
          [
            "id": "task-1", "type": "spark_submit", "name": "process_data",
            "config": ["page_id": .string(page), "connection_id": .string(tenant["spark_connections"])],
          ],
          ["id": "task-2", "type": "spark_submit", "name": "check", "config": ["page_id": .string(page)]],
        ],
        "edges": [["source": "task-1", "target": "task-2"]], "generated_code": "dag = DAG('daily_ingest')",
      ], as: principal)
    tenant.made["dag_definitions"] = dag
    try await harness.call("pipeline.mark_synced", ["id": .string(dag)], as: principal)
  }

  private static func makeRuns(
    _ harness: TestReadModels, _ tenant: inout Tenant, _ principal: Principal, _ name: String
  ) async throws {
    let execution = try await harness.make(
      "run",
      [
        "pipeline_id": .string(tenant["pages"]), "connection_id": .string(tenant["spark_connections"]),
        "code": "df.show()", "trigger_type": "manual",
      ], as: principal)
    tenant.made["execution_history"] = execution
    try await harness.call("run.begin", ["id": .string(execution)], as: principal)
    try await harness.call(
      "run.log",
      [
        "id": .string(execution),
        "lines": [
          ["at": "2024-01-15T10:30:02Z", "message": "done"],
          ["at": "2024-01-15T10:30:01Z", "message": .string("started at \(name)")],
        ],
      ], as: principal)
    try await harness.call(
      "run.finish",
      [
        "id": .string(execution), "status": "failed", "error_message": "no memory", "result_summary": ["rows": 3],
      ], as: principal)
    tenant.made["ad hoc"] = try await harness.make(
      "run", ["organization_id": .string(tenant.organization), "code": "1 + 1", "trigger_type": "manual"],
      as: principal)
    tenant.made["generated"] = try await harness.make(
      "run", ["pipeline_id": .string(tenant["pages"]), "trigger_type": "manual"], as: principal)
    try await harness.call("run.finish", ["id": .string(tenant["generated"]), "status": "completed"], as: principal)
    let dagRun = try await harness.make(
      "run",
      [
        "pipeline_id": .string(tenant["dag_definitions"]), "dag_run_id": "scheduled__2024-01-15",
        "trigger_type": "scheduled",
      ], as: principal)
    tenant.made["dag_executions"] = dagRun
    try await harness.call("run.begin", ["id": .string(dagRun)], as: principal)
    try await harness.call(
      "run.set_task_states",
      [
        "id": .string(dagRun),
        "task_states": [
          "task-1": ["state": "success", "duration": 45.2],
          "task-2": ["state": "running", "started_at": "2024-01-15T10:30:00Z"],
        ],
      ], as: principal)
    try await harness.call(
      "run.finish", ["id": .string(dagRun), "status": "failed", "error_message": "task-2 died"], as: principal)
    tenant.made["queued"] = try await harness.make(
      "run", ["pipeline_id": .string(tenant["dag_definitions"]), "trigger_type": "scheduled"], as: principal)
  }

  // MARK: - Columns and values

  @Test func `what commands set comes out of the documented columns`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let user = try await harness.row("etlab.users", tenant.owner)
      #expect(user["email"] == "alan@acme.example" && user["name"] == "Alan Turing" && user["password_hash"] == "!")
      #expect(user["avatar_url"] == "https://img.example/a.png" && user["is_active"] == true)
      let workspace = try await harness.row("etlab.workspaces", tenant["workspaces"])
      #expect(workspace["name"] == "Lab" && workspace["owner_id"]?.stringValue == tenant.owner)
      #expect(workspace["description"] == "Where we try things" && workspace["settings"] == ["theme": "dark"])
      let members = try await harness.objects("SELECT * FROM etlab.workspace_members")
      #expect(members.map { $0["role"] ?? .null } == ["owner"] && members[0]["user_id"]?.stringValue == tenant.owner)
      let link = try await harness.row("etlab.workspace_share_links", tenant["workspace_share_links"])
      #expect(
        link["token"] == .string("!\(tenant["workspace_share_links"])") && link["role"] == "editor"
          && link["is_active"] == true)
      #expect(
        link["expires_at"]?.stringValue.flatMap { PlatformChecks.moment($0) } == Timestamp("2099-01-01T00:00:00Z"))
      let connection = try await harness.row("etlab.spark_connections", tenant["spark_connections"])
      #expect(connection["connection_type"] == "databricks" && connection["is_default"] == true)
      #expect(connection["user_id"]?.stringValue == tenant.owner && connection["name"] == "cluster")
      #expect(connection["config"]?["cluster_id"] == "0123-456789-abc123")
      #expect(connection["config"]?["token"]?["$sealed"] != nil)
      let schema = try await harness.row("etlab.schema_definitions", tenant["schema_definitions"])
      #expect(schema["columns"]?.arrayValue?.map { $0["type"] ?? .null } == ["integer", "timestamp"])
      #expect(schema["workspace_id"]?.stringValue == tenant["workspaces"] && schema["description"] == "Who is there")
    }
  }

  @Test func `pages, DAGs and their runs show what commands set, in the documented words`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let page = try await harness.row("etlab.pages", tenant["pages"])
      #expect(page["nodes"]?.arrayValue?.count == 2 && page["edges"]?.arrayValue?.count == 1)
      #expect(page["generated_code"] == "spark.read.csv('a.csv')" && page["metadata"] == ["color": "red"])
      #expect(page["workspace_id"]?.stringValue == tenant["workspaces"])
      let dag = try await harness.row("etlab.dag_definitions", tenant["dag_definitions"])
      #expect(dag["dag_id"] == "daily_ingest" && dag["sync_status"] == "synced" && dag["last_synced_at"] != .null)
      #expect(dag["schedule"] == ["interval": "@daily", "start_date": "2024-01-01", "catchup": false])
      #expect(dag["default_args"] == ["retries": 2] && dag["tasks"]?.arrayValue?.count == 2)

      let execution = try await harness.row("etlab.execution_history", tenant["execution_history"])
      #expect(execution["user_id"]?.stringValue == tenant.owner && execution["code"] == "df.show()")
      #expect(execution["page_id"]?.stringValue == tenant["pages"] && execution["status"] == "failed")
      #expect(execution["connection_id"]?.stringValue == tenant["spark_connections"])
      #expect(execution["logs"] == "started at acme\ndone" && execution["error"] == "no memory")
      #expect(execution["result_summary"] == ["rows": 3])
      let adHoc = try await harness.row("etlab.execution_history", tenant["ad hoc"])
      #expect(adHoc["page_id"] == .null && adHoc["code"] == "1 + 1" && adHoc["status"] == "pending")
      let generated = try await harness.row("etlab.execution_history", tenant["generated"])
      #expect(generated["code"] == "spark.read.csv('a.csv')" && generated["status"] == "completed")

      let dagRun = try await harness.row("etlab.dag_executions", tenant["dag_executions"])
      #expect(dagRun["dag_definition_id"]?.stringValue == tenant["dag_definitions"] && dagRun["status"] == "failed")
      #expect(dagRun["dag_run_id"] == "scheduled__2024-01-15" && dagRun["error"] == "task-2 died")
      #expect(dagRun["task_states"]?["task-1"]?["state"] == "success")
      #expect(dagRun["started_at"] != .null && dagRun["completed_at"] != .null)
      #expect(
        try await harness.settledRows("SELECT id::text FROM etlab.dag_executions WHERE status = 'queued'")
          == [[tenant["queued"]]])
    }
  }
}

extension ETLabTests.Tenant: PlatformSample {
  static let platform = "etlab"

  static func make(_ harness: TestReadModels, _ name: String) async throws -> Self {
    try await ETLabTests.makeTenant(harness, name)
  }

  static func addStrangers(_ harness: TestReadModels, _ tenant: Self, _ other: Self) async throws -> RowRules {
    // A flow is neither a page nor a DAG, and its runs are nobody's executions.
    let flow = try await harness.make(
      "pipeline", ["organization_id": .string(tenant.organization), "name": "flow"])
    _ = try await harness.make("run", ["pipeline_id": .string(flow), "trigger_type": "manual"])
    let gone = try await harness.make(
      "workspace", ["organization_id": .string(tenant.organization), "name": "gone"],
      as: try harness.principal(of: tenant.owner))
    _ = try await harness.make(
      "pipeline",
      [
        "organization_id": .string(tenant.organization), "kind": "page", "workspace_id": .string(gone),
        "name": "page",
      ])
    try await harness.call("workspace.delete", ["id": .string(gone)])
    return RowRules(shown: ["execution_history.code": { value, _ in value ?? "spark.read.csv('a.csv')" }])
  }

  func expectPersonalValues(_ connection: PostgresConnection, isGranted: Bool) async throws {
    let users = try await connection.query("SELECT email FROM etlab.users")
    #expect(users.rows == [[isGranted ? "alan@acme.example" : "!"]])
    let history = try await connection.query(
      "SELECT logs FROM etlab.execution_history WHERE id = $1::uuid", [.text(self["execution_history"])])
    #expect(history.rows == [[isGranted ? "started at acme\ndone" : nil]])
  }
}
