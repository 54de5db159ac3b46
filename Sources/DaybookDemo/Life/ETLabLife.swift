import BasicTypes
import CanonicalJSON
import Refusals

/// A month on ETLab: workspaces that people are invited to, pages and DAGs in
/// them, Spark to run them on, Airflow to keep in step with.
final class ETLabLife: Life {
  private var workspaces: [Identifier] = []
  private var pages: [Flow] = []
  private var dags: [Flow] = []
  private var sparks: [Identifier] = []

  override var somethingOfOurs: (get: String, id: Identifier)? { workspaces.first.map { ("workspace.get", $0) } }

  // MARK: - The first day

  override func settleIn() async throws {
    makeConnections()
    for name in ["Production", "Laboratory"] { makeWorkspace(name) }
    try await settle()
    try await invite()
    for (index, table) in tables(setting.scaled(4, atLeast: 2)).enumerated() {
      makeSchema(table)
      makePage(table, index: index)
    }
    try await settle()
    for index in 0..<setting.scaled(3, atLeast: 2) { makeDAG(index) }
  }

  private func makeConnections() {
    let domain = tenant.domain
    let kinds: [(String, JSONObject)] = [
      ("local", ["master": "local[*]", "driver_memory": "2g", "executor_memory": "2g"]),
      (
        "standalone",
        ["master": .string("spark://spark.\(domain):7077"), "driver_memory": "4g", "executor_memory": "8g"]
      ),
      ("yarn", ["master": "yarn", "deploy_mode": "cluster", "queue": "etl"]),
      (
        "kubernetes",
        ["master": .string("k8s://https://k8s.\(domain):6443"), "namespace": "spark", "image": "spark:3.5"]
      ),
      (
        "databricks",
        [
          "host": .string("https://\(tenant.slug).cloud.example.com"),
          "token": .string("dapi\(chance.hexadecimal(32))"), "cluster_id": "0123-456789-abc123",
        ]
      ),
      (
        "livy",
        [
          "url": .string("http://livy.\(domain):8998"), "auth": "basic", "username": "etl",
          "password": .string(chance.hexadecimal(16)),
        ]
      ),
    ]
    for (type, config) in kinds {
      let id = setting.identifier("\(tenant.slug) spark \(type)")
      sparks.append(id)
      asEngineer.send(
        "connection.create",
        [
          "id": .id(id), "organization_id": .id(organization), "name": .string("Spark, \(type)"), "type": .string(type),
          "config": .object(config), "owner_id": .id(engineer.id),
        ])
    }
    asEngineer.send("connection.set_default", ["id": .id(sparks[0])])
  }

  private func makeWorkspace(_ name: String) {
    let id = setting.identifier("\(tenant.slug) workspace \(name)")
    workspaces.append(id)
    asOwner.send(
      "workspace.create",
      [
        "id": .id(id), "organization_id": .id(organization), "name": .string("\(tenant.name) \(name)"),
        "description": .string("Where the \(name.lowercased()) pages are."), "owner_id": .id(owner.id),
        "settings": ["default_format": "delta"],
      ])
    for (index, person) in people.dropFirst().prefix(1 + people.count / 2).enumerated() {
      asOwner.send(
        "workspace_member.create",
        [
          "id": .id(setting.identifier("\(tenant.slug) member \(name) \(person.email)")),
          "organization_id": .id(organization), "workspace_id": .id(id), "user_id": .id(person.id),
          "role": .string(index == 0 ? "editor" : "viewer"),
        ])
    }
  }

