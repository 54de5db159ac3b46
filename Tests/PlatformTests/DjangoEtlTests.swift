import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Testing

/// The schema of Django ETL: what a client of that platform's own database finds.
@Suite struct DjangoEtlTests {
  /// A tenant of the platform in which something is set in every column.
  struct Tenant {
    let organization: String
    let owner: String
    let credential: String
    let connector: String
    let pipeline: String
    let steps: [String]
    let run: String
    let tasks: [String]
    let alert: String
    let edge: String
  }

  static func makeTenant(_ harness: TestReadModels, _ name: String) async throws -> Tenant {
    let organization = try await harness.organization(name, platform: "django_etl", ["settings": ["region": "eu"]])
    let owner = try await harness.make(
      "user",
      [
        "email": .string("grace@\(name).example"), "username": .string("grace-\(name)"), "first_name": "Grace",
        "last_name": "Hopper", "is_staff": true, "is_superuser": false, "preferences": ["theme": "dark"],
        "role": "developer", "organization_id": .string(organization), "membership_role": "owner",
      ])
    let principal = try harness.principal(of: owner)
    try await harness.engine.recordSignIn(of: principal, from: Origin(ip: "192.0.2.7", userAgent: "tests"))
    let credential = try await harness.make(
      "credential",
      [
        "organization_id": .string(organization), "name": "warehouse", "data": ["password": "hunter2"],
        "expires_at": "2099-01-01T00:00:00Z",
      ], as: principal)
    let connector = try await harness.make(
      "connection",
      [
        "organization_id": .string(organization), "name": "warehouse", "type": "database",
        "config": ["host": "db.example", "password": "hunter2"], "credential_id": .string(credential),
      ], as: principal)
    let steps = [Identifier.version7(at: .now).text, Identifier.version7(at: .now).text]
    let pipeline = try await harness.make(
      "pipeline",
      [
        "organization_id": .string(organization), "name": "nightly", "description": "Every night",
        "config": ["retries": 3], "metadata": ["tags": ["finance"]], "version_label": "2.1.0",
        "steps": [
          [
            "id": .string(steps[0]), "name": "pull", "order_index": 0, "step_type": "extract",
            "config": ["table": "orders"], "is_parallel": true,
          ],
          [
            "id": .string(steps[1]), "name": "shape", "order_index": 1, "step_type": "transform",
            "config": ["drop": ["x"]], "dependencies": [.string(steps[0])],
          ],
        ],
      ], as: principal)
    let run = try await harness.make(
      "run",
      [
        "pipeline_id": .string(pipeline), "trigger_type": "webhook", "triggered_by": .string(owner),
        "context": ["ENV": "prod"],
      ], as: principal)
    try await harness.call("run.begin", ["id": .string(run), "at": "2025-01-10T02:00:00Z"], as: principal)
    var tasks: [String] = []
    for (index, step) in steps.enumerated() {
      let task = try await harness.make(
        "task_run",
        [
          "run_id": .string(run), "step_id": .string(step), "name": .string("task \(index)"),
          "input_data": ["from": .integer(Int64(index))],
        ], as: principal)
      try await harness.call(
        "task_run.begin", ["id": .string(task), "at": .string("2025-01-10T02:0\(index):00Z")], as: principal)
      try await harness.call(
        "task_run.log",
        [
          "id": .string(task),
          "lines": [
            ["at": "2025-01-10T02:00:05Z", "message": .string("second of \(index)")],
            ["at": "2025-01-10T02:00:04Z", "message": .string("first of \(index)")],
          ],
        ], as: principal)
      if index == 0 {
        try await harness.call(
          "task_run.finish", ["id": .string(task), "status": "failed", "at": "2025-01-10T02:00:30Z"], as: principal)
        try await harness.call("task_run.retry", ["id": .string(task)], as: principal)
        try await harness.call("task_run.begin", ["id": .string(task)], as: principal)
      }
      try await harness.call(
        "task_run.finish",
        ["id": .string(task), "status": "success", "output_data": ["rows": 9], "metrics": ["rows": 9]], as: principal)
      tasks.append(task)
    }
    try await harness.call(
      "run.finish",
      ["id": .string(run), "status": "timeout", "at": "2025-01-10T03:00:00Z", "metrics": ["cpu": 12.5]], as: principal)
    let alert = try await harness.make(
      "alert",
      [
        "organization_id": .string(organization), "run_id": .string(run), "task_run_id": .string(tasks[0]),
        "level": "error", "alert_type": "task_failed", "message": "It failed", "context": ["attempt": 1],
      ], as: principal)
    try await harness.call("alert.resolve", ["id": .string(alert)], as: principal)
    let edge = try await harness.make(
      "lineage_edge",
      [
        "organization_id": .string(organization), "source_id": .string(tasks[0]), "target_id": .string(tasks[1]),
        "relationship_type": "aggregated", "metadata": ["columns": ["total"]],
      ], as: principal)
    return Tenant(
      organization: organization, owner: owner, credential: credential, connector: connector, pipeline: pipeline,
      steps: steps, run: run, tasks: tasks, alert: alert, edge: edge)
  }

