import BasicTypes
import CanonicalJSON
import Refusals

/// A month on Django ETL: connectors with credentials, pipelines of steps, task
/// runs that are retried, alerts, lineage between tasks.
final class DjangoLife: Life {
  private var flows: [Flow] = []
  private var credentials: [Identifier] = []
  private var connectors: [Identifier] = []

  private var hold: Identifier { setting.identifier("\(tenant.slug) hold") }

  override var somethingOfOurs: (get: String, id: Identifier)? { credentials.first.map { ("credential.get", $0) } }

  // MARK: - The first day

  override func settleIn() async throws {
    let domain = tenant.domain
    let kinds: [(String, String, JSONObject)] = [
      (
        "records database", "database",
        ["engine": "postgresql", "host": .string("db.\(domain)"), "port": 5432, "name": "records"]
      ),
      ("partner API", "api", ["base_url": .string("https://api.\(domain)/v1"), "timeout_seconds": 30]),
      ("incoming files", "file", ["path": "/srv/incoming", "pattern": "*.csv"]),
      ("archive bucket", "cloud", ["provider": "s3", "bucket": .string("\(tenant.slug)-archive")]),
    ]
    for (name, type, config) in kinds {
      let credential = setting.identifier("\(tenant.slug) credential \(type)")
      let connector = setting.identifier("\(tenant.slug) connector \(type)")
      credentials.append(credential)
      connectors.append(connector)
      asOwner.send(
        "credential.create",
        [
          "id": .id(credential), "organization_id": .id(organization), "name": .string("\(name) login"),
          "data": ["username": "etl", "password": .string(chance.hexadecimal(24))],
          "expires_at": .time(setting.end.adding(seconds: Int64(86_400 * chance.number(20...400)))),
        ])
      asOwner.send(
        "connection.create",
        [
          "id": .id(connector), "organization_id": .id(organization), "name": .string(name), "type": .string(type),
          "config": .object(config), "credential_id": .id(credential),
        ])
    }
    try await asOwner.settle()
    for (index, table) in tables(setting.scaled(4, atLeast: 2)).enumerated() { makePipeline(table, index: index) }
    asOwner.send(
      "retention_policy.create",
      [
        "id": .id(setting.identifier("\(tenant.slug) retention")), "organization_id": .id(organization),
        "class": "logs",
        "keep_hours": .count(24 * 60), "description": "Two months, as the regulator wants it.",
      ])
    // A credential that a connector uses stays.
    asOwner.send("credential.delete", ["id": .id(credentials[0])], refusedAs: .conflict)
  }

  private func makePipeline(_ table: String, index: Int) {
    var parts: [Flow.Part] = []
    for kind in ["extract", "validate", "transform", "load", "notify"] {
      if kind == "validate" || kind == "notify", chance.happens(0.4) { continue }
      parts.append(
        Flow.Part(
          id: setting.identifier("\(tenant.slug) step \(index) \(kind)").text, name: "\(kind) \(table)", kind: kind))
    }
    let flow = Flow(
      id: setting.identifier("\(tenant.slug) flow \(index)"), name: Flow.name(table, &chance), table: table,
      parts: parts, runsADay: chance.number(1...3))
    flows.append(flow)
    asEngineer.send(
      "pipeline.create",
      [
        "id": .id(flow.id), "organization_id": .id(organization), "name": .string(flow.name),
        "description": .string("\(tenant.name): \(table)"), "version_label": "1.0.0",
        "config": [
          "scheduling": ["cron": .string(chance.one(of: ["0 3 * * *", "0 */8 * * *"]))], "on_failure": "retry",
        ],
        "metadata": ["category": .string(chance.one(of: ["clinical", "billing", "reporting"])), "tags": ["daily"]],
        "steps": steps(of: flow, batch: 1000),
      ])
    asEngineer.send("pipeline.publish", ["id": .id(flow.id)])
  }

  private func steps(of flow: Flow, batch: Int) -> JSON {
    .array(
      flow.parts.enumerated().map { index, part in
        [
          "id": .string(part.id), "name": .string(part.name), "order_index": .count(index + 1),
          "step_type": .string(part.kind), "config": ["table": .string(flow.table), "batch_size": .count(batch)],
          "dependencies": index == 0 ? [] : [.string(flow.parts[index - 1].id)],
          "is_parallel": .bool(part.kind == "notify"),
        ]
      })
  }