  /// A freelancer joins the laboratory by a link; the link is revoked, and is good for nobody from then on.
  private func invite() async throws {
    let guest = setting.identifier("\(tenant.slug) guest")
    let address = setting.own("guest.\(tenant.slug)", separator: "+") + "@freelance.example.com"
    administrator.send(
      "user.create",
      [
        "id": .id(guest), "email": .string(address), "display_name": "Freelance guest", "role": "viewer",
        "password": .string(Setting.password),
      ])
    let link = setting.identifier("\(tenant.slug) link")
    let made = try await asOwner.result(
      "share_link.create",
      [
        "id": .id(link), "organization_id": .id(organization), "workspace_id": .id(workspaces[1]), "role": "editor",
        "expires_at": .time(setting.end.adding(seconds: 86_400 * 60)),
      ])
    try await administrator.settle()
    if let token = made?["token"]?.stringValue {
      let caller = try await Caller.connect(
        "\(tenant.slug).guest", platform: tenant.platform.rawValue, hall: hall,
        signingInWith: ["email": .string(address), "password": .string(Setting.password)])
      caller.begin("invited")
      caller.send("workspace.get", ["id": .id(workspaces[1])], refusedAs: .notFound)
      caller.send("workspace.join", ["token": .string(token)])
      try await caller.settle()
      asOwner.send("share_link.revoke", ["id": .id(link), "reason": "everybody is here"])
      try await asOwner.settle()
      caller.send("workspace.join", ["token": .string(token)], refusedAs: .notFound)
      try await caller.settle()
      try await caller.close()
    } else {
      hall.tally.noteShownBefore()
      asOwner.send("share_link.revoke", ["id": .id(link), "reason": "everybody is here"])
    }
    asOwner.send(
      "share_link.create",
      [
        "id": .id(setting.identifier("\(tenant.slug) open link")), "organization_id": .id(organization),
        "workspace_id": .id(workspaces[0]), "role": "viewer",
      ])
  }

  private func makeSchema(_ table: String) {
    asEngineer.send(
      "schema_definition.create",
      [
        "id": .id(setting.identifier("\(tenant.slug) schema \(table)")), "organization_id": .id(organization),
        "workspace_id": .id(workspaces[0]), "name": .string(table), "description": .string("Rows of \(table)"),
        "columns": [
          ["name": "id", "type": "long", "nullable": false, "description": "the key"],
          ["name": "name", "type": "string"], ["name": "amount", "type": "double"],
          ["name": "at", "type": "timestamp", "nullable": true],
        ],
      ])
  }

  private func makePage(_ table: String, index: Int) {
    let flow = Flow(
      id: setting.identifier("\(tenant.slug) page \(index)"), name: Flow.name(table, &chance), table: table,
      parts: parts(table), runsADay: chance.number(1...4))
    pages.append(flow)
    asEngineer.send(
      "pipeline.create",
      [
        "id": .id(flow.id), "organization_id": .id(organization), "kind": "page",
        "workspace_id": .id(workspaces[index % 2]),
        "name": .string(flow.name), "description": .string("\(table), drawn"), "nodes": flow.nodes, "edges": flow.edges,
        "generated_code": .string(code(of: flow, 1)), "metadata": ["zoom": 1.0],
      ])
    asEngineer.send("pipeline.publish", ["id": .id(flow.id)])
  }

  private func makeDAG(_ index: Int) {
    let tables = chance.some(3, of: pages)
    let table = tables[0].table
    var flow = Flow(
      id: setting.identifier("\(tenant.slug) dag \(index)"), name: "Pipeline \(index + 1) of \(tenant.name)",
      table: table,
      parts: [], runsADay: 1)
    flow.parts = tables.enumerated().map { number, page in
      Flow.Part(id: "task-\(number + 1)", name: "process_\(page.table)", kind: page.id.text)
    }
    dags.append(flow)
    asEngineer.send(
      "pipeline.create",
      dagFields(flow, index: index).merging([
        "id": .id(flow.id), "organization_id": .id(organization), "kind": "dag", "workspace_id": .id(workspaces[0]),
      ]))
    asEngineer.send("pipeline.publish", ["id": .id(flow.id)])
    asEngineer.send("pipeline.mark_synced", ["id": .id(flow.id)])
  }

