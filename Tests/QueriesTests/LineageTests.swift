import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import TestBasics
import Testing

@Suite struct LineageTests {
  /// A dataset of that name.
  private func dataset(_ name: String, _ organization: String, _ library: TestQueries) async throws -> String {
    try await library.make(
      "dataset", ["organization_id": .string(organization), "namespace": "db", "name": .string(name)])
  }

  private func link(
    _ source: String, _ target: String, _ organization: String, _ library: TestQueries, columns: JSON = nil
  ) async throws -> String {
    var params: JSONObject = [
      "organization_id": .string(organization), "source_id": .string(source), "target_id": .string(target),
    ]
    if !columns.isNull { params["columns"] = columns }
    return try #require(try await library.call("lineage_edge.link", params)["id"]?.stringValue)
  }

  @Test func `lineage is walked up and down to the depth asked for, through cycles`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      var ids: [String] = []
      for name in ["a", "b", "c", "d"] { ids.append(try await dataset(name, organization, library)) }
      let columns: JSON = [["source": "x", "target": "y", "transformations": [["type": "DIRECT"]]]]
      _ = try await link(ids[0], ids[1], organization, library, columns: columns)
      _ = try await link(ids[1], ids[2], organization, library)
      _ = try await link(ids[2], ids[3], organization, library)
      _ = try await link(ids[3], ids[1], organization, library)
      func names(_ params: JSONObject) async throws -> Set<String> {
        Set((try await library.ask("lineage.graph", params)["nodes"]?.arrayValue ?? []).map { $0.text("name") })
      }
      #expect(try await names(["id": .string(ids[1]), "direction": "up", "depth": 1]) == ["a", "b", "d"])
      #expect(try await names(["id": .string(ids[0]), "direction": "up"]) == ["a"])
      #expect(try await names(["id": .string(ids[0]), "direction": "down", "depth": 50]) == ["a", "b", "c", "d"])
      let graph = try await library.ask("lineage.graph", ["id": .string(ids[1])])
      #expect(graph["edges"]?.arrayValue?.count == 4)
      #expect(graph["truncated"] == false)
      let edge = try #require(graph["edges"]?.arrayValue?.first { $0.text("source_id") == ids[0] })
      #expect(edge["columns"] == columns)
      #expect(edge.text("relationship_type") == "direct")
      let cut = try await library.ask("lineage.graph", ["id": .string(ids[0]), "direction": "down", "depth": 1])
      #expect(cut["truncated"] == true)
      #expect(cut["edges"]?.arrayValue?.count == 1)
      let few = try await library.ask("lineage.graph", ["id": .string(ids[1]), "limit": 2])
      #expect(few["truncated"] == true)
      #expect(few["edges"]?.arrayValue?.count == 2)
      #expect(
        try await library.refusal("lineage.graph", ["id": .string(ids[0]), "depth": 51]).code == .invalidParams)
    }
  }

  @Test func `lineage forgets an unlinked edge, but not in the past`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let source = try await dataset("source", organization, library)
      let target = try await dataset("target", organization, library)
      let edge = try await link(source, target, organization, library)
      let then = library.log.head.position
      try await library.call("lineage_edge.unlink", ["id": .string(edge)])
      let now = try await library.ask("lineage.graph", ["id": .string(source)])
      #expect(now["edges"] == [])
      let past = try await library.ask("lineage.graph", ["id": .string(source), "as_of": .integer(Int64(then))])
      #expect(past["edges"]?.arrayValue?.map { $0.text("id") } == [edge])
      #expect((past["nodes"]?.arrayValue ?? []).map { $0.text("name") } == ["source", "target"])
      let outsider = try await library.member("eve@example.org", of: try await library.organization("other"))
      #expect(try await library.refusal("lineage.graph", ["id": .string(source)], as: outsider).code == .notFound)
    }
  }

  @Test func `a walk shows a key no nodes and edges that it may not get`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let source = try await dataset("source", acme, library)
      let target = try await dataset("target", acme, library)
      let task = Identifier.version7(at: .now)
      var draft = EventDraft(event: "task_run.created", type: "task_run", resource: task, actor: "local:0")
      draft.organization = Identifier(acme)
      draft.set = ["number": 1, "organization_id": .string(acme), "status": "running"]
      let recorded = draft
      _ = try await library.log.commit { try $0.append(recorded) }
      _ = try await link(source, task.text, acme, library)
      _ = try await link(source, target, acme, library)
      func key(_ permissions: JSON) async throws -> Principal {
        let made = try await library.call(
          "api_key.create", ["name": "k", "organization_id": .string(acme), "permissions": permissions])
        guard let secret = made["api_key"]?.stringValue,
          let principal = try library.engine.principal(forKey: secret)
        else { throw HarnessError("the key can't sign in") }
        return principal
      }
      let some = try await key(["datasets": ["read"], "lineage_edges": ["read"]])
      let all = try await key(["*": ["read"]])
      for asOf in [nil, Int64(library.log.head.position)] {
        var params: JSONObject = ["id": .string(source)]
        if let asOf { params["as_of"] = .integer(asOf) }
        func nodes(_ principal: Principal) async throws -> Set<String> {
          let graph = try await library.ask("lineage.graph", params, as: principal)
          return Set((graph["nodes"]?.arrayValue ?? []).map { $0.text("id") })
        }
        #expect(try await nodes(all) == [source, target, task.text])
        #expect(try await nodes(some) == [source, target])
      }
      #expect(try await library.refusal("task_run.get", ["id": .string(task.text)], as: some).code == .forbidden)
    }
  }

  // MARK: - Reports

  private static func event(
    _ job: String, at time: String, inputs: [JSON], outputs: [JSON], run: String? = nil
  ) -> JSONObject {
    var event: JSONObject = [
      "eventTime": .string(time), "producer": "test", "job": ["namespace": "ns", "name": .string(job)],
      "inputs": .array(inputs), "outputs": .array(outputs),
    ]
    if let run {
      event["run"] = ["runId": .string(run)]
      event["eventType"] = "COMPLETE"
    }
    return event
  }

  private static func named(_ name: String, _ facets: JSONObject = [:], in namespace: String = "db") -> JSON {
    ["namespace": .string(namespace), "name": .string(name), "facets": .object(facets)]
  }

  private func record(_ event: JSONObject, _ organization: String, _ library: TestQueries) async throws {
    try await library.call("openlineage.record", ["organization_id": .string(organization), "event": .object(event)])
  }

  private func dataset(named name: String, _ organization: String, _ library: TestQueries) async throws -> String {
    let found = try await library.list(
      "dataset", ["where": ["organization_id": .string(organization), "name": .string(name)]])
    #expect(found.count == 1, "\(name)")
    return try #require(found.first)
  }

  @Test func `no direction uses up what the other needs, and what is left out is told, now and in the past`()
    async throws
  {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let hub = Self.named("hub")
      try await record(
        Self.event("big", at: "2026-01-01T00:00:00Z", inputs: (0..<1200).map { Self.named("in\($0)") }, outputs: [hub]),
        acme, library)
      try await record(
        Self.event(
          "reports", at: "2026-01-01T00:00:00Z", inputs: [hub], outputs: (0..<30).map { Self.named("out\($0)") }),
        acme, library)
      let id: JSON = .string(try await dataset(named: "hub", acme, library))
      for moment in [nil, Int64(library.log.head.position)] {
        func graph(_ params: JSONObject) async throws -> JSON {
          try await library.ask(
            "lineage.graph", params.merging(["id": id]).merging(moment.map { ["as_of": .integer($0)] } ?? [:]))
        }
        func edges(_ graph: JSON) -> Int { graph["edges"]?.arrayValue?.count ?? -1 }
        func below(_ graph: JSON) -> Int {
          (graph["nodes"]?.arrayValue ?? []).count { $0.integer("distance") > 0 }
        }
        let down = try await graph(["direction": "down"])
        #expect(
          below(down) == 30 && down["truncated"] == false && down["truncated_by"] == []
            && down["advice"]?.isNull == true)
        let up = try await graph(["direction": "up"])
        #expect(edges(up) == 1000 && up["truncated"] == true && up["truncated_by"] == ["limit"])
        #expect(up.text("advice").contains("raise it"))
        let whole = try await graph(["direction": "up", "limit": 1200])
        #expect(edges(whole) == 1200 && whole["truncated"] == false)
        let both = try await graph([:])
        #expect(edges(both) == 1000 && below(both) == 30 && both["truncated_by"] == ["limit"])
        let few = try await graph(["limit": 10])
        #expect(edges(few) == 10 && below(few) == 5)
        let all = try await graph(["limit": 1230])
        #expect(edges(all) == 1230 && all["truncated"] == false)
      }
    }
  }

  @Test func `more steps than were asked for are told, and nothing is where the walk has seen everything`() async throws
  {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
        try await record(
          Self.event("\(from)\(to)", at: "2026-01-01T00:00:00Z", inputs: [Self.named(from)], outputs: [Self.named(to)]),
          acme, library)
      }
      let id: JSON = .string(try await dataset(named: "a", acme, library))
      for moment in [nil, Int64(library.log.head.position)] {
        func graph(_ params: JSONObject) async throws -> JSON {
          try await library.ask(
            "lineage.graph", params.merging(["id": id]).merging(moment.map { ["as_of": .integer($0)] } ?? [:]))
        }
        let near = try await graph(["direction": "down", "depth": 2])
        #expect(near["truncated_by"] == ["depth"] && near.text("advice").contains("raise depth"))
        #expect(try await graph(["direction": "down", "depth": 3])["truncated"] == false)
        // Two steps each way are the whole ring.
        let ring = try await graph(["depth": 2])
        #expect(ring["truncated"] == false && ring["edges"]?.arrayValue?.count == 3)
      }
    }
  }

  @Test func `a renamed dataset is one with what it was, round a circle of names too`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      func renamed(_ from: String) -> JSONObject {
        [
          "lifecycleStateChange": [
            "lifecycleStateChange": "RENAME", "previousIdentifier": ["namespace": "db", "name": .string(from)],
          ]
        ]
      }
      try await record(
        Self.event("load", at: "2026-01-01T00:00:00Z", inputs: [Self.named("source")], outputs: [Self.named("old")]),
        acme, library)
      for (time, from, to) in [("2026-01-02", "old", "new"), ("2026-01-03", "new", "old")] {
        try await record(
          ["eventTime": .string("\(time)T00:00:00Z"), "dataset": Self.named(to, renamed(from))], acme, library)
        let id: JSON = .string(try await dataset(named: "new", acme, library))
        let graph = try await library.ask("lineage.graph", ["id": id, "direction": "up"])
        let nodes = graph["nodes"]?.arrayValue ?? []
        #expect(nodes.compactMap { $0["name"]?.stringValue } == ["new", "source"])
        #expect(nodes.first?["aliases"]?.arrayValue?.compactMap { $0["name"]?.stringValue } == ["old"])
      }
    }
  }

  @Test func `datasets that name one another among their symlinks are one in the graph, as long as they do`()
    async throws
  {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let link: JSONObject = ["symlinks": ["identifiers": [["namespace": "hive", "name": "db.t", "type": "TABLE"]]]]
      try await record(
        Self.event(
          "spark", at: "2026-01-01T00:00:00Z", inputs: [Self.named("raw")], outputs: [Self.named("path/t", link)]),
        acme,
        library)
      try await record(
        Self.event(
          "dbt", at: "2026-01-01T00:00:00Z", inputs: [Self.named("db.t", in: "hive")], outputs: [Self.named("mart")]),
        acme,
        library)
      let linked = Int64(library.log.head.position)
      let (raw, mart) = (
        try await dataset(named: "raw", acme, library), try await dataset(named: "mart", acme, library)
      )
      let (path, table) = (
        try await dataset(named: "path/t", acme, library), try await dataset(named: "db.t", acme, library)
      )
      func graph(_ start: String, _ params: JSONObject) async throws -> JSON {
        try await library.ask("lineage.graph", params.merging(["id": .string(start)]))
      }
      func names(_ graph: JSON) -> [String] { (graph["nodes"]?.arrayValue ?? []).map { $0.text("name") } }
      for moment: JSONObject in [[:], ["as_of": .integer(linked)]] {
        let up = try await graph(mart, moment.merging(["direction": "up"]))
        #expect(names(up) == ["mart", "db.t", "raw"] && up["truncated"] == false)
        let node = up["nodes"]?.arrayValue?.first { $0.text("id") == table }
        #expect(node?["aliases"] == [["id": .string(path), "name": "path/t", "namespace": "db"]])
        #expect(Set(up["edges"]?.arrayValue?.map { $0.text("target_id") } ?? []) == [mart, table])
        #expect(names(try await graph(raw, moment.merging(["direction": "down"]))) == ["raw", "path/t", "mart"])
        for start in [path, table] {
          #expect(Set(names(try await graph(start, moment)).dropFirst()) == ["raw", "mart"])
        }
      }
      try await record(
        Self.event(
          "spark", at: "2026-01-02T00:00:00Z", inputs: [Self.named("raw")],
          outputs: [Self.named("path/t", ["symlinks": ["_deleted": true]])]), acme, library)
      #expect(names(try await graph(mart, [:])) == ["mart", "db.t"])
      #expect(names(try await graph(mart, ["as_of": .integer(linked)])) == ["mart", "db.t", "raw"])
    }
  }

  @Test func `edges tell the job that reported them last and when, and older ones can be left out`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      func columns(_ target: String, _ source: String) -> JSONObject {
        let input: JSON = ["namespace": "db", "name": "src", "field": .string(source)]
        return ["columnLineage": ["fields": [target: ["inputFields": [input]]]]]
      }
      func write(_ job: String, _ day: Int, _ target: String, _ source: String) async throws {
        try await record(
          Self.event(
            job, at: "2026-01-0\(day)T00:00:00Z", inputs: [Self.named("src")],
            outputs: [Self.named("dst", columns(target, source))]), acme, library)
      }
      try await write("A", 1, "x", "a")
      try await write("B", 3, "y", "b")
      try await record(
        Self.event("old", at: "2025-01-01T00:00:00Z", inputs: [Self.named("older")], outputs: [Self.named("dst")]),
        acme,
        library)
      let id = try await dataset(named: "dst", acme, library)
      _ = try await link(try await dataset("by hand", acme, library), id, acme, library)
      let pipelines = try await library.ask("pipeline.list", ["where": ["organization_id": .string(acme)]]).items
      func pipeline(_ name: String) throws -> JSON {
        try #require(pipelines.first { $0["name"] == .string(name) }?["id"])
      }
      let (a, b) = (try pipeline("A"), try pipeline("B"))
      func graph(_ params: JSONObject) async throws -> JSON {
        try await library.ask("lineage.graph", params.merging(["id": .string(id), "direction": "up"]))
      }
      for moment: JSONObject in [[:], ["as_of": .integer(Int64(library.log.head.position))]] {
        let all = try await graph(moment)
        #expect(all["edges"]?.arrayValue?.count == 3)
        let edge = try #require(all["edges"]?.arrayValue?.first { $0["pipeline_id"] == b })
        #expect(edge["reported_at"] == "2026-01-03T00:00:00.000000Z")
        #expect(
          edge["columns"] == [
            ["source": "a", "target": "x", "transformations": [], "pipeline_ids": [a]],
            ["source": "b", "target": "y", "transformations": [], "pipeline_ids": [b]],
          ])
        #expect(Set(all["pipelines"]?.arrayValue?.map { $0.text("name") } ?? []) == ["A", "B", "old"])
        let recent = try await graph(moment.merging(["since": "2026-01-02T00:00:00Z"]))
        let names = (recent["nodes"]?.arrayValue ?? []).map { $0.text("name") }
        #expect(Set(names) == ["dst", "src", "by hand"] && recent["truncated"] == false)
        let columns = recent["edges"]?.arrayValue?.first { $0["pipeline_id"] == b }?["columns"]
        #expect(columns?.arrayValue?.map { $0.text("target") } == ["y"])
      }
    }
  }
}
