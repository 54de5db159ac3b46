import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Testing

/// Some days of all five platforms' life, told by the built demo to the built server: what every view then shows is
/// computed from the log a second time, by other means.
@Suite struct DemoDataTests {
  @Test func `on the demo's data every view has the rows that the log has, and a tenant's SQL role its own alone`()
    async throws
  {
    try await ToldDemo.with(["--scale", "0.05", "--days", "4"], meanwhile: ForeignCalls.check) { told in
      try await TestReadModels.with(found: (data: told.data, url: told.url)) { harness in
        try await harness.settle()
        let facts = try LogFacts(harness)
        var compared: [String: Set<String>] = [:]
        compared["etl_builder"] = try await compareEtlBuilder(facts)
        compared["django_etl"] = try await compareDjango(facts)
        compared["data_aggregator"] = try await compareDataAggregator(facts)
        compared["mecapy"] = try await compareMecaPy(facts)
        compared["etlab"] = try await compareETLab(facts)
        for platform in harness.catalog.platforms {
          let checks = try PlatformChecks(harness, platform.name)
          try await checks.expectDocumentedColumns()
          try await checks.expectNothingMissing()
          // No view is passed over, and none is empty.
          let byState = platform.tables.filter { table in
            table.resource != nil
              && table.columns.contains { $0.source == .field("id") || $0.source == .field("number") }
          }.map(\.name)
          let all = Set((platform.tables.map(\.name) + platform.views.map(\.name)))
          #expect(all == compared[platform.name]?.union(byState), "\(platform.name)")
          for (view, count) in try await checks.counts(at: harness.url) {
            #expect(count > 0, "the demo leaves \(platform.name).\(view) empty")
          }
          for query in platform.queries {
            guard let sql = query.sql, !sql.contains("pg_stat_statements") else { continue }
            do { _ = try await harness.settledRows(sql) } catch {
              Issue.record("\(platform.name): \(query.title): \(error)")
            }
          }
        }
        try await Isolation(harness, facts).check()
        // Nothing of a log contradicts the catalog that it was made under, and nothing has to be added to it.
        let same = Catalog(types: harness.catalog.types, revision: "another", source: [:])
        try await CommandEngine(catalog: same, log: harness.log, vault: harness.vault).recordCatalog()
        #expect(harness.log.stateDefaults.isEmpty)
      }
    }
  }

  // MARK: - ETL Builder

  private func compareEtlBuilder(_ facts: LogFacts) async throws -> Set<String> {
    let checks = try PlatformChecks(facts.harness, "etl_builder")
    var shown = EtlBuilderTests.shown
    // Who reported a run may not have said how it came about.
    shown["pipeline_executions.trigger_type"] = { value, _ in value ?? "manual" }
    try await checks.expectRowsOfTheLog(shown: shown)
    let pipelines = facts.living("pipeline", of: "etl_builder").filter { $0.fields["kind"] ?? "flow" == "flow" }
    let flows = Set(pipelines.map(\.id.text))
    let runs = facts.living("run", of: "etl_builder").filter {
      $0.fields["pipeline_id"]?.stringValue.map { flows.contains($0) } ?? false
    }
    let ids = Set(runs.map(\.id.text))

    var lines: [JSONObject] = []
    for line in try facts.lines(["run.logged", "task_run.logged"]) where line.run.map({ ids.contains($0) }) ?? false {
      lines.append([
        "id": .integer(line.id), "execution_id": line.run.map(JSON.string) ?? .null,
        "timestamp": .string(line.at.text), "level": line.values["level"] ?? "INFO",
        "node_id": line.values["node_id"] ?? .null, "message": line.values["message"] ?? .null,
        "metadata": line.values["metadata"] ?? .null,
      ])
    }
    try await checks.expectRows("execution_logs", lines, key: ["id"])

    var metrics: [JSONObject] = []
    var previews: [JSONObject] = []
    var audit: [JSONObject] = []
    for event in facts.events {
      let resource = event.header.resource.text
      let run = event.header.type == "task_run" ? facts.states[resource]?.fields["run_id"]?.stringValue : resource
      if event.header.event.hasSuffix("run.measured"), let run, ids.contains(run) {
        var row: JSONObject = [
          "id": .integer(Int64(event.position) << 20), "execution_id": .string(run),
          "timestamp": event.data["at"] ?? .string(event.header.at.text),
        ]
        for name in [
          "node_id", "rows_input", "rows_output", "rows_filtered", "rows_error", "data_size_bytes", "duration_seconds",
          "memory_peak_mb", "cpu_percent", "metadata",
        ] {
          row[name] = event.data[name] ?? .null
        }
        metrics.append(row)
      }
      if event.header.event == "run.previewed", ids.contains(resource),
        let end = event.data["expires_at"]?.stringValue.flatMap({ Timestamp($0) }), end > Timestamp.now
      {
        var row: JSONObject = [
          "execution_id": .string(resource), "created_at": .string(event.header.at.text),
          "schema_info": event.data["schema_info"] ?? [:],
        ]
        for name in ["node_id", "sample_data", "row_count", "column_count", "expires_at"] {
          row[name] = event.data[name] ?? .null
        }
        previews.append(row)
      }
      if facts.platform(of: event.header.organization) == "etl_builder" || isAboutMember(event, facts) {
        audit.append([
          "id": .integer(Int64(event.position)), "timestamp": .string(event.header.at.text),
          "user_id": event.user.map(JSON.string) ?? .null, "resource_id": .string(resource),
          "resource_type": .string(event.header.type),
          "organization_id": event.header.organization.map { .string($0.text) } ?? .null,
        ])
      }
    }
    try await checks.expectRows("node_metrics", metrics, key: ["id"])
    try await checks.expectRows("data_previews", previews, key: ["execution_id", "node_id", "created_at"])
    try await checks.expectRows("audit_trail", audit, key: ["id"])
    try await compareAuditMetadata(facts, checks)
    try await compareEtlBuilderViews(facts, checks, pipelines, runs)
    return [
      "execution_logs", "node_metrics", "data_previews", "audit_trail", "pipelines_with_last_execution",
      "user_statistics",
    ]
  }

