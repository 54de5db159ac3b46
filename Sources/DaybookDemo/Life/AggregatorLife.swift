import BasicTypes
import CanonicalJSON
import Refusals

/// A month on the Data Aggregator: pipelines from templates, a library of functions, uploads in chunks, rules that
/// raise alerts, dashboards.
final class AggregatorLife: Life {
  private var flows: [Flow] = []
  private var connectors: [Identifier] = []
  private var functions: [Identifier] = []
  private var templates: [Identifier] = []
  private var rules: [Identifier] = []
  private var lastFileHash: String?

  override var somethingOfOurs: (get: String, id: Identifier)? { rules.first.map { ("alert_rule.get", $0) } }

  // MARK: - The first day

  override func settleIn() async throws {
    for person in people.prefix(2 + people.count / 2) { prefer(person) }
    makeConnectors()
    makeLibrary()
    try await settle()
    for (index, table) in tables(setting.scaled(5, atLeast: 2)).enumerated() { makePipeline(table, index: index) }
    try await settle()
    makeRules()
    for person in [owner, engineer] { makeDashboard(person) }
  }

  private func prefer(_ person: Person) {
    let id = setting.identifier("\(tenant.slug) preferences \(person.email)")
    asOwner.send(
      "user_preferences.create",
      [
        "id": .id(id), "organization_id": .id(organization), "user_id": .id(person.id),
        "theme": .string(chance.one(of: ["light", "dark"])),
        "language": .string(chance.one(of: ["en", "de", "fr", "pt"])),
        "timezone": .string(chance.one(of: ["Europe/Paris", "Europe/Lisbon", "UTC"])),
        "time_format": .string(chance.one(of: ["12h", "24h"])), "accessibility_mode": .bool(chance.happens(0.1)),
        "dashboard_refresh_interval": .count(chance.one(of: [15, 30, 60])), "custom_settings": ["density": "compact"],
      ])
    if chance.happens(0.3) {
      asOwner.send("user_preferences.edit", ["id": .id(id), "email_notifications": false])
    }
  }