  private func dagFields(_ flow: Flow, index: Int) -> JSONObject {
    [
      "dag_id": .string(setting.own("\(tenant.slug.prefix(6))_dag_\(index)", separator: "_")),
      "name": .string(flow.name),
      "description": "What Airflow runs at night",
      "schedule": ["interval": "@daily", "start_date": "2024-01-01", "catchup": false],
      "default_args": ["retries": 1, "owner": "etl"],
      "tasks": .array(
        flow.parts.map { part in
          [
            "id": .string(part.id), "type": "spark_submit", "name": .string(part.name),
            "config": ["page_id": .string(part.kind), "connection_id": .id(sparks[1])],
          ]
        }),
      "edges": flow.edges,
      "generated_code": .string("with DAG(\"\(flow.name)\"):\n    pass  # version \(flow.versions)"),
    ]
  }

  private func code(of flow: Flow, _ version: Int) -> String {
    "df = spark.read.table(\"\(flow.table)\")  # version \(version)\ndf.dropDuplicates([\"id\"]).write.saveAsTable(\"mart_\(flow.table)\")"
  }

  // MARK: - A day

  override func work(day: Int) async throws {
    for flow in pages {
      for hour in hours(flow.runsADay) { execute(flow, day: day, hour: hour) }
    }
    for _ in 0..<setting.scaled(3) { tryOut(day: day) }
    for index in dags.indices { runDAG(index, day: day) }
    if chance.happens(0.5) {
      let index = chance.number(0...pages.count - 1)
      pages[index].versions += 1
      asEngineer.send(
        "pipeline.edit",
        ["id": .id(pages[index].id), "generated_code": .string(code(of: pages[index], pages[index].versions))])
    }
    if chance.happens(0.3) { changeDAG(chance.number(0...dags.count - 1)) }
    let spark = chance.one(of: sparks)
    asEngineer.send(
      "connection.test",
      ["id": .id(spark), "status": chance.happens(0.9) ? "success" : "failed", "message": "a session was opened"])
    if day % 8 == 6 { report(day: day) }
    if day == setting.days / 3 { asEngineer.send("connection.set_default", ["id": .id(sparks[1])]) }
  }

  /// A page's code on Spark, as somebody ran it.
  private func execute(_ flow: Flow, day: Int, hour: Double) {
    var script = RunScript(trigger: "manual", status: chance.happens(0.03) ? "cancelled" : fate(failing: 0.08))
    let person = chance.happens(0.5) ? owner : engineer
    script.fields = [
      "connection_id": .id(chance.one(of: sparks)), "code": .string(code(of: flow, flow.versions)),
      "language": "pyspark",
      "triggered_by": .id(person.id),
    ]
    script.measures = chance.happens(0.5)
    script.ending = ["result_summary": ["rows": .count(chance.number(100...90_000)), "columns": 4]]
    tellRun(of: flow, day: day, hour: hour, script)
  }

  /// A few lines of code, of no page.
  private func tryOut(day: Int) {
    let begin = setting.time(day: day, hour: 9 + chance.amount(0...8))
    let run = newIdentifier(at: begin)
    let table = chance.one(of: tenant.tables)
    asEngineer.send(
      "run.create",
      [
        "id": .id(run), "organization_id": .id(organization), "trigger_type": "manual",
        "triggered_by": .id(engineer.id),
        "connection_id": .id(sparks[0]),
        "code": .string("spark.table(\"\(table)\").groupBy(\"country\").count().show()"),
        "language": "pyspark",
      ])
    asEngineer.send("run.begin", ["id": .id(run), "at": .time(begin)])
    let isWell = chance.happens(0.8)
    let end = begin.adding(seconds: Int64(chance.number(1...60)))
    asEngineer.send(
      "run.log",
      [
        "id": .id(run),
        "lines": [line(end, isWell ? "INFO" : "ERROR", nil, isWell ? "shown" : "AnalysisException: no such column")],
      ])
    var ending: JSONObject = ["id": .id(run), "status": isWell ? "completed" : "failed", "at": .time(end)]
    if isWell {
      ending["result_summary"] = ["rows": 5]
    } else {
      ending["error_message"] = "AnalysisException: no such column"
    }
    asEngineer.send("run.finish", ending)
  }