  /// Whether an event is about a user who was a member of an organization of ETL/ELT Builder then.
  private func isAboutMember(_ event: LogFacts.Event, _ facts: LogFacts) -> Bool {
    guard event.header.organization == nil, event.header.type == "user" else { return false }
    return facts.states.values.contains { membership in
      membership.type == "membership" && membership.fields["user_id"]?.stringValue == event.header.resource.text
        && facts.platform(of: membership.organization) == "etl_builder"
        && membership.deletedAt.map { event.header.at <= $0 } ?? true
    }
  }

  private func compareAuditMetadata(_ facts: LogFacts, _ checks: PlatformChecks) async throws {
    let rows = try await facts.harness.objects("SELECT id, metadata FROM etl_builder.audit_trail")
    let byID = Dictionary(uniqueKeysWithValues: rows.map { ($0["id"]?.integerValue ?? 0, $0["metadata"] ?? .null) })
    for event in facts.events {
      guard let metadata = byID[Int64(event.position)] else { continue }
      #expect(metadata["event"]?.stringValue == event.header.event)
      #expect(metadata["event_id"]?.stringValue == event.header.id.text)
      #expect(metadata["actor"]?.stringValue == event.header.actor)
      #expect(metadata["version"] == .integer(event.header.version))
      #expect(metadata["reason"]?.stringValue == event.reason?.stringValue)
    }
  }

