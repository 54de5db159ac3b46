import BasicTypes
import CanonicalJSON

/// One edge of the lineage graph: what its target was made from.
struct LineageEdge: Sendable, Equatable {
  let id: Identifier
  let source: Identifier
  let target: Identifier
  /// The jobs that it names.
  let pipelines: [Identifier]
  /// Everything else that is shown of it.
  let details: JSONObject
}

/// Which way a walk goes from its start.
enum LineageDirection: String, CaseIterable, Sendable {
  /// Towards what it was made from.
  case up
  /// Towards what was made from it.
  case down
  /// Both ways from the start, each kept to.
  case both

  /// The walks that it takes.
  var ways: [LineageWay] {
    switch self {
    case .up: [.up]
    case .down: [.down]
    case .both: [.up, .down]
    }
  }
}

/// One way through the graph.
enum LineageWay: Sendable {
  case up, down

  /// The end of an edge that a walk comes from.
  func near(_ edge: LineageEdge) -> Identifier { self == .up ? edge.target : edge.source }

  /// The end of an edge that a walk goes to.
  func far(_ edge: LineageEdge) -> Identifier { self == .up ? edge.source : edge.target }
}

/// A walk one way through the lineage graph, breadth first, that visits no node twice: cycles end it like any other
/// end.
///
/// It holds no store: the caller gives it the edges of the nodes that it wants, one after the other, as long as it
/// takes them, tells it which nodes those that it came to stand for, and goes on until it wants none.
struct LineageWalk: Sendable {
  let way: LineageWay
  /// The edges that were taken, the nearest first.
  private(set) var edges: [LineageEdge] = []
  /// Whether there was an edge more than the limit.
  private(set) var isCut = false
  /// The nodes where the walk stands.
  private(set) var frontier: [Identifier]
  /// The nodes that the edges of the frontier lead to, each once, that were not there before.
  private(set) var arrivals: [Identifier] = []
  /// How many edges the frontier is from the start.
  private(set) var distance = 0

  private let depth: Int
  private let limit: Int
  private var seen: Set<Identifier> = []
  private var visited: Set<Identifier>

  /// A walk that stands at its start.
  /// - Parameter start: The start, and what is one with it.
  init(_ way: LineageWay, from start: [Identifier], depth: Int, limit: Int) {
    self.way = way
    self.depth = depth
    self.limit = limit
    frontier = start
    visited = Set(start)
  }

  /// The nodes whose edges of this way the walk needs next; empty when it is over.
  var wanted: [Identifier] { isCut || distance >= depth ? [] : frontier }

  /// Takes an edge of a wanted node.
  /// - Returns: Whether the walk takes more.
  mutating func take(_ edge: LineageEdge) -> Bool {
    guard seen.insert(edge.id).inserted else { return true }
    guard edges.count < limit else {
      isCut = true
      return false
    }
    edges.append(edge)
    let far = way.far(edge)
    if visited.insert(far).inserted { arrivals.append(far) }
    return true
  }

  /// Goes one step further.
  /// - Parameter nodes: The arrivals, and what is one with them.
  mutating func step(to nodes: [Identifier]) {
    var next = arrivals
    for node in nodes where visited.insert(node).inserted { next.append(node) }
    frontier = next
    arrivals = []
    distance += 1
  }

  /// The edges of several walks, the nearest of each in turn, each edge once, at most so many: no way uses up what
  /// another one needs.
  /// - Returns: The edges, and whether some were left out.
  static func merged(_ walks: [LineageWalk], limit: Int) -> (edges: [LineageEdge], isCut: Bool) {
    var merged: [LineageEdge] = []
    var seen: Set<Identifier> = []
    var places = walks.map { _ in 0 }
    while merged.count < limit {
      var isOver = true
      for (index, walk) in walks.enumerated() where merged.count < limit {
        while places[index] < walk.edges.count {
          let edge = walk.edges[places[index]]
          places[index] += 1
          guard seen.insert(edge.id).inserted else { continue }
          merged.append(edge)
          isOver = false
          break
        }
      }
      if isOver { return (merged, false) }
    }
    let isCut = zip(walks, places).contains { walk, place in walk.edges[place...].contains { !seen.contains($0.id) } }
    return (merged, isCut)
  }
}
