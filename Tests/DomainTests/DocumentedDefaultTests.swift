import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// What the platforms' documents say of values that nobody gives, of steps that were run, and of numbers and texts at
/// their limits.
@Suite struct DocumentedDefaultTests {
  private struct Ground {
    let book: TestDomain
    let organization: String
    let user: String

    init(_ platform: String) async throws {
      book = try TestDomain()
      organization = try await book.organization("acme", platform: platform)
      user = try await book.make(
        "user",
        [
          "email": "ann@acme.example", "username": "ann", "role": "developer", "keycloak_id": "kc",
          "organization_id": .string(organization), "membership_role": "owner",
        ])
    }

    func make(_ method: String, _ params: JSONObject) async throws -> String {
      try await book.make(
        by: method, params.merging(["organization_id": .string(organization)]), as: book.principal(user))
    }

    func refusal(_ method: String, _ params: JSONObject) async throws -> Refusal {
      try await book.refusal(
        method, params.merging(["organization_id": .string(organization)]), as: book.principal(user))
    }
  }

  @Test func `what nobody owns on the Data Aggregator is owned by who makes it, who then can't be deleted`()
    async throws
  {
    let ground = try await Ground("data_aggregator")
    let made = [
      try await ground.make("pipeline.create", ["name": "p", "source_config": [:], "destination_config": [:]]),
      try await ground.make("connection.create", ["name": "c", "type": "mysql", "config": [:]]),
      try await ground.make("transformation.create", ["name": "t", "transformation_type": "map"]),
      try await ground.make("dashboard.create", ["name": "d", "layout_config": [:]]),
    ]
    for id in made {
      let fields = try ground.book.state(id).fields
      #expect((fields["owner_id"] ?? fields["user_id"])?.stringValue == ground.user)
    }
    #expect(try ground.book.state(made[0]).fields["is_active"] == true)
    let refused = try await ground.book.refusal("user.delete", ["id": .string(ground.user)])
    #expect(refused.reason == "reference" && refused.data["referrers"]?.arrayValue?.count == made.count)
    try await ground.book.call("pipeline.edit", ["id": .string(made[0]), "is_active": false])
    #expect(try ground.book.state(made[0]).fields["is_active"] == false)
    try ground.book.checkIndexes()
    // Elsewhere nothing is filled.
    let free = try await ground.book.organization("free")
    let other = try await ground.book.make("pipeline", ["organization_id": .string(free), "name": "p"])
    #expect(
      try ground.book.state(other).fields["owner_id"] == nil && ground.book.state(other).fields["is_active"] == nil)
  }

  @Test func `what a document demands and has no default for must be given, whatever ours is`() async throws {
    let builder = try await Ground("etl_builder")
    #expect(try await builder.refusal("connection.create", ["name": "c", "type": "s3"]).paths == ["/config"])
    #expect(try await builder.refusal("pipeline.create", ["name": "p"]).paths == ["/config"])
    let pipeline = try await builder.make("pipeline.create", ["name": "p", "config": [:]])
    let of: JSONObject = ["pipeline_id": .string(pipeline)]
    #expect(try await builder.refusal("run.create", of).paths == ["/trigger_type"])
    let run = try await builder.make("run.start", of.merging(["trigger_type": "manual"]))
    let id: JSONObject = ["id": .string(run)]
    let lines: JSON = [["message": "a", "level": "INFO"], ["message": "b"]]
    #expect(try await builder.book.refusal("run.log", id.merging(["lines": lines])).paths == ["/lines/1/level"])
    let preview: JSONObject = ["node_id": "n", "sample_data": [[1]]]
    #expect(try await builder.book.refusal("run.preview", id.merging(preview)).paths == ["/schema_info"])

    let django = try await Ground("django_etl")
    let steps: JSON = [["name": "s", "order_index": 0, "step_type": "load"]]
    #expect(
      try await django.refusal("pipeline.create", ["name": "p", "config": [:], "steps": steps]).paths
        == ["/steps/0/config"])
    let aggregator = try await Ground("data_aggregator")
    #expect(
      try await aggregator.refusal("user.create", ["email": "b@acme.example"]).paths == ["/role"])
    #expect(try await aggregator.refusal("system.log", ["message": "m"]).paths == ["/level"])
    let free = try TestDomain()
    let organization = try await free.organization("free")
    _ = try await free.make("connection", ["organization_id": .string(organization), "name": "c", "type": "s3"])
  }

  @Test func `a step that was run can't be taken away on Django, by no edit and no rollback`() async throws {
    let ground = try await Ground("django_etl")
    func step(_ name: String, _ number: Int, _ index: Int64) -> JSON {
      [
        "id": .string("00000000-0000-4000-8000-00000000000\(number)"), "name": .string(name),
        "order_index": .integer(index), "step_type": "load", "config": [:],
      ]
    }
    let (a, b, c) = (step("a", 1, 0), step("b", 2, 1), step("c", 3, 2))
    let pipeline = try await ground.make("pipeline.create", ["name": "p", "config": [:], "steps": [a]])
    let id: JSONObject = ["id": .string(pipeline)]
    try await ground.book.call("pipeline.edit", id.merging(["steps": [a, b, c]]))
    let run = try await ground.make("run.start", ["pipeline_id": .string(pipeline), "trigger_type": "manual"])
    let task = try await ground.book.make("task_run", ["run_id": .string(run), "step_id": b["id"] ?? .null])
    let refused = try await ground.book.refusal("pipeline.edit", id.merging(["steps": [a]]))
    #expect(refused.reason == "reference" && refused.data["referrers"]?.arrayValue?.first?["id"] == .string(task))
    let back = try await ground.book.refusal("pipeline.rollback", id.merging(["to_version": 1]))
    #expect(back.reason == "reference")
    // One that was not run can go, and the other when its task run is deleted.
    try await ground.book.call("pipeline.edit", id.merging(["steps": [a, b]]))
    try await ground.book.call("task_run.delete", ["id": .string(task)])
    try await ground.book.call("pipeline.edit", id.merging(["steps": [a]]))
    // Elsewhere what ran stays in the versions, and steps come and go.
    let free = try await ground.book.organization("free")
    let other = try await ground.book.make(
      "pipeline", ["organization_id": .string(free), "name": "p", "steps": [a, b]])
    let ran = try await ground.book.make(by: "run.start", ["pipeline_id": .string(other)])
    _ = try await ground.book.make("task_run", ["run_id": .string(ran), "step_id": b["id"] ?? .null])
    try await ground.book.call("pipeline.edit", ["id": .string(other), "steps": [a]])
  }

  @Test func `numbers that an integer column can't hold are refused, and a preview has a hundred rows`() async throws {
    let ground = try await Ground("etl_builder")
    let pipeline = try await ground.make("pipeline.create", ["name": "p", "config": [:]])
    let run = try await ground.make("run.start", ["pipeline_id": .string(pipeline), "trigger_type": "manual"])
    let measure: JSONObject = ["id": .string(run), "node_id": "n"]
    let refused = try await ground.book.refusal("run.measure", measure.merging(["rows_input": 2_147_483_648]))
    #expect(refused.paths == ["/rows_input"])
    try await ground.book.call(
      "run.measure", measure.merging(["rows_input": 2_147_483_647, "data_size_bytes": 2_147_483_648]))
    func preview(_ count: Int64) -> JSONObject {
      [
        "id": .string(run), "node_id": "n", "schema_info": [:],
        "sample_data": .array((0..<count).map { [.integer($0)] }),
      ]
    }
    #expect(try await ground.book.refusal("run.preview", preview(101)).paths == ["/sample_data"])
    try await ground.book.call("run.preview", preview(100))
    let many = try await ground.book.refusal("run.preview", preview(1).merging(["row_count": 2_147_483_648]))
    #expect(many.paths == ["/row_count"])
  }

  @Test func `texts count as they are given, and what may be null is`() async throws {
    let mecapy = try await Ground("mecapy")
    let quotes = String(repeating: "\"", count: 5_000)
    let calculation: JSONObject = ["name": "c", "code": "pass"]
    let made = try await mecapy.make("calculation.create", calculation.merging(["parameters": .string(quotes)]))
    #expect(try mecapy.book.state(made).fields["parameters"]?.stringValue?.utf8.count == 5_000)
    let long = try await mecapy.refusal(
      "calculation.create", calculation.merging(["parameters": .string(quotes + "x")]))
    #expect(long.paths == ["/parameters"])

    let aggregator = try await Ground("data_aggregator")
    let run = try await aggregator.make("run.create", [:])
    #expect(try aggregator.book.state(run).fields["pipeline_id"] == nil)
    _ = try await aggregator.make("file_job.create", ["job_type": "validation"])
    let snowflake = try await aggregator.make("connection.create", ["name": "s", "type": "snowflake", "config": [:]])
    #expect(try aggregator.book.state(snowflake).fields["type"] == "snowflake")
    #expect(
      try await aggregator.refusal(
        "connection.create", ["name": "s", "type": .string(String(repeating: "x", count: 101)), "config": [:]]
      ).paths == ["/type"])

    let etlab = try await Ground("etlab")
    let spark = try await etlab.make("connection.create", ["name": "l", "type": "local", "config": nil])
    #expect(try etlab.book.state(spark).fields["config"] == nil)
    let builder = try await Ground("etl_builder")
    for (method, params) in [
      ("connection.create", ["name": "s", "type": "snowflake", "config": [:]]),
      ("run.create", ["trigger_type": "manual"]),
    ] as [(String, JSONObject)] {
      #expect(try await builder.refusal(method, params).code == .invalidParams, "\(method)")
    }
    _ = try await builder.book.organization("AcmeCorp", platform: "etl_builder")
  }
}
