import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook lineage`: what a dataset was made from, and what was made from it.
struct Lineage: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw what a dataset was made from and what was made from it, columns included.",
    discussion: """
      Each line ends with the job that reported it last, and when. Where not
      everything is shown, the last lines say so, and what to do.

      EXAMPLES
        daybook lineage warehouse.orders
        daybook lineage 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --direction up --depth 3
        daybook lineage warehouse.orders --limit 10000 --since 2026-01-01T00:00:00Z
      """)

  /// Which way to look.
  enum Direction: String, CaseIterable, ExpressibleByArgument {
    case up, down, both
  }

  @Argument(help: "A dataset's name, or the id of a dataset or task run.", completion: Completions.datasets)
  var dataset: String

  @Option(name: .long, help: "up (what it was made from), down (what was made from it) or both.")
  var direction = Direction.both

  @Option(name: .long, help: "How many steps away at most, from 1 to 50.")
  var depth = 5

  @Option(name: .long, help: "How many edges at most, from 1 to 10000; both directions get their share.")
  var limit = 1000

  @Option(name: .long, help: "Leave out what was reported last before then: a date, last week, 30d …")
  var since: String?

  @Option(name: .long, help: "The graph as it was then: a date, last tuesday, a position …")
  var asOf: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let (id, graph) = try await connection.withClient { client in
      let id = try await Lookup.resource(dataset, type: "dataset", client)
      var params: JSONObject = [
        "id": .string(id), "direction": .string(direction.rawValue), "depth": .integer(Int64(depth)),
        "limit": .integer(Int64(limit)),
      ]
      if let since { params["since"] = try Moment.parameter(since, .since) }
      if let asOf { params["as_of"] = try Moment.parameter(asOf, .asOf) }
      return (id, try await client.callAfterWrites("lineage.graph", params))
    }
    if output.json { return Terminal.say(json: graph) }
    let drawing = LineageDrawing(graph)
    for line in drawing.lines(from: id, direction) { Terminal.say(line) }
    for line in drawing.omissions(limit: limit, depth: depth) { Terminal.say(line) }
  }
}

/// A lineage graph as a tree for each direction; a node that was drawn already is only named again.
struct LineageDrawing {
  private let nodes: [String: JSON]
  private let pipelines: [String: JSON]
  private let upward: [String: [JSON]]
  private let downward: [String: [JSON]]
  private let reasons: [JSON]
  private let advice: String

  init(_ graph: JSON) {
    func byID(_ key: String) -> [String: JSON] {
      Dictionary((graph[key]?.arrayValue ?? []).map { ($0.cell("id"), $0) }, uniquingKeysWith: { first, _ in first })
    }
    nodes = byID("nodes")
    pipelines = byID("pipelines")
    let edges = graph["edges"]?.arrayValue ?? []
    upward = Dictionary(grouping: edges) { $0.cell("target_id") }
    downward = Dictionary(grouping: edges) { $0.cell("source_id") }
    reasons = graph["truncated_by"]?.arrayValue ?? []
    advice = graph.cell("advice")
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

  /// What isn't shown, and what to do about it: a line for each reason.
  func omissions(limit: Int, depth: Int) -> [String] {
    reasons.compactMap(\.stringValue).map { reason in
      switch reason {
      case "limit" where limit < 10_000:
        "There are more than \(limit) edges: raise --limit (at most 10000), or look one way with --direction."
      case "limit":
        "There are more than \(limit) edges: look one way with --direction, raise --since, or list them page by page "
          + "with daybook call lineage_edge.list."
      case "depth" where depth < 50: "There is more further away: raise --depth (at most 50)."
      case "depth": "There is more further away: look again from the last ones."
      default: Terminal.plain(advice)
      }
    }
  }

  private func branches(of start: String, up: Bool) -> [String] {
    var drawn: Set<String> = [start]
    var lines: [String] = []
    draw(start, up, "", &drawn, &lines)
    if !lines.isEmpty { return lines }
    return [reasons.isEmpty ? "└─ nothing that is known" : "└─ nothing that is shown"]
  }

  private func edges(of node: String, up: Bool) -> [JSON] { (up ? upward : downward)[node] ?? [] }

  private func draw(_ node: String, _ up: Bool, _ indent: String, _ drawn: inout Set<String>, _ lines: inout [String]) {
    let own = edges(of: node, up: up).map { (name: name($0.cell(up ? "source_id" : "target_id")), edge: $0) }
      .sorted { $0.name < $1.name }
    for (index, (name, edge)) in own.enumerated() {
      let isLast = index == own.count - 1
      let other = edge.cell(up ? "source_id" : "target_id")
      let isNew = drawn.insert(other).inserted
      let hasMore = !edges(of: other, up: up).isEmpty
      let kind = edge.cell("relationship_type")
      var line = "\(indent)\(isLast ? "└─ " : "├─ ")\(name)"
      if !kind.isEmpty, kind != "direct" { line += " [\(kind)]" }
      if !isNew, hasMore { line += " (drawn above)" }
      lines.append(line + report(of: edge))
      let inner = indent + (isLast ? "   " : "│  ")
      for column in columns(edge) { lines.append("\(inner)\(isNew && hasMore ? "│" : " ")  \(column)") }
      if isNew { draw(other, up, inner, &drawn, &lines) }
    }
  }

  /// Who reported an edge last, and when; nothing for one that people made.
  private func report(of edge: JSON) -> String {
    let time = edge.time("reported_at")
    guard !time.isEmpty else { return "" }
    let name = edge["pipeline_id"].map { job($0) } ?? ""
    return "  · \(name.isEmpty ? "" : "\(name), ")\(Terminal.plain(time))"
  }

  private func job(_ id: JSON) -> String {
    guard let pipeline = pipelines[id.cell] else { return "" }
    return Terminal.plain(pipeline.cell("name"))
  }

  /// The column lineage of an edge, a line for each column of the target, and for each set of jobs that reported it.
  private func columns(_ edge: JSON) -> [String] {
    var lines: [(target: JSON, jobs: JSON, from: [String])] = []
    var places: [JSON: Int] = [:]
    for column in edge["columns"]?.arrayValue ?? [] {
      let target = column["target"] ?? .null
      let jobs = column["pipeline_ids"] ?? []
      var source = column.cell("source")
      let ways = ways(column)
      if !ways.isEmpty { source += " (\(ways.joined(separator: ", ")))" }
      let key: JSON = [target, jobs]
      if let place = places[key] {
        lines[place].from.append(source)
      } else {
        places[key] = lines.count
        lines.append((target, jobs, [source]))
      }
    }
    return lines.map { line in
      let target = line.target.isNull ? "(all columns)" : Terminal.plain(line.target.cell)
      let jobs = (line.jobs.arrayValue ?? []).map { job($0) }.filter { !$0.isEmpty }
      let by = jobs.isEmpty ? "" : "  · \(jobs.joined(separator: ", "))"
      return "\(target) ← \(Terminal.plain(line.from.joined(separator: ", ")))\(by)"
    }
  }

  /// How a column is made: the kinds of its transformations, and whether it is masked by them.
  private func ways(_ column: JSON) -> [String] {
    var ways: [String] = []
    for transformation in column["transformations"]?.arrayValue ?? [] {
      let subtype = transformation.cell("subtype")
      let kind = (subtype.isEmpty ? transformation.cell("type") : subtype).lowercased()
      if !kind.isEmpty { ways.append(kind) }
      if transformation["masking"]?.boolValue == true, kind != "masked" { ways.append("masked") }
    }
    return ways
  }

  /// A dataset's name and namespace, and its other names.
  private func name(_ id: String) -> String {
    guard let node = nodes[id] else { return id }
    let others = (node["aliases"]?.arrayValue ?? []).map { full($0, orElse: $0.cell("id")) }
    return full(node, orElse: id) + (others.isEmpty ? "" : " = \(others.joined(separator: " = "))")
  }

  private func full(_ node: JSON, orElse id: String) -> String {
    let name = node.cell("name").isEmpty ? id : node.cell("name")
    let namespace = node.cell("namespace")
    return Terminal.plain(namespace.isEmpty ? name : "\(name) (\(namespace))")
  }
}