  // MARK: - A day

  override func work(day: Int) async throws {
    for index in flows.indices where flows[index].isRunning {
      for hour in hours(flows[index].runsADay) { run(flows[index], day: day, hour: hour) }
    }
    if chance.happens(0.4) {
      let index = chance.number(0...flows.count - 1)
      flows[index].versions += 1
      asEngineer.send(
        "pipeline.edit",
        [
          "id": .id(flows[index].id), "steps": steps(of: flows[index], batch: 1000 + 500 * flows[index].versions),
          "version_label": .string("1.\(flows[index].versions).0"), "reason": "larger batches",
        ])
    }
    let connector = chance.one(of: connectors)
    asEngineer.send(
      "connection.test",
      [
        "id": .id(connector), "status": chance.happens(0.95) ? "success" : "failed",
        "message": "probed by the scheduler",
      ])
    if day % 10 == 4 { rotate(day: day) }
    if day == setting.days / 4 {
      // No organization holds its own things: the platform does, since a court asked.
      administrator.send(
        "legal_hold.place",
        [
          "id": .id(hold), "organization_id": .id(organization), "name": "Audit of the insurer",
          "held_id": .id(flows[0].id),
          "matter": "Case 2031-7", "reason": "counsel asked for it",
        ])
      try await administrator.settle()
    }
    if day == setting.days / 4 + 1, !isToldAgain {
      asOwner.send("pipeline.delete", ["id": .id(flows[0].id)], refusedAs: .held)
    }
    if day == setting.days * 3 / 4 {
      administrator.send("legal_hold.release", ["id": .id(hold), "reason": "the case is closed"])
    }
    if day == setting.days / 2 {
      asOwner.send("credential.reveal", ["id": .id(credentials[1]), "reason": "the partner asks which login we use"])
    }
  }

  private func rotate(day: Int) {
    asOwner.send(
      "credential.rotate",
      [
        "id": .id(credentials[day / 10 % credentials.count]),
        "data": ["username": "etl", "password": .string(chance.hexadecimal(24))],
        "expires_at": .time(setting.end.adding(seconds: 86_400 * 180)), "reason": "quarterly rotation",
      ])
  }

  /// A run with a task run of each step; one that fails is retried, and if it fails again an alert is raised.
  private func run(_ flow: Flow, day: Int, hour: Double) {
    let begin = setting.time(day: day, hour: hour)
    let run = newIdentifier(at: begin)
    let caller = asEngineer
    caller.send(
      "run.create",
      [
        "id": .id(run), "pipeline_id": .id(flow.id), "trigger_type": "scheduled",
        "context": ["environment": "production", "worker": .string("worker-\(chance.number(1...6))")],
      ])
    caller.send("run.begin", ["id": .id(run), "at": .time(begin)])
    var at = begin
    var tasks: [Identifier] = []
    var failure: (task: Identifier, error: String)?
    for part in flow.parts {
      let task = newIdentifier(at: at)
      tasks.append(task)
      caller.send(
        "task_run.create",
        [
          "id": .id(task), "run_id": .id(run), "step_id": .string(part.id), "name": .string(part.name),
          "input_data": ["table": .string(flow.table), "offset": 0],
        ])
      let isHard = chance.happens(0.015)
      var attempt = isHard || chance.happens(0.05) ? "failed" : "success"
      at = attemptTask(task, part, attempt, at: at)
      if attempt == "failed" {
        caller.send("task_run.retry", ["id": .id(task), "reason": "first attempt failed"])
        attempt = isHard ? chance.one(of: ["failed", "timeout"]) : "success"
        at = attemptTask(task, part, attempt, at: at.adding(seconds: 30))
      }
      if attempt != "success" {
        failure = (task, "\(part.name): \(chance.one(of: Life.mishaps))")
        break
      }
    }
    link(tasks)
    var ending: JSONObject = [
      "id": .id(run), "status": .string(failure == nil ? "success" : "failed"), "at": .time(at.adding(seconds: 2)),
      "metrics": ["tasks": .count(tasks.count), "rows": .count(chance.number(1000...90_000))],
    ]
    if let failure { ending["error_message"] = .string(failure.error) }
    caller.send("run.finish", ending)
    if let failure { alarm(run: run, task: failure.task, message: failure.error, at: at) }
  }

