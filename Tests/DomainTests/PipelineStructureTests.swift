import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// The documented structures of pages and DAGs.
@Suite struct PipelineStructureTests {
  private func page(_ nodes: JSON, _ edges: JSON = [], _ acme: String) -> JSONObject {
    ["name": "p", "kind": "page", "nodes": nodes, "edges": edges, "organization_id": .string(acme)]
  }

  private func dag(_ tasks: JSON, _ edges: JSON? = .none, _ acme: String) -> JSONObject {
    var params: JSONObject = ["name": "d", "kind": "dag", "tasks": tasks, "organization_id": .string(acme)]
    if let edges { params["edges"] = edges }
    return params
  }

  private func node(_ id: String, _ type: String = "source") -> JSON {
    [
      "id": .string(id), "type": .string(type), "position": ["x": 100, "y": 200.5],
      "data": ["label": "Read CSV", "config": [:]],
    ]
  }

  private func task(_ id: String, _ config: JSON = [:], _ dependencies: [String] = []) -> JSON {
    [
      "id": .string(id), "type": "spark_submit", "name": .string("name of \(id)"), "config": config,
      "dependencies": .array(dependencies.map(JSON.string)),
    ]
  }

  private func edge(_ from: String, _ to: String) -> JSON { ["source": .string(from), "target": .string(to)] }