  private func compareEtlBuilderViews(
    _ facts: LogFacts, _ checks: PlatformChecks, _ pipelines: [ResourceState], _ runs: [ResourceState]
  ) async throws {
    func time(_ state: ResourceState?, _ field: String) -> JSON { state?.fields[field] ?? .null }
    var last: [JSONObject] = []
    for pipeline in pipelines {
      guard let status = pipeline.fields["status"]?.stringValue, ["active", "paused"].contains(status) else { continue }
      let newest = runs.filter { $0.fields["pipeline_id"]?.stringValue == pipeline.id.text }
        .max { PlatformChecks.madeBefore($0, $1) }
      last.append([
        "id": .string(pipeline.id.text), "name": pipeline.fields["name"] ?? .null, "status": .string(status),
        "schedule": pipeline.fields["schedule"] ?? .null, "created_by": pipeline.fields["created_by"] ?? .null,
        "last_execution_id": newest.map { .string($0.id.text) } ?? .null,
        "last_execution_status": time(newest, "status"), "last_execution_started": time(newest, "started_at"),
        "last_execution_completed": time(newest, "completed_at"),
        "last_execution_rows": time(newest, "rows_processed"),
      ])
    }
    try await checks.expectRows("pipelines_with_last_execution", last, key: ["id"])

    let connections = facts.living("connection", of: "etl_builder")
    var statistics: [JSONObject] = []
    for user in try await facts.people(checks) {
      func isTheirs(_ state: ResourceState) -> Bool { state.fields["created_by"]?.stringValue == user.id }
      let theirs = Set(pipelines.filter(isTheirs).map(\.id.text))
      let executions = runs.filter { $0.fields["pipeline_id"]?.stringValue.map { theirs.contains($0) } ?? false }
      let starts = executions.compactMap { $0.fields["started_at"]?.stringValue }.compactMap { Timestamp($0) }
      statistics.append([
        "id": .string(user.id), "username": user.username, "email": user.email,
        "pipeline_count": .integer(Int64(theirs.count)),
        "connection_count": .integer(Int64(connections.filter(isTheirs).count)),
        "execution_count": .integer(Int64(executions.count)),
        "last_execution_date": starts.max().map { .string($0.text) } ?? .null,
      ])
    }
    try await checks.expectRows("user_statistics", statistics, key: ["id"])
  }

  // MARK: - Django ETL

  private func compareDjango(_ facts: LogFacts) async throws -> Set<String> {
    let checks = try PlatformChecks(facts.harness, "django_etl")
    try await checks.expectRowsOfTheLog(belongs: [
      "data_lineage": { state in
        state.fields["source_id"]?.stringValue.map { facts.states[$0]?.type == "task_run" } ?? false
      }
    ])
    var steps: [JSONObject] = []
    for pipeline in facts.living("pipeline", of: "django_etl") where pipeline.fields["kind"] ?? "flow" == "flow" {
      for step in pipeline.fields["steps"]?.arrayValue ?? [] {
        var row: JSONObject = [
          "pipeline_id": .string(pipeline.id.text), "created_at": .string(pipeline.createdAt.text),
          "config": step["config"] ?? [:], "dependencies": step["dependencies"] ?? [],
          "is_parallel": step["is_parallel"] ?? false,
        ]
        for name in ["id", "name", "order_index", "step_type"] { row[name] = step[name] ?? .null }
        steps.append(row)
      }
    }
    try await checks.expectRows("pipeline_steps", steps, key: ["id"])
    // What the views work out of more than a field.
    var logs: [String: [String]] = [:]
    for line in try facts.lines(["task_run.logged"]) {
      guard let task = line.task, let message = line.values["message"]?.stringValue else { continue }
      logs[task, default: []].append(message)
    }
    try await checks.expectRows(
      "task_runs",
      facts.living("task_run", of: "django_etl").map { task in
        [
          "id": .string(task.id.text),
          "logs": .string((logs[task.id.text] ?? []).joined(separator: "\n")),
        ]
      }, key: ["id"])
    try await checks.expectRows(
      "pipeline_runs",
      facts.living("run", of: "django_etl").map { run in
        ["id": .string(run.id.text), "started_at": run.fields["started_at"] ?? .string(run.createdAt.text)]
      }, key: ["id"])
    try await checks.expectRows(
      "alerts",
      facts.living("alert", of: "django_etl").map { alert in
        [
          "id": .string(alert.id.text),
          "is_resolved": .bool(alert.fields["status"] == "resolved" || alert.fields["status"] == "closed"),
          "resolved_at": alert.fields["resolved_at"] ?? alert.fields["closed_at"] ?? .null,
        ]
      }, key: ["id"])
    return ["pipeline_steps"]
  }

  // MARK: - Data Aggregator

