import BasicTypes
import CanonicalJSON
import Catalog
import Records

extension PipelineContent {
  /// What is wrong among nodes, tasks and edges.
  ///
  /// In every kind, where they are arrays of objects, ids are unique and edges lead from node to node. The nodes of a
  /// page and the tasks of a DAG have the documented structure, their edges both ends, and a DAG's edges and
  /// dependencies go in no circle. Linear in all of them.
  static func graphProblems(kind: JSON?, nodes: JSON?, tasks: JSON?, edges: JSON?) -> [ValueProblem] {
    var graph = PipelineGraph(kind: kind?.stringValue ?? "flow")
    graph.read(nodes: nodes?.unlessNull, tasks: tasks?.unlessNull)
    graph.read(edges: edges?.unlessNull)
    graph.checkCircle()
    return graph.problems
  }
}

/// The nodes, tasks and edges of one pipeline, being read.
private struct PipelineGraph {
  let kind: String
  var problems: [ValueProblem] = []
  private var vertices: [JSON: Int] = [:]
  private var hasVertices = false
  private var links: [(from: Int, to: Int)] = []

  init(kind: String) { self.kind = kind }

  private mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  mutating func read(nodes: JSON?, tasks: JSON?) {
    if let nodes {
      if kind == "page" { checkNodes(nodes) }
      addVertices(nodes, "nodes")
    }
    guard let tasks else { return }
    if kind == "dag" { checkTasks(tasks) }
    addVertices(tasks, "tasks")
    if kind == "dag" { addDependencies(tasks) }
  }

  private mutating func addVertices(_ list: JSON, _ member: String) {
    guard let elements = PipelineGraph.objects(list) else { return }
    hasVertices = true
    var own: Set<JSON> = []
    for (index, element) in elements.enumerated() {
      guard let id = element["id"], id.stringValue != nil || id.integerValue != nil else { continue }
      if !own.insert(id).inserted { refuse("/\(member)/\(index)/id", "is another one's too") }
      if vertices[id] == nil { vertices[id] = vertices.count }
    }
  }

  private static func objects(_ value: JSON) -> [JSON]? {
    guard let elements = value.arrayValue, elements.allSatisfy({ $0.objectValue != nil }) else { return nil }
    return elements
  }

  // MARK: - Documented structures

  private static let nodeTypes = ["source", "transform", "sink"]

  /// `{"id": "node-1", "type": "source|transform|sink", "position": {"x": 100, "y": 200}, "data": {…}}`
  private mutating func checkNodes(_ nodes: JSON) {
    guard let nodes = nodes.arrayValue else { return refuse("/nodes", "must be an array of nodes") }
    for (index, node) in nodes.enumerated() {
      let path = "/nodes/\(index)"
      guard let node = node.objectValue else {
        refuse(path, "must be an object with id and type")
        continue
      }
      requireText(node, "id", path)
      if requireText(node, "type", path), let type = node["type"]?.stringValue, !PipelineGraph.nodeTypes.contains(type)
      {
        refuse("\(path)/type", "must be one of \(PipelineGraph.nodeTypes.joined(separator: ", "))")
      }
      if let position = node["position"]?.unlessNull {
        for axis in ["x", "y"] where position[axis]?.doubleValue == nil {
          refuse("\(path)/position/\(axis)", "must be a number")
        }
      }
      if let data = node["data"]?.unlessNull, data.objectValue == nil { refuse("\(path)/data", "must be an object") }
    }
  }

  /// `{"id": "task-1", "type": "spark_submit", "name": "process_data", "config": {…}}`
  private mutating func checkTasks(_ tasks: JSON) {
    guard let tasks = tasks.arrayValue else { return refuse("/tasks", "must be an array of tasks") }
    for (index, task) in tasks.enumerated() {
      let path = "/tasks/\(index)"
      guard let task = task.objectValue else {
        refuse(path, "must be an object with id, type and name")
        continue
      }
      for name in ["id", "type", "name"] { requireText(task, name, path) }
      if let config = task["config"]?.unlessNull, config.objectValue == nil {
        refuse("\(path)/config", "must be an object")
      }
    }
  }

  @discardableResult
  private mutating func requireText(_ object: JSONObject, _ name: String, _ path: String) -> Bool {
    guard let value = object[name]?.unlessNull else {
      refuse("\(path)/\(name)", "is required")
      return false
    }
    guard let text = value.stringValue, !text.isEmpty else {
      refuse("\(path)/\(name)", "must be a string that is not empty")
      return false
    }
    return true
  }

  // MARK: - Edges

  private mutating func addDependencies(_ tasks: JSON) {
    for (index, task) in (tasks.arrayValue ?? []).enumerated() {
      for member in ["dependencies", "depends_on"] {
        guard let value = task[member]?.unlessNull else { continue }
        let path = "/tasks/\(index)/\(member)"
        guard let names = value.arrayValue else {
          refuse(path, "must be an array of tasks' ids")
          continue
        }
        for (place, name) in names.enumerated() {
          if name == task["id"] {
            refuse("\(path)/\(place)", "is the task itself")
          } else if let from = vertices[name], let to = task["id"].flatMap({ vertices[$0] }) {
            links.append((from, to))
          } else {
            refuse("\(path)/\(place)", "is no task's id")
          }
        }
      }
    }
  }

  mutating func read(edges: JSON?) {
    guard let edges else { return }
    let isStrict = kind == "page" || kind == "dag"
    guard let elements = PipelineGraph.objects(edges) else {
      if isStrict { refuse("/edges", "must be an array of objects with source and target") }
      return
    }
    guard hasVertices || isStrict else { return }
    for (index, edge) in elements.enumerated() {
      let ends = ["source", "target"].map { end -> Int? in
        guard let id = edge[end]?.unlessNull else {
          if isStrict { refuse("/edges/\(index)/\(end)", "is required") }
          return nil
        }
        if let vertex = vertices[id] { return vertex }
        refuse("/edges/\(index)/\(end)", "is no node's id")
        return nil
      }
      if let from = ends[0], let to = ends[1] { links.append((from, to)) }
    }
  }

  mutating func checkCircle() {
    guard kind == "dag", problems.isEmpty else { return }
    if DirectedGraph.hasCycle(vertices: vertices.count, edges: links) {
      refuse("/edges", "go in a circle, which a dag must not")
    }
  }
}