  @Test func `a page's nodes and edges have the documented structure`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let nodes: JSON = [node("a"), node("b", "transform"), node("c", "sink")]
    try await book.call("pipeline.create", page(nodes, [edge("a", "b"), edge("b", "c")], acme))
    try await book.call("pipeline.create", page([["id": "a", "type": "sink"]], [], acme))
    let wrong: [(JSON, JSON, [String])] = [
      ("nodes", [], ["/nodes"]), ([1], [], ["/nodes/0"]), ([["type": "source"]], [], ["/nodes/0/id"]),
      ([["id": 5, "type": "source"]], [], ["/nodes/0/id"]), ([["id": ""]], [], ["/nodes/0/id", "/nodes/0/type"]),
      ([["id": "a", "type": "filter"]], [], ["/nodes/0/type"]),
      ([["id": "a", "type": "sink", "position": ["x": "1"]]], [], ["/nodes/0/position/x", "/nodes/0/position/y"]),
      ([["id": "a", "type": "sink", "data": []]], [], ["/nodes/0/data"]),
      ([node("a"), node("a")], [], ["/nodes/1/id"]), (nodes, [edge("a", "x")], ["/edges/0/target"]),
      (nodes, [["source": "a"]], ["/edges/0/target"]), (nodes, 5, ["/edges"]), (nodes, ["a"], ["/edges"]),
    ]
    for (nodes, edges, paths) in wrong {
      #expect(try await book.refusal("pipeline.create", page(nodes, edges, acme)).paths == paths)
    }
    // A flow's configuration is its own affair.
    try await book.call(
      "pipeline.create",
      page([["id": "a", "type": "filter"], 5], 5, acme).merging(["kind": "flow"]))
  }

  @Test func `a DAG's tasks have the documented structure and go in no circle`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let good = try await book.make(
      "pipeline", dag([task("a"), task("b", [:], ["a"]), task("c")], [edge("b", "c")], acme))
    let wrong: [(JSON, JSON, [String])] = [
      ("tasks", [], ["/tasks"]), ([[]], [], ["/tasks/0"]),
      ([[:]], [], ["/tasks/0/id", "/tasks/0/type", "/tasks/0/name"]),
      ([["id": "a", "type": "x", "name": 5]], [], ["/tasks/0/name"]),
      ([["id": "a", "type": "x", "name": "n", "config": 5]], [], ["/tasks/0/config"]),
      ([task("a"), task("a")], [], ["/tasks/1/id"]), ([task("a", [:], ["x"])], [], ["/tasks/0/dependencies/0"]),
      ([task("a", [:], ["a"])], [], ["/tasks/0/dependencies/0"]),
      ([["id": "a", "type": "x", "name": "n", "depends_on": "b"]], [], ["/tasks/0/depends_on"]),
      ([task("a", [:], ["b"]), task("b", [:], ["a"])], [], ["/edges"]),
      ([task("a", [:], ["b"]), task("b")], [edge("a", "b")], ["/edges"]),
      ([task("a")], [edge("a", "b")], ["/edges/0/target"]),
      ([task("a")], [[:]], ["/edges/0/source", "/edges/0/target"]),
    ]
    for (tasks, edges, paths) in wrong {
      #expect(try await book.refusal("pipeline.create", dag(tasks, edges, acme)).paths == paths)
      let edited = try await book.refusal(
        "pipeline.edit", ["id": .string(good), "tasks": tasks, "edges": edges])
      #expect(edited.paths == paths)
    }
    #expect(
      try await book.refusal("pipeline.edit", ["id": .string(good), "tasks": [task("a")]]).paths
        == ["/edges/0/source", "/edges/0/target"])
  }

  @Test func `a DAG's tasks refer to living pages and connections of the same organization`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let first = try await book.make("pipeline", page([], [], acme))
    let foreign = try await book.make("pipeline", page([], [], other))
    let flow = try await book.make("pipeline", ["name": "f", "organization_id": .string(acme)])
    let connection = try await book.make(
      "connection", ["name": "c", "type": "local", "organization_id": .string(acme)])
    func config(_ page: String?, _ connection: String?) -> JSON {
      var object = JSONObject()
      if let page { object["page_id"] = .string(page) }
      if let connection { object["connection_id"] = .string(connection) }
      return .object(object)
    }
    let id = try await book.make("pipeline", dag([task("a", config(first, connection))], .none, acme))
    let (page, link) = ("/tasks/0/config/page_id", "/tasks/0/config/connection_id")
    let wrong: [(JSON, [String])] = [
      (config(foreign, nil), [page]), (config(flow, nil), [page]), (config(connection, first), [page, link]),
      (config("no id", nil), [page]), (["page_id": 5, "connection_id": nil], [page]),
      (config("0196a1b2-0000-7000-8000-000000000001", nil), [page]),
    ]
    for (config, paths) in wrong {
      #expect(try await book.refusal("pipeline.create", dag([task("a", config)], .none, acme)).paths == paths)
      let edited = try await book.refusal("pipeline.edit", ["id": .string(id), "tasks": [task("a", config)]])
      #expect(edited.paths == paths)
    }
    // What goes leaves the reference behind; it is refused where it is given again.
    try await book.call("pipeline.delete", ["id": .string(first)])
    try await book.call("connection.delete", ["id": .string(connection)])
    try await book.call("pipeline.edit", ["id": .string(id), "description": "still there"])
    let gone = try await book.refusal(
      "pipeline.edit", ["id": .string(id), "tasks": [task("b", config(first, connection))]])
    #expect(gone.paths == [page, link])
    try book.checkIndexes()
  }

  @Test func `a thousand nodes with as many edges are one pipeline`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let count = 1000
    let nodes = JSON.array((0..<count).map { node("n\($0)", "transform") })
    let edges = JSON.array((1..<count).map { edge("n\($0 - 1)", "n\($0)") })
    let id = try await book.make("pipeline", page(nodes, edges, acme))
    #expect(try book.item(id)["nodes"]?.arrayValue?.count == count)
    let tasks = JSON.array((0..<count).map { task("t\($0)", [:], $0 > 0 ? ["t\($0 - 1)"] : []) })
    let made = try await book.make("pipeline", dag(tasks, .none, acme))
    let circle = try await book.refusal(
      "pipeline.edit", ["id": .string(made), "edges": [edge("t\(count - 1)", "t0")]])
    #expect(circle.paths == ["/edges"])
  }
}
