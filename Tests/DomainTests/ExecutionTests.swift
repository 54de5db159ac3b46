import Access
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

@Suite struct ExecutionTests {
  @Test func `a run is of a pipeline or of code`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    for method in ["run.create", "run.start"] {
      let error = try await book.refusal(method, ["organization_id": .string(acme)])
      #expect(error.paths == ["/pipeline_id", "/code"])
      let malformed = try await book.refusal(method, ["organization_id": .string(acme), "pipeline_id": "x"])
      #expect(malformed.paths == ["/pipeline_id"], "one fault is told once")
    }
    let (user, principal) = try await book.member("ann", of: acme)
    let connection = try await book.make(
      "connection", ["name": "cluster", "type": "kafka", "organization_id": .string(acme)])
    let run = try await book.make(
      by: "run.start",
      ["code": "spark.range(1)", "language": "python", "connection_id": .string(connection)], as: principal)
    try await book.call(
      "run.finish",
      [
        "id": .string(run), "status": "completed", "result_summary": ["rows": 1],
        "execution_log": [["message": "one row"]],
      ])
    let item = try book.item(run)
    #expect(item["code"] == "spark.range(1)" && item["status"] == "success")
    #expect(item["result_summary"] == ["rows": 1] && item["execution_log"] == [["message": "one row"]])
    #expect(item["triggered_by"] == .string(user))
    #expect(try await book.refusal("run.edit", ["id": .string(run), "code": nil]).paths == ["/code"])
    let page = try await book.make(
      "pipeline", ["name": "page", "kind": "page", "organization_id": .string(acme)])
    let paged = try await book.make(
      "run", ["pipeline_id": .string(page), "code": "1", "connection_id": .string(connection)])
    try await book.call("run.edit", ["id": .string(paged), "code": nil])
    #expect(try book.item(paged)["code"] == JSON.null)
    try await book.call("connection.delete", ["id": .string(connection)])
    #expect(try book.item(paged)["connection_id"] == JSON.null)
    let gone = try await book.refusal(
      "run.create", ["pipeline_id": .string(page), "connection_id": .string(connection)])
    #expect(gone.paths == ["/connection_id"])
  }

  @Test func `a run is triggered by the acting person, unless a schedule or a webhook did it`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let (user, principal) = try await book.member("ann", of: acme)
    let key = try await book.key(
      ["runs": ["read", "execute"]], in: acme, as: try await book.member("bob", of: acme, role: "admin").principal)
    func triggeredBy(_ type: String?, as principal: Principal) async throws -> JSON? {
      var params: JSONObject = ["organization_id": .string(acme), "code": "1"]
      if let type { params["trigger_type"] = .string(type) }
      return try book.item(try await book.make("run", params, as: principal))["triggered_by"]
    }
    for type in [nil, "manual", "api"] {
      #expect(try await triggeredBy(type, as: principal) == .string(user))
    }
    for type in ["scheduled", "webhook"] { #expect(try await triggeredBy(type, as: principal) == JSON.null) }
    #expect(try await triggeredBy(nil, as: TestDomain.administrator) == JSON.null)
    #expect(try await triggeredBy("api", as: key.principal) != JSON.null, "a key stands for who made it")
    let (carol, _) = try await book.member("carol", of: acme)
    let run = try await book.make(
      "run",
      [
        "organization_id": .string(acme), "code": "1", "trigger_type": "scheduled", "triggered_by": .string(carol),
      ], as: principal)
    #expect(try book.item(run)["triggered_by"] == .string(carol), "who is named is kept")
    let wrong = try await book.refusal(
      "run.create", ["organization_id": .string(acme), "code": "1", "trigger_type": "x"])
    #expect(wrong.paths == ["/trigger_type"])
  }

  @Test func `task states are merged task by task and member by member`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let dag = try await book.make(
      "pipeline", ["name": "d", "kind": "dag", "organization_id": .string(acme)])
    let run = try await book.make(
      by: "run.start",
      [
        "pipeline_id": .string(dag), "dag_run_id": "manual__1", "trigger_type": "scheduled",
        "task_states": ["task-1": ["state": "running", "started_at": "2024-01-15T10:30:00Z"]],
      ])
    let told: JSONObject = [
      "id": .string(run),
      "task_states": [
        "task-1": ["state": "success", "duration": 45.2], "task-2": ["state": "queued"], "task-3": ["state": "skipped"],
      ],
    ]
    #expect(try await book.call("run.set_task_states", told).eventNames == ["run.task_states_set"])
    #expect(
      try book.item(run)["task_states"] == [
        "task-1": ["state": "success", "duration": 45.2, "started_at": "2024-01-15T10:30:00Z"],
        "task-2": ["state": "queued"], "task-3": ["state": "skipped"],
      ])
    #expect(try await book.call("run.set_task_states", told)["events"] == [], "nothing new")
    try await book.call(
      "run.set_task_states",
      ["id": .string(run), "task_states": ["task-3": nil, "task-1": ["state": "up_for_retry", "duration": nil]]])
    try await book.call(
      "run.finish", ["id": .string(run), "status": "failed", "task_states": ["task-2": ["state": "upstream_failed"]]])
    #expect(
      try book.item(run)["task_states"] == [
        "task-1": ["state": "up_for_retry", "started_at": "2024-01-15T10:30:00Z"],
        "task-2": ["state": "upstream_failed"],
      ])
  }

  @Test func `task states of another shape are refused at their place`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let here: JSONObject = ["organization_id": .string(acme), "code": "1"]
    let run = try await book.make("run", here)
    let wrong: JSON = [
      "a": "success", "b/c": ["state": "sleeping"], "d": ["duration": 1], "e": ["state": "success", "duration": -1],
      "f": ["state": "running", "started_at": "yesterday"], "g": ["state": "success", "completed_at": 5],
      "h": ["state": "success", "try_number": 2],
    ]
    let paths: Set<String> = [
      "/task_states/a", "/task_states/b~1c/state", "/task_states/d/state", "/task_states/e/duration",
      "/task_states/f/started_at", "/task_states/g/completed_at",
    ]
    for (method, params) in [
      ("run.create", here), ("run.start", here), ("run.edit", ["id": .string(run)]),
      ("run.finish", ["id": .string(run), "status": "success"]), ("run.set_task_states", ["id": .string(run)]),
    ] as [(String, JSONObject)] {
      let error = try await book.refusal(method, params.merging(["task_states": wrong]))
      #expect(Set(error.paths) == paths, "\(method)")
    }
    #expect(
      try await book.refusal("run.edit", ["id": .string(run), "task_states": ["a": nil]]).paths == ["/task_states/a"])
    for states: JSON in ["text", [["state": "success"]]] {
      let error = try await book.refusal("run.set_task_states", ["id": .string(run), "task_states": states])
      #expect(error.paths == ["/task_states"])
    }
    #expect(try await book.refusal("run.set_task_states", ["id": .string(run)]).paths == ["/task_states"])
  }

  @Test func `what is known of tasks is bounded, however often more is told`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let run = try await book.make("run", ["code": "1", "organization_id": .string(acme)])
    let note = JSON.string(String(repeating: "x", count: 700_000))
    func told(_ task: String) -> JSONObject {
      ["id": .string(run), "task_states": .object([task: ["state": "running", "note": note]])]
    }
    try await book.call("run.set_task_states", told("a"))
    #expect(try await book.refusal("run.set_task_states", told("b")).code == .tooLarge)
    let end = told("b").merging(["status": "success"])
    #expect(try await book.refusal("run.finish", end).code == .tooLarge)
    try await book.call(
      "run.set_task_states", ["id": .string(run), "task_states": ["a": nil, "b": ["state": "success"]]])
    #expect(try book.item(run)["task_states"] == ["b": ["state": "success"]])
  }

  @Test func `the words of all platforms are taken for the same states`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let here: JSONObject = ["organization_id": .string(acme), "code": "1"]
    let run = try await book.make(by: "run.start", here)
    let task = try await book.make(by: "task_run.start", ["run_id": .string(run)])
    let calculation = try await book.make(by: "calculation.start", here.merging(["name": "c"]))
    let file = try await book.make(
      "file",
      ["organization_id": .string(acme), "filename": "f", "file_size": 1, "status": "uploaded"])
    let job = try await book.make(by: "file_job.start", ["file_id": .string(file), "job_type": "validation"])
    for (type, id) in [("run", run), ("task_run", task), ("calculation", calculation), ("file_job", job)] {
      try await book.call("\(type).finish", ["id": .string(id), "status": "completed"])
      #expect(try book.item(id)["status"] == "success", "\(type)")
    }
  }
}