  private func compareDataAggregator(_ facts: LogFacts) async throws -> Set<String> {
    let checks = try PlatformChecks(facts.harness, "data_aggregator")
    var lines: [String: [JSON]] = [:]
    for line in try facts.lines(["run.logged", "task_run.logged"]) {
      guard let run = line.run else { continue }
      var shown: JSONObject = ["at": .string(line.at.text), "level": line.values["level"] ?? "INFO"]
      for name in ["node_id", "message", "metadata"] {
        if let value = line.values[name], !value.isNull { shown[name] = value }
      }
      lines[run, default: []].append(.object(shown))
    }
    let logged = lines
    var shown = try checks.shownNumbers(fallsBack: DataAggregatorTests.makers)
    shown["pipeline_runs.execution_log"] = { value, state in value ?? logged[state.id.text].map(JSON.array) }
    try await checks.expectRowsOfTheLog(shown: shown)
    try await checks.expectRows(
      "pipelines",
      facts.living("pipeline", of: "data_aggregator").filter { $0.fields["kind"] ?? "flow" == "flow" }.map { pipeline in
        [
          "id": pipeline.fields["number"] ?? .null,
          "is_active": pipeline.fields["is_active"] ?? .bool(pipeline.fields["status"] == "active"),
        ]
      }, key: ["id"])

    var names: [String: JSON] = [:]
    for event in facts.events where event.header.event == "pipeline.version_named" {
      names["\(event.header.resource.text) \(event.data["version_number"]?.canonicalString ?? "")"] = event.data["name"]
    }
    let versions: [JSONObject] = try facts.versions(of: "pipeline").filter { version in
      version.resource.fields["deleted_at"] == nil && version.resource.fields["kind"] ?? "flow" == "flow"
        && facts.platform(of: version.resource.organization) == "data_aggregator"
    }.map { version in
      [
        "id": .integer(Int64(version.event.position)), "pipeline_id": version.resource.fields["number"] ?? .null,
        "version_number": .integer(version.number),
        "version_name": names["\(version.resource.id.text) \(version.number)"] ?? .null,
        "change_description": version.event.reason ?? .null, "snapshot": .object(version.snapshot),
        "is_active": .bool(version.resource.fields["version_number"] == .integer(version.number)),
        "created_by": facts.number(of: version.event.user ?? version.event.set["created_by"]?.stringValue),
        "created_at": .string(version.event.header.at.text),
      ]
    }
    try await checks.expectRows("pipeline_versions", versions, key: ["id"])

    var logs: [JSONObject] = []
    for line in try facts.lines(["system.logged"]) {
      guard facts.platform(of: line.organization.flatMap { Identifier($0) }) == "data_aggregator" else { continue }
      var row: JSONObject = [
        "id": .integer(line.id), "created_at": .string(line.at.text), "level": line.values["level"] ?? "INFO",
        "user_id": facts.number(of: line.values["user_id"]?.stringValue),
      ]
      for name in [
        "message", "logger_name", "module", "function_name", "line_number", "correlation_id", "request_id",
        "request_method", "request_path", "request_ip", "duration_ms", "memory_usage_mb", "exception_type",
        "exception_message", "stack_trace", "extra_data",
      ] {
        row[name] = line.values[name] ?? .null
      }
      logs.append(row)
    }
    try await checks.expectRows("system_logs", logs, key: ["id"])
    return ["pipeline_versions", "system_logs"]
  }

  // MARK: - MecaPy