  private func makeConnectors() {
    let domain = tenant.domain
    let kinds: [(String, JSONObject)] = [
      (
        "postgresql",
        [
          "host": .string("dwh.\(domain)"), "port": 5432, "database": "dwh", "username": "agg",
          "password": .string(chance.hexadecimal(20)),
        ]
      ),
      (
        "mysql",
        [
          "host": .string("pos.\(domain)"), "port": 3306, "database": "pos", "username": "agg",
          "password": .string(chance.hexadecimal(20)),
        ]
      ),
      ("rest_api", ["base_url": .string("https://partners.\(domain)"), "api_key": .string(chance.hexadecimal(32))]),
      ("csv", ["path": "/uploads", "encoding": "utf-8"]),
    ]
    for (type, config) in kinds {
      let id = setting.identifier("\(tenant.slug) connector \(type)")
      connectors.append(id)
      asOwner.send(
        "connection.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string("\(tenant.name) \(type)"),
          "type": .string(type), "config": .object(config), "owner_id": .id(owner.id),
        ])
    }
  }

  private func makeLibrary() {
    let library: [(String, String, String, String)] = [
      (
        "trim_text", "map", "python",
        "def trim_text(row):\n    return {k: v.strip() if isinstance(v, str) else v for k, v in row.items()}"
      ),
      ("only_recent", "filter", "sql", "SELECT * FROM input WHERE updated_at >= now() - interval '7 days'"),
      ("daily_totals", "aggregate", "sql", "SELECT day, sum(amount) AS total FROM input GROUP BY day"),
      ("newest_first", "sort", "sql", "SELECT * FROM input ORDER BY updated_at DESC"),
    ]
    for (name, category, type, code) in library {
      let id = setting.identifier("\(tenant.slug) function \(name)")
      functions.append(id)
      asEngineer.send(
        "transformation_function.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string(name),
          "display_name": .string(name.split(separator: "_").joined(separator: " ")), "category": .string(category),
          "function_type": .string(type), "function_code": .string(code), "parameters": ["columns": ["type": "array"]],
          "example_usage": .string("\(name)(rows)"), "tags": ["library"], "owner_id": .id(engineer.id),
        ])
    }
    for (name, category) in [("Copy with checks", "etl"), ("Load then shape", "elt"), ("Quality gate", "quality")] {
      let id = setting.identifier("\(tenant.slug) template \(category)")
      templates.append(id)
      asEngineer.send(
        "pipeline_template.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string(name), "category": .string(category),
          "description": .string("\(name), the way \(tenant.name) does it"),
          "tags": [.string(category), "house style"],
          "template_config": [
            "description": .string("Made from \(name)"), "schedule": "0 5 * * *",
            "source_config": ["connector": "postgresql", "table": "to be named"],
            "transformation_config": ["functions": ["trim_text", "daily_totals"]],
            "destination_config": ["connector": "postgresql", "schema": "mart"],
          ], "owner_id": .id(engineer.id),
        ])
    }
    for table in tenant.tables.prefix(3) {
      asEngineer.send(
        "transformation.create",
        [
          "id": .id(setting.identifier("\(tenant.slug) transformation \(table)")), "organization_id": .id(organization),
          "name": .string("Clean \(table)"),
          "transformation_type": .string(chance.one(of: ["filter", "map", "aggregate"])),
          "transformation_code": .string("rows = [row for row in rows if row['id'] is not None]"),
          "config": ["table": .string(table)], "owner_id": .id(engineer.id),
        ])
      asEngineer.send(
        "schema_mapping.create",
        [
          "id": .id(setting.identifier("\(tenant.slug) mapping \(table)")), "organization_id": .id(organization),
          "name": .string("\(table) to mart"),
          "source_schema": ["fields": ["id", "nm", "amt"]], "destination_schema": ["fields": ["id", "name", "amount"]],
          "field_mappings": ["id": "id", "nm": "name", "amt": "amount"], "transformation_rules": ["amount": "round(2)"],
          "owner_id": .id(engineer.id),
        ])
    }
  }

  private func makePipeline(_ table: String, index: Int) {
    let flow = Flow(
      id: setting.identifier("\(tenant.slug) flow \(index)"), name: Flow.name(table, &chance), table: table,
      parts: parts(table), runsADay: chance.number(1...4))
    flows.append(flow)
    if index % 3 == 2 {
      asEngineer.send(
        "pipeline.from_template",
        [
          "id": .id(flow.id), "organization_id": .id(organization), "template_id": .id(chance.one(of: templates)),
          "name": .string(flow.name), "owner_id": .id(engineer.id),
        ])
    } else {
      asEngineer.send(
        "pipeline.create",
        [
          "id": .id(flow.id), "organization_id": .id(organization), "name": .string(flow.name),
          "description": .string("\(table) of \(tenant.name)"),
          "source_config": ["connector": "mysql", "table": .string(table)],
          "transformation_config": ["functions": ["trim_text", "only_recent"]],
          "destination_config": ["connector": "postgresql", "table": .string("mart.\(table)")],
          "schedule": .string(chance.one(of: Flow.schedules)), "is_scheduled": true,
          "visual_definition": ["nodes": flow.nodes, "edges": flow.edges], "owner_id": .id(engineer.id),
        ])
      asEngineer.send("transformation_function.use", ["id": .id(functions[0])])
    }
    asEngineer.send("pipeline.publish", ["id": .id(flow.id)])
  }

  private func makeRules() {
    let policy = setting.identifier("\(tenant.slug) escalation")
    asOwner.send(
      "escalation_policy.create",
      [
        "id": .id(policy), "organization_id": .id(organization), "name": "first the engineer, then the owner",
        "levels": [
          ["after_minutes": 30, "severity": "high", "notify_user_ids": [.id(engineer.id)], "channels": ["email"]],
          [
            "after_minutes": 60, "severity": "critical", "notify_user_ids": [.id(owner.id)],
            "channels": ["email", "slack"],
          ],
        ], "owner_id": .id(owner.id),
      ])
    let kinds: [(String, String, String, Double, String)] = [
      ("Slow node", "duration_seconds", "gt", 236, "medium"),
      ("Memory runs out", "memory_peak_mb", "gte", 2840, "high"),
      ("Bad rows", "rows_error", "gt", 36, "low"), ("API is slow", "api_latency_ms", "gt", 900, "critical"),
    ]
    for (name, metric, sign, threshold, severity) in kinds {
      let id = setting.identifier("\(tenant.slug) rule \(metric)")
      rules.append(id)
      asOwner.send(
        "alert_rule.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string(name), "metric": .string(metric),
          "operator": .string(sign), "threshold": .number(threshold), "severity": .string(severity),
          "cooldown_minutes": .count(metric == "rows_error" ? 30 : 0),
          "notification_channels": ["email"], "escalation_policy_id": .id(policy), "owner_id": .id(engineer.id),
          "description": .string("\(metric) \(sign) \(threshold)"),
        ])
    }
  }

  private func makeDashboard(_ person: Person) {
    asOwner.send(
      "dashboard.create",
      [
        "id": .id(setting.identifier("\(tenant.slug) dashboard \(person.email)")), "organization_id": .id(organization),
        "user_id": .id(person.id), "name": .string("\(person.given)'s morning"), "is_default": true,
        "layout_config": [
          "widgets": [["type": "runs", "x": 0, "y": 0, "w": 6], ["type": "alerts", "x": 6, "y": 0, "w": 6]]
        ],
      ])
  }

  // MARK: - A day

  override func work(day: Int) async throws {
    for index in flows.indices where flows[index].isRunning {
      for hour in hours(flows[index].runsADay) { run(flows[index], day: day, hour: hour) }
    }
    for number in 0..<setting.scaled(2) { upload(day: day, number: number) }
    asEngineer.send(
      "system.log",
      ["organization_id": .id(organization), "lines": .array((0..<setting.scaled(12)).map { _ in logLine(day: day) })])
    asEngineer.send(
      "alert_rule.evaluate",
      [
        "organization_id": .id(organization), "metric": "api_latency_ms",
        "value": .number(chance.happens(0.2) ? chance.amount(901...4000) : chance.amount(40...880)),
      ])
    if chance.happens(0.3) {
      asEngineer.send(
        "transformation.edit",
        [
          "id": .id(setting.identifier("\(tenant.slug) transformation \(tenant.tables[day % 3])")),
          "config": ["table": .string(tenant.tables[day % 3]), "since_day": .count(day + 1)],
        ])
    }
    if day % 9 == 5 {
      asOwner.send(
        "dashboard.edit",
        [
          "id": .id(setting.identifier("\(tenant.slug) dashboard \(owner.email)")), "is_shared": true,
          "layout_config": [
            "widgets": [["type": "runs", "x": 0, "y": 0, "w": 12], ["type": "day", "value": .count(day)]]
          ],
        ])
    }
    try await answerAlerts(day: day)
  }

  private func run(_ flow: Flow, day: Int, hour: Double) {
    var script = RunScript(status: fate(failing: 0.06))
    script.ending = [
      "execution_log": ["stages": .count(flow.parts.count), "worker": .string("agg-\(chance.number(1...4))")]
    ]
    let told = tellRun(of: flow, day: day, hour: hour, script)
    guard told.status == "failed" else { return }
    tellRun(of: flow, day: day, hour: hour + 0.5, RunScript(trigger: "manual", status: fate(failing: 0.15)))
  }

  /// A file in chunks, and what is made of it. Now and then the same content comes again.
  private func upload(day: Int, number: Int) {
    let at = setting.time(day: day, hour: 8 + chance.amount(0...9))
    let file = newIdentifier(at: at)
    let table = chance.one(of: tenant.tables)
    let chunks = chance.number(1...5)
    let isAgain = chance.happens(0.12)
    let hash = isAgain ? lastFileHash ?? chance.hexadecimal(64) : chance.hexadecimal(64)
    lastFileHash = hash
    let sizes = (0..<chunks).map { index in index < chunks - 1 ? 1_048_576 : chance.number(10_000...1_048_576) }
    let caller = asEngineer
    caller.send(
      "file.create",
      [
        "id": .id(file), "organization_id": .id(organization), "filename": .string("\(table)-\(day + 1)-\(number).csv"),
        "file_path": .string("/uploads/\(tenant.slug)/\(file.text).csv"), "file_type": "csv", "mime_type": "text/csv",
        "file_size": .count(sizes.reduce(0, +)), "total_chunks": .count(chunks), "owner_id": .id(engineer.id),
        "metadata": ["source": "till export"], "is_temporary": .bool(false),
      ])
    let isBroken = chance.happens(0.04)
    for (index, size) in sizes.enumerated() where !isBroken || index < chunks / 2 {
      caller.send("file.add_chunk", ["id": .id(file), "index": .count(index), "size_bytes": .count(size)])
    }
    if isBroken {
      caller.send("file.fail", ["id": .id(file), "error_message": "the browser was closed during the upload"])
      return
    }
    caller.send("file.complete", ["id": .id(file), "file_hash": .string(hash)])
    let job = newIdentifier(at: at)
    caller.send(
      "file_job.create",
      [
        "id": .id(job), "organization_id": .id(organization), "file_id": .id(file),
        "job_type": .string(chance.one(of: ["validation", "conversion", "extraction"])),
      ])
    caller.send("file_job.begin", ["id": .id(job)])
    for progress in [35, 80] { caller.send("file_job.progress", ["id": .id(job), "progress": .count(progress)]) }
    if chance.happens(0.92) {
      caller.send(
        "file_job.finish",
        [
          "id": .id(job), "status": "success",
          "result_data": ["rows": .count(chance.number(100...60_000)), "bad_rows": 0],
        ])
    } else {
      caller.send(
        "file_job.finish", ["id": .id(job), "status": "failed", "error_message": "line 17 has 9 fields instead of 12"])
    }
  }

  /// A line of the application's own log.
  private func logLine(day: Int) -> JSON {
    let level = chance.one(of: ["DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR"])
    let path = chance.one(of: ["/api/pipelines", "/api/runs", "/api/files", "/api/dashboards"])
    var line: JSONObject = [
      "at": .time(setting.time(day: day, hour: chance.amount(0...23.9))), "level": .string(level),
      "message": .string("GET \(path)"), "logger_name": "aggregator.api", "module": "requests",
      "function_name": "handle", "line_number": .count(chance.number(20...400)), "request_method": "GET",
      "request_path": .string(path), "duration_ms": .count(chance.number(3...2400)),
      "memory_usage_mb": .number(chance.amount(180...900)), "request_id": .string(chance.hexadecimal(16)),
      "correlation_id": .string(chance.hexadecimal(12)), "user_id": .id(somebody().id),
      "request_ip": .string("10.0.\(chance.number(0...20)).\(chance.number(2...250))"),
    ]
    if level == "ERROR" {
      line["exception_type"] = "TimeoutError"
      line["exception_message"] = .string(chance.one(of: Life.mishaps))
      line["stack_trace"] = "requests.py:88 in handle\nclient.py:41 in fetch"
    }
    return .object(line)
  }

  /// Most alerts that rules have raised are acknowledged and resolved; some are escalated, some stay open. The server
  /// made them, so that the story must ask for them, and can't tell of them again.
  private func answerAlerts(day: Int) async throws {
    try await settle()
    guard !isToldAgain else { return }
    for rule in rules {
      let state = try await asEngineer.ask("alert_rule.get", ["id": .id(rule)])
      guard let id = state["item"]?["open_alert_id"]?.stringValue else { continue }
      var lot = setting.chance("\(rule) day \(day)")
      guard !lot.happens(0.25) else { continue }
      asEngineer.send("alert.acknowledge", ["id": .string(id)], key: "\(id)/acknowledge")
      if lot.happens(0.25) { asEngineer.send("alert.escalate", ["id": .string(id)], key: "\(id)/escalate") }
      if lot.happens(0.8) { asEngineer.send("alert.resolve", ["id": .string(id)], key: "\(id)/resolve") }
      if lot.happens(0.3) { asEngineer.send("alert.close", ["id": .string(id)], key: "\(id)/close") }
    }
  }

  // MARK: - The last evening

  override func closeTheMonth() async throws {
    guard let first = flows.first, let last = flows.last, let rule = rules.last else { return }
    asEngineer.send("pipeline.name_version", ["id": .id(first.id), "version_number": 1, "name": "as it began"])
    asEngineer.send("pipeline.pause", ["id": .id(last.id), "reason": "the month is closed"])
    asOwner.send("alert_rule.edit", ["id": .id(rule), "is_active": false, "reason": "too noisy"])
    asEngineer.send(
      "alert_rule.edit", ["id": .id(rule), "operator": "about"], refusedAs: .invalidParams, naming: "/operator")
    // A pipeline of this platform says where its data comes from and where it goes.
    asEngineer.send(
      "pipeline.create", ["organization_id": .id(organization), "name": "from nowhere"], refusedAs: .invalidParams,
      naming: "/source_config")
    asEngineer.send(
      "transformation_function.create",
      [
        "organization_id": .id(organization), "name": "trim_text", "display_name": "trim text", "category": "map",
        "function_type": "python", "function_code": "pass",
      ], refusedAs: .conflict)
    asOwner.send("dashboard.set_default", ["id": .id(setting.identifier("\(tenant.slug) dashboard \(owner.email)"))])
    asEngineer.send("pipeline_template.use", ["id": .id(templates[0])])
    asEngineer.send(
      "pipeline_template.edit",
      ["id": .id(templates[0]), "tags": ["etl", "recommended"], "is_public": true, "reason": "others asked for it"])
    for id in functions.dropFirst() { asEngineer.send("transformation_function.use", ["id": .id(id)]) }
  }
}