  private func attemptTask(_ task: Identifier, _ part: Flow.Part, _ status: String, at: Timestamp) -> Timestamp {
    let seconds = chance.number(3...400)
    let end = at.adding(seconds: Int64(seconds))
    asEngineer.send("task_run.begin", ["id": .id(task), "at": .time(at)])
    asEngineer.send(
      "task_run.log",
      [
        "id": .id(task),
        "lines": [
          line(at, "INFO", nil, "\(part.name) begins"),
          line(
            end, status == "success" ? "INFO" : "ERROR", nil,
            status == "success" ? "\(part.name) done in \(seconds) s" : chance.one(of: Life.mishaps)),
        ],
      ])
    var ending: JSONObject = [
      "id": .id(task), "status": .string(status), "at": .time(end),
      "metrics": ["seconds": .count(seconds), "memory_mb": .count(chance.number(60...900))],
    ]
    if status == "success" {
      ending["output_data"] = ["rows": .count(chance.number(100...90_000))]
    } else {
      ending["error_message"] = .string(chance.one(of: Life.mishaps))
    }
    asEngineer.send("task_run.finish", ending)
    return end
  }

  /// What one task made of another's output.
  private func link(_ tasks: [Identifier]) {
    guard chance.happens(0.5) else { return }
    let edges = zip(tasks, tasks.dropFirst()).map { source, target in
      Caller.Wish(
        "lineage_edge.link",
        [
          "id": .id(newIdentifier(at: setting.end)), "organization_id": .id(organization), "source_id": .id(source),
          "target_id": .id(target),
          "relationship_type": .string(chance.one(of: ["direct", "derived", "aggregated", "filtered"])),
          "metadata": ["columns": ["id", "amount"]],
        ])
    }
    asEngineer.send(together: edges)
  }

  private func alarm(run: Identifier, task: Identifier, message: String, at: Timestamp) {
    let alert = newIdentifier(at: at)
    asEngineer.send(
      "alert.raise",
      [
        "id": .id(alert), "organization_id": .id(organization), "run_id": .id(run), "task_run_id": .id(task),
        "level": .string(chance.one(of: ["warning", "error", "error", "critical"])),
        "alert_type": .string(
          chance.one(of: ["task_failed", "pipeline_failed", "data_quality", "resource_exhaustion"])),
        "message": .string(message), "context": ["attempts": 2],
      ])
    if chance.happens(0.8) { asEngineer.send("alert.acknowledge", ["id": .id(alert)]) }
    if chance.happens(0.2) { asEngineer.send("alert.escalate", ["id": .id(alert), "reason": "nobody is at the desk"]) }
    if chance.happens(0.7) { asEngineer.send("alert.resolve", ["id": .id(alert), "reason": "the rerun went through"]) }
  }

  // MARK: - The last evening

  override func closeTheMonth() async throws {
    guard let last = flows.last, let first = flows.first else { return }
    asEngineer.send("pipeline.deprecate", ["id": .id(last.id), "reason": "replaced by the new intake"])
    asEngineer.send("pipeline.pause", ["id": .id(last.id)], refusedAs: .conflict)
    asEngineer.send("pipeline.rollback", ["id": .id(first.id), "to_version": 1, "reason": "back to small batches"])
    asEngineer.send("pipeline.rollback", ["id": .id(first.id), "to_version": 9999], refusedAs: .invalidParams)
    let running = newIdentifier(at: setting.end)
    asEngineer.send(
      "run.start",
      ["id": .id(running), "pipeline_id": .id(first.id), "trigger_type": "manual", "triggered_by": .id(engineer.id)])
    // A connector of this platform has a credential, and is of one of four types.
    asOwner.send(
      "connection.create",
      ["organization_id": .id(organization), "name": "bare", "type": "database", "config": ["host": "db"]],
      refusedAs: .invalidParams, naming: "/credential_id")
    asOwner.send(
      "connection.create",
      [
        "organization_id": .id(organization), "name": "odd", "type": "livy", "config": ["url": "http://livy:8998"],
        "credential_id": .id(credentials[0]),
      ], refusedAs: .invalidParams, naming: "/type")
    // What would go by now, if retention were enforced at once: asked, not done.
    _ = try await asOwner.ask("retention.sweep", ["organization_id": .id(organization), "dry_run": true])
  }
}
