import BasicTypes
import CanonicalJSON

/// A lineage graph as it is found, and the answer that is made of it.
struct LineageGraph: Sendable {
  /// Why something is left out.
  enum Truncation: String, CaseIterable, Sendable {
    /// There are more edges than were asked for.
    case limit
    /// There are more edges further away.
    case depth
    /// More edges would have to be looked at than one answer may.
    case work
    /// More datasets may be one than are taken for one.
    case aliases
  }

  /// How many edges are looked at for one answer.
  static let maximumWork = 100_000

  private let limit: Int
  private let start: Identifier
  private(set) var walks: [LineageWalk] = []
  private(set) var truncations: Set<Truncation> = []
  /// How many edges were looked at.
  private(set) var work = 0
  private var nodes: [Identifier: LineageNode] = [:]
  /// What stands for each resource that a node stands for.
  private var representatives: [Identifier: Identifier] = [:]

  init(_ direction: LineageDirection, from start: LineageNode, depth: Int, limit: Int) {
    self.limit = limit
    self.start = start.members[0]
    walks = direction.ways.map { LineageWalk($0, from: start.members, depth: depth, limit: limit) }
    add(start)
  }

  /// Counts an edge that is looked at.
  /// - Returns: Whether it still may be.
  mutating func count() -> Bool {
    guard work < Self.maximumWork else {
      truncations.insert(.work)
      return false
    }
    work += 1
    return true
  }

  /// Gives a walk an edge of a node that it wants.
  /// - Returns: Whether it takes more.
  mutating func take(_ edge: LineageEdge, walk: Int) -> Bool { walks[walk].take(edge) }

  /// The nodes that a walk has come to and that aren't known yet.
  func unknown(walk: Int) -> [Identifier] { walks[walk].arrivals.filter { representatives[$0] == nil } }

  /// Takes a node in.
  mutating func add(_ node: LineageNode) {
    let id = node.members[0]
    guard representatives[id] == nil else { return }
    if node.isCut { truncations.insert(.aliases) }
    nodes[id] = node
    for member in node.members where representatives[member] == nil { representatives[member] = id }
  }

  /// Lets a walk go one step further.
  mutating func step(walk: Int) {
    let found = walks[walk].arrivals.flatMap { arrival -> [Identifier] in
      representatives[arrival].flatMap { nodes[$0]?.members } ?? [arrival]
    }
    walks[walk].step(to: found)
  }

  /// The nodes at which a walk ended by its depth, whose further edges would be left out.
  func ends(walk: Int) -> [Identifier] { walks[walk].isCut ? [] : walks[walk].frontier }

  /// Takes note of an edge beyond the depth.
  /// - Returns: Whether more must be looked at to know.
  mutating func takeBeyond(_ edge: LineageEdge, taken: Set<Identifier>) -> Bool {
    guard !taken.contains(edge.id) else { return true }
    truncations.insert(.depth)
    return false
  }

  /// The ids of all edges of all walks.
  var taken: Set<Identifier> { Set(walks.flatMap { $0.edges.map(\.id) }) }

  /// The edges that are shown.
  mutating func finish() -> [LineageEdge] {
    let (edges, isCut) = LineageWalk.merged(walks, limit: limit)
    if isCut || walks.contains(where: \.isCut) { truncations.insert(.limit) }
    return edges
  }

  /// The canonical JSON of the answer.
  func answer(_ edges: [LineageEdge], pipelines: [JSON], position: UInt64) -> [UInt8] {
    let distances = distances(edges)
    let shown = distances.compactMap { id, distance -> (distance: Int, name: String, json: JSON)? in
      guard let node = nodes[id], var json = node.shown else { return nil }
      json["distance"] = .integer(Int64(distance))
      return (distance, node.name, .object(json))
    }
    .sorted { ($0.distance.magnitude, $0.distance, $0.name) < ($1.distance.magnitude, $1.distance, $1.name) }
    let drawn = edges.map { edge -> JSON in
      var object = edge.details
      object["id"] = .string(edge.id.text)
      object["source_id"] = .string(representative(edge.source).text)
      object["target_id"] = .string(representative(edge.target).text)
      return .object(object)
    }
    let reasons = Truncation.allCases.filter(truncations.contains)
    return JSON.object([
      "nodes": .array(shown.map(\.json)), "edges": .array(drawn), "pipelines": .array(pipelines),
      "truncated": .bool(!reasons.isEmpty), "truncated_by": .array(reasons.map { .string($0.rawValue) }),
      "advice": reasons.isEmpty ? .null : .string(reasons.map(\.advice).joined(separator: " ")),
      "position": JSON(position: position),
    ]).canonicalBytes
  }

  private func representative(_ id: Identifier) -> Identifier { representatives[id] ?? id }

  /// How far each node that the edges lead to is from the start; up is negative.
  private func distances(_ edges: [LineageEdge]) -> [Identifier: Int] {
    var distances = [start: 0]
    let shown = Set(edges.map(\.id))
    for walk in walks {
      var steps = [start: 0]
      // The nearest edges come first, so the end that an edge comes from is known.
      for edge in walk.edges where shown.contains(edge.id) {
        let far = representative(walk.way.far(edge))
        guard steps[far] == nil, let near = steps[representative(walk.way.near(edge))] else { continue }
        steps[far] = near + 1
        if distances[far] == nil { distances[far] = walk.way == .up ? -(near + 1) : near + 1 }
      }
    }
    return distances
  }
}

extension LineageGraph.Truncation {
  /// What to do about it.
  fileprivate var advice: String {
    switch self {
    case .limit:
      "There are more edges than limit: raise it (at most 10000), ask for one direction, or for what was reported since."
    case .depth: "There is more further away: raise depth (at most 50), or ask again from the last nodes."
    case .work:
      "More than \(LineageGraph.maximumWork) edges would have to be looked at: ask for less depth, or list them page by page with lineage_edge.list."
    case .aliases:
      "More than \(LineageReader.maximumMembers) datasets have one name among their symlinks: ask from the others, too."
    }
  }
}
