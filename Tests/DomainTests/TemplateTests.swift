import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// What others make something from: what it makes, who may use it, who may change it.
@Suite struct TemplateTests {
  /// Two organizations with somebody who writes in each, and a template of the first.
  private struct Scene {
    let book: TestDomain
    let acme: String
    let other: String
    let ann: Principal
    let bob: Principal

    init() async throws {
      book = try TestDomain()
      acme = try await book.organization("acme")
      other = try await book.organization("other")
      ann = try await book.member("ann", of: acme).principal
      bob = try await book.member("bob", of: other).principal
    }

    func template(_ config: JSON, _ more: JSONObject = [:]) async throws -> String {
      try await book.make(
        "pipeline_template",
        JSONObject(members: [
          (key: "name", value: "t"), (key: "category", value: "etl"), (key: "template_config", value: config),
          (key: "organization_id", value: .string(acme)),
        ]).merging(more))
    }
  }

  @Test func `a template's secret goes only where a pipeline seals it too`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let url = "jdbc:postgresql://etl:S3cr3t-9@db.example.org/x"
    func make(_ config: JSON, _ more: JSONObject = [:]) async throws -> JSONObject {
      let id = try await scene.template(config)
      return try await book.call(
        "pipeline.from_template", more.merging(["template_id": .string(id), "name": "mine"]), as: scene.ann)
    }
    for field in ["generated_code", "description"] {
      let id = try await scene.template(.object(JSONObject(members: [(field, .string("read('\(url)')"))])))
      let params: JSONObject = ["template_id": .string(id), "name": "mine"]
      let refusal = try await book.refusal("pipeline.from_template", params, as: scene.ann)
      #expect(refusal.code == .invalidParams && refusal.message.contains("would show"), "\(refusal)")
      // What is given instead needs none of it.
      let besides = params.merging(JSONObject(members: [(field, "none")]))
      _ = try await book.call("pipeline.from_template", besides, as: scene.ann)
    }
    let made = try await make(["config": ["password": "S3cr3t-9"], "warehouse": ["url": .string(url)]])
    let item = try book.item(try #require(made["id"]?.stringValue))
    #expect(!JSON.object(item).canonicalString.contains("S3cr3t-9"), "\(item)")
  }