  private func compareMecaPy(_ facts: LogFacts) async throws -> Set<String> {
    let checks = try PlatformChecks(facts.harness, "mecapy")
    var shown = try checks.shownNumbers(fallsBack: [])
    for column in ["parameters", "result_data"] {
      shown["calculations.\(column)"] = { value, _ in
        guard let value, value.stringValue == nil else { return value }
        return .string(Self.jsonbText(value))
      }
    }
    try await checks.expectRowsOfTheLog(shown: shown)
    try await checks.expectRows(
      "calculation_files",
      facts.living("calculation_file", of: "mecapy").map { link in
        [
          "calculation_id": facts.number(of: link.fields["calculation_id"]?.stringValue),
          "file_id": facts.number(of: link.fields["file_id"]?.stringValue),
          "added_at": .string(link.createdAt.text), "file_role": link.fields["role"] ?? "input",
        ]
      }, key: ["calculation_id", "file_id"])
    let versions: [JSONObject] = try facts.versions(of: "tool").filter { version in
      version.resource.fields["deleted_at"] == nil && facts.platform(of: version.resource.organization) == "mecapy"
    }.map { version in
      var row: JSONObject = [
        "id": .integer(Int64(version.event.position) << 20), "tool_id": version.resource.fields["number"] ?? .null,
        "version_number": .integer(version.number), "version": version.snapshot["version_label"] ?? .null,
        "is_active": .bool(version.resource.fields["version_number"] == .integer(version.number)),
        "created_by": facts.number(of: version.event.user ?? version.event.set["created_by"]?.stringValue),
        "created_at": .string(version.event.header.at.text),
      ]
      for name in [
        "display_name", "description", "code_template", "docker_image", "memory_limit", "cpu_limit", "timeout",
      ] {
        row[name] = version.snapshot[name] ?? .null
      }
      return row
    }
    try await checks.expectRows("tool_versions", versions, key: ["id"])

    let files = facts.living("file", of: "mecapy")
    let calculations = facts.living("calculation", of: "mecapy")
    var statistics: [JSONObject] = []
    var recent: [JSONObject] = []
    for user in try await facts.people(checks) {
      let own = files.filter { $0.fields["owner_id"]?.stringValue == user.id }
      let run = calculations.filter { $0.fields["user_id"]?.stringValue == user.id }
      let bytes = own.reduce(Int64(0)) { $0 + ($1.fields["file_size"]?.integerValue ?? 0) }
      statistics.append([
        "id": facts.number(of: user.id), "username": user.username, "total_files": .integer(Int64(own.count)),
        "total_calculations": .integer(Int64(run.count)),
        // The document's join counts a file's size once a calculation.
        "total_storage_bytes": .integer(bytes * Int64(max(run.count, 1))),
        "completed_calculations": .integer(Int64(run.filter { $0.fields["status"] == "success" }.count)),
      ])
      for calculation in run {
        let status = calculation.fields["status"]
        recent.append([
          "id": calculation.fields["number"] ?? .null, "name": calculation.fields["name"] ?? .null,
          "status": status == "success" ? "completed" : status ?? .null,
          "created_at": .string(calculation.createdAt.text),
          "execution_time": calculation.fields["execution_time"] ?? .null,
          "username": user.username, "display_name": user.displayName,
        ])
      }
    }
    try await checks.expectRows("user_stats", statistics, key: ["id"])
    try await checks.expectRows("recent_calculations", recent, key: ["id"])
    return ["calculation_files", "tool_versions", "user_stats", "recent_calculations"]
  }

  /// JSON as PostgreSQL writes jsonb: a space after each colon and comma, shorter keys first.
  private static func jsonbText(_ value: JSON) -> String {
    if let object = value.objectValue {
      let members = object.map { ($0.key, $0.value) }.sorted {
        ($0.0.utf8.count, $0.0) < ($1.0.utf8.count, $1.0)
      }
      return "{"
        + members.map { "\(JSON.string($0.0).canonicalString): \(jsonbText($0.1))" }.joined(separator: ", ") + "}"
    }
    if let array = value.arrayValue { return "[" + array.map(jsonbText).joined(separator: ", ") + "]" }
    return value.canonicalString
  }

  // MARK: - ETLab

  private func compareETLab(_ facts: LogFacts) async throws -> Set<String> {
    let checks = try PlatformChecks(facts.harness, "etlab")
    var generated: [String: JSON] = [:]
    for version in try facts.versions(of: "pipeline") {
      generated["\(version.resource.id.text) \(version.number)"] = version.snapshot["generated_code"]
    }
    let byVersion = generated
    try await checks.expectRowsOfTheLog(shown: [
      "execution_history.code": { value, state in
        guard let page = state.fields["pipeline_id"]?.stringValue else { return value ?? "" }
        let number = state.fields["pipeline_version"]?.canonicalString ?? ""
        return value ?? byVersion["\(page) \(number)"] ?? facts.states[page]?.fields["generated_code"] ?? ""
      }
    ])
    var logs: [String: [String]] = [:]
    for line in try facts.lines(["run.logged", "task_run.logged"]) {
      guard let run = line.run, let message = line.values["message"]?.stringValue else { continue }
      logs[run, default: []].append(message)
    }
    let pages = facts.living("run", of: "etlab").filter { run in
      guard let page = run.fields["pipeline_id"]?.stringValue else { return true }
      return facts.states[page]?.fields["kind"] == "page"
    }
    try await checks.expectRows(
      "execution_history",
      pages.map { run in
        [
          "id": .string(run.id.text),
          "logs": logs[run.id.text].map { .string($0.joined(separator: "\n")) } ?? .null,
        ]
      }, key: ["id"])
    return []
  }
}
