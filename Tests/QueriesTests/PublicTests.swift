import Access
import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Postgres
import Projections
import Refusals
import Testing

/// What is public is read by everybody who has signed in; what isn't is not there for another organization.
@Suite struct PublicTests {
  @Test(.timeLimit(.minutes(2)))
  func `public templates are read across organizations and private ones are not there`() async throws {
    try await TestQueries.with { library in
      let (acme, other) = (try await library.organization("acme"), try await library.organization("other"))
      let bob = try await library.member("bob@example.org", of: other)
      func template(_ name: String, _ more: JSONObject) async throws -> String {
        try await library.make(
          "pipeline_template",
          JSONObject(members: [
            (key: "name", value: .string(name)), (key: "category", value: "etl"), (key: "template_config", value: [:]),
          ]).merging(more))
      }
      let hidden = try await template("hidden", ["organization_id": .string(acme)])
      let open = try await template("open", ["organization_id": .string(acme), "is_public": true])
      let builtin = try await template("builtin", ["is_builtin": true])
      let nobodys = try await template("nobodys", [:])
      let own = try await template("own", ["organization_id": .string(other)])
      let gone = try await template("gone", ["organization_id": .string(acme), "is_public": true])
      try await library.call("pipeline_template.delete", ["id": .string(gone)])
      try await library.call("pipeline_template.edit", ["id": .string(open), "description": "d"])
      let seen = [open, builtin, own]
      #expect(try await library.list("pipeline_template", [:], as: bob) == seen)
      #expect(try await library.list("pipeline_template", ["include_deleted": true], as: bob) == seen)
      #expect(
        try await library.list("pipeline_template", ["as_of": .integer(Int64(library.log.head.position))], as: bob)
          .sorted() == seen.sorted())
      #expect(try await library.list("pipeline_template", ["where": ["name": "hidden"]], as: bob) == [])
      for id in seen {
        let item = try await library.ask("pipeline_template.get", ["id": .string(id)], as: bob)
        #expect(item["item"]?["id"] == .string(id))
      }
      for id in [hidden, nobodys, gone] {
        for verb in ["get", "history", "versions", "diff"] {
          let error = try await library.refusal("pipeline_template.\(verb)", ["id": .string(id)], as: bob)
          #expect(error.code == .notFound, "\(verb)")
        }
      }
      let history = try await library.ask("pipeline_template.history", ["id": .string(open)], as: bob)
      #expect(history.items.map { $0.text("event") } == ["pipeline_template.created", "pipeline_template.edited"])
      let versions = try await library.ask("pipeline_template.versions", ["id": .string(open)], as: bob)
      #expect(versions.items.map { $0.integer("version_number") } == [1, 2])
      #expect(versions.items[1]["changes"] == ["description"])
      // Why something was done is for the people of its organization.
      try await library.call("pipeline_template.edit", ["id": .string(open), "name": "o", "reason": "Ann is ill"])
      let ann = try await library.member("ann@example.org", of: acme)
      for verb in ["history", "versions"] {
        let method = "pipeline_template.\(verb)"
        let theirs = try await library.ask(method, ["id": .string(open)], as: bob)
        #expect(theirs.items.last?["reason"] == .null, "\(verb)")
        let ours = try await library.ask(method, ["id": .string(open)], as: ann)
        #expect(ours.items.last?["reason"] == "Ann is ill", "\(verb)")
      }
      // Somebody of no organization has signed in, too.
      let loner = try #require(Identifier(try await library.make("user", ["email": "loner@example.org"])))
      let principal = try #require(try library.engine.principal(forUser: loner))
      #expect(try await library.list("pipeline_template", [:], as: principal) == [open, builtin])
      #expect(try await library.refusal("pipeline.list", [:], as: principal).code == .forbidden)
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `what something was before it was made public is for its own people`() async throws {
    try await TestQueries.with { library in
      let (acme, other) = (try await library.organization("acme"), try await library.organization("other"))
      let bob = try await library.member("bob@example.org", of: other)
      let ann = try await library.member("ann@example.org", of: acme)
      let id = try await library.make(
        "pipeline_template",
        [
          "name": "draft", "category": "etl", "template_config": ["key": "s3cret"], "organization_id": .string(acme),
        ])
      let draft = library.log.head.position
      try await library.call("pipeline_template.edit", ["id": .string(id), "description": "s3cret"])
      try await library.call(
        "pipeline_template.edit",
        ["id": .string(id), "template_config": [:], "description": "clean", "is_public": true])
      try await library.call("pipeline_template.edit", ["id": .string(id), "name": "better"])
      func ask(_ verb: String, _ more: JSONObject = [:], as principal: Principal) async throws -> JSON {
        try await library.ask("pipeline_template.\(verb)", more.merging(["id": .string(id)]), as: principal)
      }
      // Each version here has the number of its event.
      let shown: [(principal: Principal, versions: [Int64])] = [(bob, [3, 4]), (ann, [1, 2, 3, 4])]
      for (principal, versions) in shown {
        for order in ["position", "-position"] {
          let history = try await ask("history", ["order": .string(order)], as: principal)
          #expect(history.items.map { $0.integer("version") }.sorted() == versions)
          #expect(JSON.array(history.items).canonicalString.contains("s3cret") == (versions.count == 4))
        }
        let listed = try await ask("versions", as: principal)
        #expect(listed.items.map { $0.integer("version_number") } == versions)
      }
      let first = try await ask("diff", ["to_version": 3], as: bob)
      #expect(first["from"] == .null && !first.canonicalString.contains("s3cret"))
      let numbered = try await ask("diff", ["to_version_number": 3], as: bob)
      #expect(numbered["from"] == .null && !numbered.canonicalString.contains("s3cret"))
      #expect(try await ask("diff", as: bob)["changes"]?["name"]?["to"] == "better")
      for (verb, params, code): (String, JSONObject, Refusal.Code) in [
        ("diff", ["from_version": 1], .invalidParams), ("diff", ["to_version": 2], .invalidParams),
        ("diff", ["from_version_number": 2], .invalidParams), ("get", ["as_of": .integer(Int64(draft))], .notFound),
      ] {
        let params = params.merging(["id": .string(id)])
        #expect(
          try await library.refusal("pipeline_template.\(verb)", params, as: bob).code == code, "\(verb) \(params)")
        _ = try await library.ask("pipeline_template.\(verb)", params, as: ann)
      }
      let past: JSONObject = ["as_of": .integer(Int64(draft))]
      #expect(try await library.list("pipeline_template", past, as: bob) == [])
      #expect(try await library.list("pipeline_template", past, as: ann) == [id])
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a tool's versions are rows with the content that it had then`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let id = try await library.make(
        "tool",
        [
          "name": "t", "display_name": "T", "description": "d", "code_template": "one", "docker_image": "python:3.12",
          "timeout": 60, "organization_id": .string(acme),
        ])
      try await library.call("tool.edit", ["id": .string(id), "code_template": "two", "timeout": nil])
      try await library.call("tool.edit", ["id": .string(id), "is_active": false])
      _ = try await library.ask("tool.list")
      try await library.call("tool.rollback", ["id": .string(id), "to_version": 1])
      try await library.call("tool.edit", ["id": .string(id), "version_label": "2.0.0"])
      _ = try await library.ask("tool.list")
      try await library.projections.wait(
        for: library.log.head.position, projections: ["tool_versions"], timeoutMilliseconds: 30_000)
      let rows = try await library.projections.withConnection { connection in
        try await connection.query(
          """
          SELECT version_number, name, code_template, timeout, version_label, memory_limit, is_active, rolled_back_to,
            id = position << 20, organization_id::text
          FROM daybook.tool_versions WHERE tool_id = $1::uuid ORDER BY id
          """, [.text(id)]
        ).rows
      }
      #expect(
        rows == [
          ["1", "t", "one", "60", "1.0.0", "256", "f", nil, "t", acme],
          ["2", "t", "two", nil, "1.0.0", "256", "f", nil, "t", acme],
          ["3", "t", "one", "60", "1.0.0", "256", "f", "1", "t", acme],
          ["4", "t", "one", "60", "2.0.0", "256", "t", nil, "t", acme],
        ])
      let report = try await library.projections.rebuild(["tool_versions"])
      #expect(report.tables.map(\.name).contains("daybook.tool_versions"))
      #expect(report.differences == [])
    }
  }
}