  @Test func `a pipeline is made from a template and what is given besides`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let step: JSON = ["name": "read", "order_index": 0, "step_type": "extract"]
    let id = try await scene.template([
      "kind": "flow", "description": "from the template", "schedule": "@daily", "tags": ["a", "b"], "steps": [step],
      "config": ["x": 1], "nodes_per_run": 5, "is_scheduled": true, "status": "active",
    ])
    let result = try await book.call(
      "pipeline.from_template",
      ["template_id": .string(id), "name": "mine", "tags": [], "description": nil, "reason": "to begin with"],
      as: scene.ann)
    #expect(result.eventNames == ["pipeline.created", "pipeline_template.used"])
    let made = try #require(result["id"]?.stringValue)
    let item = try book.item(made)
    #expect(item["template_id"] == .string(id))
    #expect(item["organization_id"] == .string(scene.acme))
    #expect(item["name"] == "mine")
    #expect(item["description"] == JSON.null, "given as null, it stays empty")
    #expect(item["tags"] == [], "what is given wins, even where it is the default")
    #expect(item["schedule"] == "@daily")
    #expect(item["status"] == "active")
    #expect(item["is_scheduled"] == true)
    #expect(item["config"] == ["x": 1, "nodes_per_run": 5], "what is no field of a pipeline joins its config")
    #expect(item["version_label"] == "1.0.0", "defaults fill in the rest")
    #expect(item["version_number"] == 1)
    #expect(item["steps"]?.arrayValue?.first?["id"]?.stringValue != nil)
    #expect(try book.item(id)["use_count"] == 1)
    #expect(try book.item(id)["version_number"] == 1, "a use is no edit")
    let use = try #require(try book.records(of: id).last)
    #expect(use.body.data == ["pipeline_id": .string(made)])
    #expect(use.header.causation?.text == result["events"]?.arrayValue?[0]["id"]?.stringValue)
    try await book.call("pipeline.rollback", ["id": .string(made), "to_version": 1])
    // A template that goes leaves what was made from it.
    let deleted = try await book.call("pipeline_template.delete", ["id": .string(id)])
    #expect(deleted.eventNames == ["pipeline_template.deleted", "pipeline.edited"])
    #expect(try book.item(made)["template_id"] == JSON.null)
    try book.checkIndexes()
  }

  @Test func `what a template makes is checked like any pipeline`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let wrong: [(JSON, [String])] = [
      (["schedule": "never"], ["/template_config/schedule"]), (["kind": "graph"], ["/template_config/kind"]),
      (["tags": "a"], ["/template_config/tags"]), (["version_number": 3], ["/template_config/version_number"]),
      (["status": "paused"], ["/template_config/status"]), (["config": 5, "more": 1], ["/template_config/config"]),
      (["kind": "page", "nodes": [["id": "a"]]], ["/template_config/nodes/0/type"]),
      (["steps": [["name": "a", "order_index": 0, "step_type": "fly"]]], ["/template_config/steps/0/step_type"]),
    ]
    for (config, paths) in wrong {
      let params: JSONObject = [
        "name": "t", "category": "etl", "template_config": config, "organization_id": .string(scene.acme),
      ]
      #expect(try await book.refusal("pipeline_template.create", params).paths == paths, "\(config)")
    }
    let id = try await scene.template(["kind": "page", "nodes": [["id": "a", "type": "source"]]])
    let params: JSONObject = ["template_id": .string(id), "name": "p", "organization_id": .string(scene.acme)]
    #expect(try await book.refusal("pipeline.from_template", params.merging(["schedule": "x"])).paths == ["/schedule"])
    #expect(
      try await book.refusal("pipeline.from_template", params.merging(["edges": [["source": "a", "target": "b"]]]))
        .paths
        == ["/edges/0/target"])
    #expect(
      try await book.refusal("pipeline.from_template", ["name": "p", "organization_id": .string(scene.acme)]).paths == [
        "/template_id"
      ])
    #expect(
      try await book.refusal(
        "pipeline.from_template", ["template_id": .string(id), "organization_id": .string(scene.acme)]
      ).paths
        == ["/name"])
    // A page whose nodes are a flow's is the template's fault, said at the template.
    let odd = try await scene.template(["nodes": 5])
    #expect(
      try await book.refusal(
        "pipeline.from_template",
        ["template_id": .string(odd), "name": "p", "kind": "page", "organization_id": .string(scene.acme)]
      ).paths == ["/template_id"])
    #expect(try book.item(id)["use_count"] == 0)
  }

  @Test func `private templates are not there for another organization`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let id = try await scene.template([:])
    for method in ["use", "edit", "delete", "rollback"] {
      var params: JSONObject = ["id": .string(id)]
      if method == "rollback" { params["to_version"] = 1 }
      #expect(try await book.refusal("pipeline_template.\(method)", params, as: scene.bob).code == .notFound)
    }
    let made = try await book.refusal(
      "pipeline.from_template", ["template_id": .string(id), "name": "p"], as: scene.bob)
    #expect(made.paths == ["/template_id"])
    // Nor does it serve where somebody is in both.
    let both = try await book.member("both", of: scene.acme)
    try await book.call(
      "membership.create", ["user_id": .string(both.id), "organization_id": .string(scene.other), "role": "member"])
    let across = try await book.refusal(
      "pipeline.from_template",
      ["template_id": .string(id), "name": "p", "organization_id": .string(scene.other)],
      as: try book.principal(both.id))
    #expect(across.paths == ["/template_id"])
  }

  @Test func `public templates are everybody's to use and their owner's to change`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let id = try await scene.template(["description": "shared"], ["is_public": true])
    let made = try await book.call(
      "pipeline.from_template", ["template_id": .string(id), "name": "p", "reason": "nobody's business"], as: scene.bob)
    let pipeline = try #require(made["id"]?.stringValue)
    #expect(try book.item(pipeline)["organization_id"] == .string(scene.other))
    #expect(try book.item(pipeline)["template_id"] == .string(id))
    #expect(try book.item(id)["use_count"] == 1)
    let use = try #require(try book.records(of: id).last)
    #expect(use.header.event == "pipeline_template.used")
    #expect(use.body.reason == nil, "why somebody uses it is not its owner's to know")
    #expect(use.body.data == [:], "nor what for")
    try await book.call("pipeline_template.use", ["id": .string(id)], as: scene.bob)
    #expect(try book.item(id)["use_count"] == 2)
    for (method, more) in [("edit", ["name": "x"]), ("delete", [:]), ("rollback", ["to_version": 1])]
      as [(String, JSONObject)]
    {
      let error = try await book.refusal(
        "pipeline_template.\(method)", more.merging(["id": .string(id)]), as: scene.bob)
      #expect(error.code == .forbidden)
    }
    // A key needs the permission in its own organization.
    let blind = try await book.key(["pipelines": ["write"]], in: scene.other).principal
    #expect(try await book.refusal("pipeline_template.use", ["id": .string(id)], as: blind).code == .notFound)
    let reader = try await book.key(["pipeline_templates": ["read"]], in: scene.other).principal
    try await book.call("pipeline_template.use", ["id": .string(id)], as: reader)
    // It is private again at once, and what was made stays.
    try await book.call("pipeline_template.edit", ["id": .string(id), "is_public": false], as: scene.ann)
    #expect(try await book.refusal("pipeline_template.use", ["id": .string(id)], as: scene.bob).code == .notFound)
    try await book.call("pipeline.edit", ["id": .string(pipeline), "name": "q"], as: scene.bob)
    // A deleted one is public no longer. What was made from it no longer names it, and isn't told why.
    try await book.call("pipeline_template.edit", ["id": .string(id), "is_public": true], as: scene.ann)
    try await book.call("pipeline_template.delete", ["id": .string(id), "reason": "ann's own"], as: scene.ann)
    let cleared = try #require(try book.records(of: pipeline).last)
    #expect(cleared.body.was["template_id"] == .string(id))
    #expect(cleared.body.reason == nil)
    #expect(try await book.refusal("pipeline_template.use", ["id": .string(id)], as: scene.bob).code == .notFound)
    try book.checkIndexes()
  }

  @Test func `what is built in is for everybody, and only administrators make and change it`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let owner = try await book.member("owner", of: scene.acme, role: "owner").principal
    let function: JSONObject = [
      "name": "f", "display_name": "F", "category": "map", "function_type": "sql", "function_code": "SELECT 1",
      "is_builtin": true,
    ]
    let template: JSONObject = ["name": "t", "category": "etl", "template_config": [:], "is_builtin": true]
    for (type, params) in [("transformation_function", function), ("pipeline_template", template)] {
      let error = try await book.refusal("\(type).create", params, as: owner)
      #expect(error.code == .forbidden)
      #expect(error.data["permission"] == "administrator")
      // Of no organization, and of one.
      for organization in [JSON.null, .string(scene.acme)] {
        let id = try await book.make("\(type)", params.merging(["organization_id": organization]))
        for (verb, more) in [("edit", ["name": "x"]), ("delete", [:]), ("rollback", ["to_version": 1])]
          as [(String, JSONObject)]
        {
          let refused = try await book.refusal("\(type).\(verb)", more.merging(["id": .string(id)]), as: owner)
          #expect(refused.code == .forbidden, "\(type).\(verb)")
        }
        #expect(
          try await book.refusal("\(type).edit", ["id": .string(id), "is_builtin": false]).paths == ["/is_builtin"])
        try await book.call("\(type).use", ["id": .string(id)], as: scene.bob)
        #expect(try book.item(id)["use_count"] == 1)
        try await book.call("\(type).edit", ["id": .string(id), "description": "d"])
      }
    }
    let id = try await book.make("pipeline_template", template)
    let made = try await book.make(
      by: "pipeline.from_template", ["template_id": .string(id), "name": "p"], as: scene.bob)
    #expect(try book.item(made)["template_id"] == .string(id))
  }

  @Test func `modules are counted, and the counter is nobody's to set`() async throws {
    let scene = try await Scene()
    let book = scene.book
    let id = try await book.make(
      "module_template",
      [
        "name": "m", "category": "loader", "type": "s3", "config_schema": [:], "organization_id": .string(scene.acme),
      ])
    let viewer = try await book.member("v", of: scene.acme, platformRole: "viewer").principal
    let used = try await book.call("module_template.use", ["id": .string(id)], as: viewer)
    #expect(used.eventNames == ["module_template.used"], "using it needs no more than reading it")
    #expect(try book.item(id)["use_count"] == 1)
    #expect(try book.item(id)["version_number"] == 1)
    #expect(
      try await book.refusal("module_template.edit", ["id": .string(id), "use_count": 9]).paths == ["/use_count"])
    #expect(try await book.refusal("module_template.use", ["id": .string(id)], as: scene.bob).code == .notFound)
  }
}
