import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook lineage`: what a dataset was made from, and what was made from it.
struct Lineage: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw what a dataset was made from and what was made from it, columns included.",
    discussion: """
      EXAMPLES
        daybook lineage warehouse.orders
        daybook lineage 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --direction up --depth 3
      """)

  /// Which way to look.
  enum Direction: String, CaseIterable, ExpressibleByArgument {
    case up, down, both
  }

  @Argument(help: "A dataset's name, or the id of a dataset or task run.")
  var dataset: String

  @Option(name: .long, help: "up (what it was made from), down (what was made from it) or both.")
  var direction = Direction.both

  @Option(name: .long, help: "How many steps away at most, from 1 to 50.")
  var depth = 5

  @Option(name: .long, help: "A position, or an RFC 3339 time: the graph as it was then.")
  var asOf: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let (id, graph) = try await connection.withClient { client in
      let id = try await Lookup.resource(dataset, type: "dataset", client)
      var params: JSONObject = [
        "id": .string(id), "direction": .string(direction.rawValue), "depth": .integer(Int64(depth)),
      ]
      if let asOf { params["as_of"] = Int64(asOf).map(JSON.integer) ?? .string(asOf) }
      return (id, try await client.call("lineage.graph", params))
    }
    if output.json { return Terminal.say(json: graph) }
    for line in LineageDrawing(graph).lines(from: id, direction) { Terminal.say(line) }
    if graph["truncated"]?.boolValue == true {
      Terminal.say("There is more than is shown: raise --depth.")
    }
  }
}

/// A lineage graph as a tree for each direction; a node that was drawn already is only named again.
struct LineageDrawing {
  private let nodes: [String: JSON]
  private let edges: [JSON]

  init(_ graph: JSON) {
    nodes = Dictionary(
      (graph["nodes"]?.arrayValue ?? []).map { ($0.cell("id"), $0) }, uniquingKeysWith: { first, _ in first })
    edges = graph["edges"]?.arrayValue ?? []
  }

  func lines(from start: String, _ direction: Lineage.Direction) -> [String] {
    var lines = [name(start)]
    if direction != .down {
      lines.append("made from")
      lines += branches(of: start, up: true)
    }
    if direction != .up {
      lines.append("made into")
      lines += branches(of: start, up: false)
    }
    return lines
  }

  private func branches(of start: String, up: Bool) -> [String] {
    var drawn: Set<String> = [start]
    var lines: [String] = []
    draw(start, up, "", &drawn, &lines)
    return lines.isEmpty ? ["└─ nothing that is known"] : lines
  }

  private func draw(_ node: String, _ up: Bool, _ indent: String, _ drawn: inout Set<String>, _ lines: inout [String]) {
    let own = edges.filter { $0.cell(up ? "target_id" : "source_id") == node }
      .sorted { name($0.cell(up ? "source_id" : "target_id")) < name($1.cell(up ? "source_id" : "target_id")) }
    for (index, edge) in own.enumerated() {
      let isLast = index == own.count - 1
      let other = edge.cell(up ? "source_id" : "target_id")
      let isNew = drawn.insert(other).inserted
      let hasMore = edges.contains { $0.cell(up ? "target_id" : "source_id") == other }
      let kind = edge.cell("relationship_type")
      var line = "\(indent)\(isLast ? "└─ " : "├─ ")\(name(other))"
      if !kind.isEmpty, kind != "direct" { line += " [\(kind)]" }
      if !isNew, hasMore { line += " (drawn above)" }
      lines.append(line)
      let inner = indent + (isLast ? "   " : "│  ")
      for column in columns(edge) { lines.append("\(inner)\(isNew && hasMore ? "│" : " ")  \(column)") }
      if isNew { draw(other, up, inner, &drawn, &lines) }
    }
  }

  /// The column lineage of an edge, a line for each column of the target.
  private func columns(_ edge: JSON) -> [String] {
    var sources: [(target: String, from: [String])] = []
    for column in edge["columns"]?.arrayValue ?? [] {
      let target = column.cell("target")
      var source = column.cell("source")
      let kinds = (column["transformations"]?.arrayValue ?? []).map { transformation in
        let subtype = transformation.cell("subtype")
        return subtype.isEmpty ? transformation.cell("type") : subtype
      }.filter { !$0.isEmpty }
      if !kinds.isEmpty { source += " (\(kinds.map { $0.lowercased() }.joined(separator: ", ")))" }
      if let index = sources.firstIndex(where: { $0.target == target }) {
        sources[index].from.append(source)
      } else {
        sources.append((target, [source]))
      }
    }
    return sources.map { "\(Terminal.plain($0.target)) ← \(Terminal.plain($0.from.joined(separator: ", ")))" }
  }

  private func name(_ id: String) -> String {
    guard let node = nodes[id] else { return id }
    let name = node.cell("name").isEmpty ? id : node.cell("name")
    let namespace = node.cell("namespace")
    return Terminal.plain(namespace.isEmpty ? name : "\(name) (\(namespace))")
  }
}