  /// A night's run of a DAG, as Airflow tells of it.
  private func runDAG(_ index: Int, day: Int) {
    let flow = dags[index]
    let begin = setting.time(day: day, hour: 0.2 + 0.1 * Double(index))
    let run = newIdentifier(at: begin)
    let failed = chance.happens(0.08)
    asEngineer.send(
      "run.create",
      [
        "id": .id(run), "pipeline_id": .id(flow.id), "trigger_type": "scheduled",
        "dag_run_id": .string("scheduled__\(begin.text.prefix(10))"), "nominal_start_at": .time(begin),
        "dag_id": .string(setting.own("\(tenant.slug.prefix(6))_dag_\(index)", separator: "_")),
      ])
    asEngineer.send("run.begin", ["id": .id(run), "at": .time(begin)])
    var states: JSONObject = [:]
    var at = begin
    for (number, part) in flow.parts.enumerated() {
      let isLast = number == flow.parts.count - 1
      let seconds = chance.amount(20...900)
      at = at.adding(seconds: Int64(seconds))
      states[part.id] = ["state": .string(failed && isLast ? "failed" : "success"), "duration": .number(seconds)]
    }
    asEngineer.send("run.set_task_states", ["id": .id(run), "task_states": .object(states)])
    var ending: JSONObject = ["id": .id(run), "status": failed ? "failed" : "success", "at": .time(at)]
    if failed { ending["error_message"] = .string(chance.one(of: Life.mishaps)) }
    asEngineer.send("run.finish", ending)
  }

  /// A changed DAG is modified by itself, until Airflow has it.
  private func changeDAG(_ index: Int) {
    dags[index].versions += 1
    var fields = dagFields(dags[index], index: index).filter { $0.key == "generated_code" }
    fields["id"] = .id(dags[index].id)
    asEngineer.send("pipeline.edit", fields)
    if chance.happens(0.2) {
      asEngineer.send(
        "pipeline.mark_sync_failed", ["id": .id(dags[index].id), "error": "the scheduler did not answer"])
    } else if chance.happens(0.8) {
      asEngineer.send("pipeline.mark_synced", ["id": .id(dags[index].id)])
    }
  }

  private func report(day: Int) {
    let table = tenant.tables[day % tenant.tables.count]
    let events = OpenLineage.events(of: self, table: table, begin: setting.time(day: day, hour: 5))
    asEngineer.send(
      together: events.map { Caller.Wish("openlineage.record", ["organization_id": .id(organization), "event": $0]) })
  }

  // MARK: - The last evening

  override func closeTheMonth() async throws {
    guard let page = pages.first, let dag = dags.first else { return }
    asEngineer.send(
      "pipeline.rollback", ["id": .id(page.id), "to_version": 1, "reason": "the first drawing was the better one"])
    asEngineer.send("pipeline.mark_synced", ["id": .id(page.id)], refusedAs: .conflict)
    asEngineer.send(
      "pipeline.edit",
      [
        "id": .id(dag.id),
        "edges": [["source": "task-1", "target": "task-2"], ["source": "task-2", "target": "task-1"]],
      ], refusedAs: .invalidParams)
    // Connections of this platform are Spark's, and somebody's own.
    asEngineer.send(
      "connection.create",
      [
        "organization_id": .id(organization), "name": "no cluster", "type": "postgres", "config": ["host": "db"],
        "owner_id": .id(engineer.id),
      ], refusedAs: .invalidParams, naming: "/type")
    let queued = newIdentifier(at: setting.end)
    asEngineer.send("run.create", ["id": .id(queued), "pipeline_id": .id(dag.id), "trigger_type": "scheduled"])
    asEngineer.send(
      "workspace_member.edit",
      [
        "id": .id(setting.identifier("\(tenant.slug) member Laboratory \(engineer.email)")), "role": "owner",
      ])
  }
}