  @Test func `what commands set comes out of the documented columns`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let user = try await harness.row("django_etl.auth_user", tenant.owner)
      #expect(user["password"] == "!" && user["username"] == "grace-acme" && user["email"] == "grace@acme.example")
      #expect(user["first_name"] == "Grace" && user["last_name"] == "Hopper" && user["is_staff"] == true)
      #expect(user["preferences"] == ["theme": "dark"] && user["last_login_ip"] == "192.0.2.7")
      #expect(user["last_login"] != .null && user["date_joined"] == user["created_at"])
      let credential = try await harness.row("django_etl.credentials", tenant.credential)
      let data = try #require(credential["encrypted_data"]?.stringValue)
      #expect(!data.isEmpty && !data.contains("hunter2") && credential["encryption_key_id"] != .null)
      let connector = try await harness.row("django_etl.connectors", tenant.connector)
      #expect(connector["connector_type"] == "database" && connector["credential_id"]?.stringValue == tenant.credential)
      #expect(connector["config"]?["host"] == "db.example" && connector["config"]?["password"]?["$sealed"] != nil)
      #expect(connector["created_by_id"]?.stringValue == tenant.owner)
      let steps = try await harness.objects("SELECT * FROM django_etl.pipeline_steps ORDER BY order_index")
      #expect(steps.compactMap { $0["id"]?.stringValue } == tenant.steps)
      #expect(steps.map { $0["name"] ?? .null } == ["pull", "shape"])
      #expect(steps.map { $0["step_type"] ?? .null } == ["extract", "transform"])
      #expect(steps.map { $0["config"] ?? .null } == [["table": "orders"], ["drop": ["x"]]])
      #expect(steps.map { $0["dependencies"] ?? .null } == [[], [.string(tenant.steps[0])]])
      #expect(steps.map { $0["is_parallel"] ?? .null } == [true, false])
      let run = try await harness.row("django_etl.pipeline_runs", tenant.run)
      #expect(run["status"] == "timeout" && run["context"] == ["ENV": "prod"] && run["metrics"] == ["cpu": 12.5])
      #expect(PlatformChecks.isSame(run["started_at"] ?? .null, "2025-01-10T02:00:00Z"))
      #expect(run["triggered_by_id"]?.stringValue == tenant.owner && run["trigger_type"] == "webhook")
      let task = try await harness.row("django_etl.task_runs", tenant.tasks[0])
      #expect(task["logs"] == "first of 0\nsecond of 0" && task["retry_count"] == 1)
      #expect(task["input_data"] == ["from": 0] && task["output_data"] == ["rows": 9] && task["metrics"] == ["rows": 9])
      let alert = try await harness.row("django_etl.alerts", tenant.alert)
      #expect(alert["is_resolved"] == true && alert["resolved_at"] != .null && alert["metadata"] == ["attempt": 1])
      let edge = try await harness.row("django_etl.data_lineage", tenant.edge)
      #expect(edge["relationship_type"] == "aggregated" && edge["metadata"] == ["columns": ["total"]])
    }
  }

}

extension DjangoEtlTests.Tenant: PlatformSample {
  static let platform = "django_etl"

  static func make(_ harness: TestReadModels, _ name: String) async throws -> Self {
    try await DjangoEtlTests.makeTenant(harness, name)
  }

  static func addStrangers(_ harness: TestReadModels, _ tenant: Self, _ other: Self) async throws -> RowRules {
    // Lineage between datasets is no row of this platform's table.
    var made: [JSON] = []
    for name in ["a", "b"] {
      made.append(
        .string(
          try await harness.make(
            "dataset", ["organization_id": .string(tenant.organization), "namespace": "s3", "name": .string(name)])))
    }
    let datasets = made
    _ = try await harness.make(
      "lineage_edge",
      [
        "organization_id": .string(tenant.organization), "source_id": datasets[0], "target_id": datasets[1],
        "relationship_type": "derived",
      ])
    // A member without names: Django keeps them empty.
    let plain = try await harness.make(
      "user",
      ["email": "plain@acme.example", "username": "plain", "organization_id": .string(tenant.organization)])
    _ = try await harness.make(
      "run", ["pipeline_id": .string(tenant.pipeline), "trigger_type": "manual"])
    try await harness.call("pipeline.delete", ["id": .string(other.pipeline)])
    return RowRules(
      belongs: [
        "data_lineage": { state in
          state.fields["source_id"]?.stringValue.map { !datasets.contains(.string($0)) } ?? false
        }
      ],
      afterwards: {
        #expect(try await harness.row("django_etl.auth_user", plain)["first_name"] == "")
        // A run that has not begun shows when it was made: auto_now_add.
        let pending = try await harness.settledRows(
          """
          SELECT count(*) FROM django_etl.pipeline_runs AS v JOIN daybook.runs AS r USING (id)
          WHERE r.started_at IS NULL AND v.started_at = r.created_at
          """)
        #expect(pending == [["1"]])
      })
  }

  func expectPersonalValues(_ connection: PostgresConnection, isGranted: Bool) async throws {
    let user = try await connection.query(
      "SELECT email, username = '!', first_name = '!', last_login_ip IS NULL FROM django_etl.auth_user WHERE id = $1::uuid",
      [.text(owner)])
    let isHidden = isGranted ? "f" : "t"
    // From where somebody signed in is for no SQL role.
    #expect(user.rows == [[isGranted ? "grace@acme.example" : "!", isHidden, isHidden, "t"]])
    let logs = try await connection.query("SELECT DISTINCT logs = '' FROM django_etl.task_runs")
    #expect(logs.rows == [[isGranted ? "f" : "t"]])
  }
}
