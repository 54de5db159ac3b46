import BasicTypes
import CanonicalJSON
import Refusals

/// A month on the ETL/ELT Builder: flows of modules, with logs, measurements and previews of every node.
final class BuilderLife: Life {
  private var flows: [Flow] = []
  private var connections: [Identifier] = []
  private var modules: [String: Identifier] = [:]
  private var unread: [(person: Person, notification: Identifier)] = []
  private var ciKey: Identifier { setting.identifier("\(tenant.slug) key ci") }

  override var somethingOfOurs: (get: String, id: Identifier)? { flows.first.map { ("pipeline.get", $0.id) } }

  // MARK: - The first day

  override func settleIn() async throws {
    makeModules()
    makeConnections()
    try await settle()
    for (index, table) in tables(setting.scaled(6, atLeast: 2)).enumerated() { makeFlow(table, index: index) }
    try await settle()
    try await useKey()
    // The warehouse tells of itself in OpenLineage.
    report(day: 0, hour: 0.5)
  }

  private func makeModules() {
    let kinds: [(String, String, String, JSON)] = [
      (
        "REST source", "extractor", "rest_api",
        ["path": ["type": "string"], "pages": ["type": "integer", "minimum": 1]]
      ),
      (
        "PostgreSQL source", "extractor", "postgres",
        ["query": ["type": "string"], "batch_size": ["type": "integer", "minimum": 1]]
      ),
      ("Cleaner", "transformer", "cleaner", ["drop_nulls": ["type": "boolean"], "trim": ["type": "boolean"]]),
      ("S3 target", "loader", "s3", ["bucket": ["type": "string"], "format": ["enum": ["parquet", "csv"]]]),
    ]
    for (name, category, type, properties) in kinds {
      let id = setting.identifier("\(tenant.slug) module \(type)")
      modules[category] = id
      asOwner.send(
        "module_template.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string(name), "category": .string(category),
          "type": .string(type), "description": .string("\(name) with our defaults"),
          "config_schema": ["type": "object", "properties": properties], "default_config": [:],
          "is_public": .bool(category == "transformer"),
          "icon": .string("icon-\(type)"), "color": "#3b82f6",
        ])
    }
  }

  private func makeConnections() {
    let domain = tenant.domain
    let kinds: [(String, JSONObject)] = [
      (
        "postgres",
        [
          "host": .string("db.\(domain)"), "port": 5432, "database": "core", "username": "etl",
          "password": .string(chance.hexadecimal(20)),
        ]
      ),
      (
        "mysql",
        [
          "host": .string("shop.\(domain)"), "port": 3306, "database": "shop", "username": "reader",
          "password": .string(chance.hexadecimal(20)),
        ]
      ),
      (
        "s3",
        [
          "bucket": .string("\(tenant.slug)-lake"), "region": "eu-west-3",
          "access_key_id": .string("AK\(chance.hexadecimal(16))"), "secret_access_key": .string(chance.hexadecimal(40)),
        ]
      ),
      ("rest_api", ["base_url": .string("https://api.\(domain)/v2"), "token": .string(chance.hexadecimal(32))]),
      ("kafka", ["bootstrap_servers": .string("kafka.\(domain):9092"), "topic": .string(tenant.tables[0])]),
      ("csv", ["path": "/data/incoming", "delimiter": ";"]),
      (
        "mongodb",
        [
          "host": .string("docs.\(domain)"), "port": 27017, "database": "docs", "username": "etl",
          "password": .string(chance.hexadecimal(20)),
        ]
      ),
      (
        "minio",
        [
          "endpoint": .string("https://minio.\(domain)"), "bucket": "staging",
          "access_key": .string(chance.hexadecimal(16)), "secret_key": .string(chance.hexadecimal(40)),
        ]
      ),
    ]
    for (type, config) in kinds {
      let id = setting.identifier("\(tenant.slug) connection \(type)")
      connections.append(id)
      asOwner.send(
        "connection.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string("\(tenant.name) \(type)"),
          "type": .string(type), "description": .string("\(type) of \(tenant.name)"), "config": .object(config),
        ])
    }
  }

  private func makeFlow(_ table: String, index: Int) {
    let flow = Flow(
      id: setting.identifier("\(tenant.slug) flow \(index)"), name: Flow.name(table, &chance), table: table,
      parts: parts(table), runsADay: chance.number(1...4))
    flows.append(flow)
    asEngineer.send(
      "pipeline.create",
      [
        "id": .id(flow.id), "organization_id": .id(organization), "name": .string(flow.name),
        "description": .string("Brings \(table) where analysts find them."), "kind": "flow", "version_label": "1.0.0",
        "config": config(of: flow, batch: 5000), "schedule": .string(chance.one(of: Flow.schedules)),
        "is_scheduled": true, "tags": .texts(chance.some(2, of: ["finance", "daily", "pii", "core", "experimental"])),
        "default_params": ["limit": 100_000],
      ])
    asEngineer.send("pipeline.publish", ["id": .id(flow.id), "reason": "reviewed"])
  }

  /// A canvas whose nodes are made of modules; each module's schema says what its configuration may be.
  private func config(of flow: Flow, batch: Int) -> JSON {
    let nodes = flow.parts.enumerated().map { index, part -> JSON in
      var node: JSONObject = [
        "id": .string(part.id), "type": .string(part.kind), "label": .string(part.name),
        "position": ["x": .count(80 + 220 * index), "y": 120],
      ]
      let (category, config): (String, JSON) =
        switch part.kind {
        case "source": ("extractor", ["query": .string("SELECT * FROM \(flow.table)"), "batch_size": .count(batch)])
        case "sink": ("loader", ["bucket": .string("\(tenant.slug)-lake"), "format": "parquet"])
        default: ("transformer", ["drop_nulls": true, "trim": .bool(index % 2 == 0)])
        }
      if let module = modules[category] { node["module_template_id"] = .id(module) }
      node["config"] = config
      return .object(node)
    }
    return ["nodes": .array(nodes), "edges": flow.edges]
  }

  /// A program gets a key and starts runs with it; another key is revoked and must
  /// not be good for anything from then on.
  private func useKey() async throws {
    let made = try await asOwner.result(
      "api_key.create",
      [
        "id": .id(ciKey), "organization_id": .id(organization), "name": "continuous integration",
        "permissions": ["pipelines": ["read", "execute"], "runs": ["read", "write", "execute"]],
      ])
    let revocation: JSONObject = ["id": .id(ciKey), "reason": "the build server was replaced"]
    guard let key = made?["api_key"]?.stringValue else {
      hall.tally.noteShownBefore()
      return asOwner.send("api_key.revoke", revocation)
    }
    let program = try await Caller.connect(
      "\(tenant.slug).ci", platform: tenant.platform.rawValue, hall: hall, signingInWith: ["api_key": .string(key)])
    program.begin("with the key")
    for flow in flows.prefix(3) {
      let at = setting.time(day: 0, hour: 12)
      let run = setting.identifier("\(tenant.slug) ci \(flow.id)")
      program.send("run.create", ["id": .id(run), "pipeline_id": .id(flow.id), "trigger_type": "api"])
      program.send("run.begin", ["id": .id(run), "at": .time(at)])
      program.send(
        "run.finish",
        ["id": .id(run), "status": "success", "at": .time(at.adding(seconds: 95)), "rows_processed": 1200])
    }
    program.send("connection.get", ["id": .id(connections[0])], refusedAs: .forbidden)
    try await program.settle()
    asOwner.send("api_key.revoke", revocation)
    try await asOwner.settle()
    program.send("pipeline.get", ["id": .id(flows[0].id)], refusedAs: .unauthenticated)
    try await program.settle()
    try await program.close()
  }

  // MARK: - A day

  override func work(day: Int) async throws {
    readNotifications(day: day)
    for index in flows.indices where flows[index].isRunning {
      let flow = flows[index]
      for hour in hours(flow.runsADay) {
        var script = RunScript(status: fate())
        script.preview = chance.happens(0.08)
        script.ending = [
          "result": ["target": .string("lake/\(flow.table)"), "partitions": .count(chance.number(1...12))]
        ]
        let run = tellRun(of: flow, day: day, hour: hour, script)
        if run.status == "failed" { answer(run, of: flow, day: day, hour: hour) }
      }
    }
    for connection in chance.some(2, of: connections) { test(connection) }
    if chance.happens(0.6) { edit(chance.number(0...flows.count - 1), day: day) }
    if day % 7 == 3 { report(day: day, hour: 3) }
    if day == setting.days / 2, flows.count > 1 {
      asEngineer.send("pipeline.pause", ["id": .id(flows[1].id), "reason": "the source is being moved"])
      flows[1].isRunning = false
    }
    if day == setting.days / 3 {
      asEngineer.send(
        "user.set_password",
        [
          "id": .id(engineer.id), "password": .string(Setting.password),
          "current_password": .string(Setting.password), "reason": "every year",
        ])
    }
    if day == setting.days / 2 + 3, flows.count > 1 {
      asEngineer.send("pipeline.resume", ["id": .id(flows[1].id)])
      flows[1].isRunning = true
    }
  }

  /// Somebody is told of a failure, and the run is tried again by hand.
  private func answer(_ run: RunTold, of flow: Flow, day: Int, hour: Double) {
    let notification = newIdentifier(at: run.end)
    let person = chance.one(of: [owner, engineer, somebody()])
    asEngineer.send(
      "notification.notify",
      [
        "id": .id(notification), "organization_id": .id(organization), "user_id": .id(person.id),
        "type": "warning", "title": .string("\(flow.name) failed and is tried again"),
        "message": .string(run.error ?? ""),
        "resource_type": "run", "resource_id": .id(run.id),
      ])
    if chance.happens(0.7) { unread.append((person, notification)) }
    var again = RunScript(trigger: "manual", status: fate(failing: 0.2))
    again.fields = ["context": ["retry_of": .id(run.id)]]
    tellRun(of: flow, day: day, hour: hour + 0.6, again)
  }

  /// In the morning the owner and the engineer read what they were told the day before.
  private func readNotifications(day: Int) {
    if day % 5 == 4 {
      for caller in [asOwner, asEngineer] {
        caller.send("notification.mark_all_read", ["organization_id": .id(organization)])
      }
    }
    for (person, notification) in unread {
      if person.id == owner.id { asOwner.send("notification.mark_read", ["id": .id(notification)]) }
      if person.id == engineer.id { asEngineer.send("notification.mark_read", ["id": .id(notification)]) }
    }
    unread = []
  }

  private func test(_ connection: Identifier) {
    let isWell = chance.happens(0.93)
    asEngineer.send(
      "connection.test",
      [
        "id": .id(connection), "status": isWell ? "success" : "failed",
        "message": .string(isWell ? "connected in \(chance.number(8...240)) ms" : chance.one(of: Life.mishaps)),
      ])
  }

  private func edit(_ index: Int, day: Int) {
    let id = flows[index].id
    flows[index].versions += 1
    let version = flows[index].versions
    var change: JSONObject = ["id": .id(id), "version_label": .string("1.\(version - 1).0")]
    switch chance.number(0...2) {
    case 0:
      change["config"] = config(of: flows[index], batch: 5000 + 500 * version)
      change["reason"] = "larger batches, fewer round trips"
    case 1:
      change["schedule"] = .string(Flow.schedules[version % Flow.schedules.count])
      change["reason"] = "the slot collided with the backups"
    default:
      change["default_params"] = ["limit": .count(100_000 + 1000 * (day + 1)), "day": .count(day)]
      change["reason"] = "a larger window after the review"
    }
    asEngineer.send("pipeline.edit", change)
    if version == 3 {
      asEngineer.send(
        "pipeline.name_version", ["id": .id(id), "version_number": 2, "name": "before the spring rework"])
    }
    if version == 4 {
      asEngineer.send("pipeline.rollback", ["id": .id(id), "to_version": 2, "reason": "twice the memory for nothing"])
      flows[index].versions += 1
    }
  }

  /// A warehouse job as its OpenLineage producer tells of it: what it read, what it wrote, column by column.
  private func report(day: Int, hour: Double) {
    let begin = setting.time(day: day, hour: hour)
    let table = tenant.tables[day % tenant.tables.count]
    asEngineer.send(
      together: OpenLineage.events(of: self, table: table, begin: begin).map {
        Caller.Wish("openlineage.record", ["organization_id": .id(organization), "event": $0])
      })
  }

  // MARK: - The last evening

  override func closeTheMonth() async throws {
    guard let first = flows.first, let last = flows.last else { return }
    let now = setting.time(day: setting.days - 1, hour: 23)
    let running = newIdentifier(at: now)
    asEngineer.send("run.start", ["id": .id(running), "pipeline_id": .id(first.id), "trigger_type": "webhook"])
    let cancelled = newIdentifier(at: now)
    asEngineer.send("run.create", ["id": .id(cancelled), "pipeline_id": .id(first.id), "trigger_type": "manual"])
    asEngineer.send("run.cancel", ["id": .id(cancelled), "at": .time(now), "reason": "started by mistake"])
    asEngineer.send("run.cancel", ["id": .id(endedRun(of: last))], refusedAs: .conflict)
    asEngineer.send("pipeline.archive", ["id": .id(last.id), "reason": "its source is gone"])
    asEngineer.send("pipeline.resume", ["id": .id(last.id)], refusedAs: .conflict)
    // This platform's pipelines know no such state.
    asEngineer.send("pipeline.deprecate", ["id": .id(first.id)], refusedAs: .invalidParams, naming: "/status")
    if let module = modules["extractor"] {
      asEngineer.send("module_template.use", ["id": .id(module)])
      asEngineer.send(
        "pipeline.edit",
        [
          "id": .id(first.id),
          "config": ["nodes": [["id": "a", "module_template_id": .id(module), "config": ["batch_size": 0]]]],
        ],
        refusedAs: .invalidParams)
    }
    asEngineer.send(
      "pipeline.edit", ["id": .id(first.id), "description": "never", "expected_version": 1], refusedAs: .conflict)
    asEngineer.send(
      "pipeline.edit", ["id": .id(first.id), "schedule": "every now and then"], refusedAs: .invalidParams,
      naming: "/schedule")
    try await asEngineer.settle()
  }

  /// A run that has ended.
  private func endedRun(of flow: Flow) -> Identifier {
    tellRun(of: flow, day: setting.days - 1, hour: 22, RunScript(logs: false, measures: false)).id
  }
}
