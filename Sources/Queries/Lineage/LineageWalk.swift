import BasicTypes
import CanonicalJSON

/// One edge of the lineage graph: what its target was made from.
struct LineageEdge: Sendable, Equatable {
  let id: Identifier
  let source: Identifier
  let target: Identifier
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
}

/// A walk through the lineage graph, breadth first, that visits no node twice in one direction: cycles end it like
/// any other end.
///
/// It holds no store: the caller gives it the edges of each node of a frontier and takes the next frontier, until
/// there is none.
struct LineageWalk: Sendable {
  /// How far a node is from the start; up is negative.
  private(set) var distances: [Identifier: Int]
  private(set) var edges: [LineageEdge] = []
  /// Whether the walk ended at its depth or limit although there was more.
  private(set) var isTruncated = false

  private let depth: Int
  private let limit: Int
  private var seenEdges: Set<Identifier> = []
  private var visitedUp: Set<Identifier>
  private var visitedDown: Set<Identifier>
  private var frontier: [(node: Identifier, isUp: Bool, distance: Int)]

  init(from start: Identifier, direction: LineageDirection, depth: Int, limit: Int) {
    distances = [start: 0]
    self.depth = depth
    self.limit = limit
    visitedUp = [start]
    visitedDown = [start]
    frontier = []
    if direction != .down { frontier.append((start, true, 0)) }
    if direction != .up { frontier.append((start, false, 0)) }
  }

  /// The nodes whose edges the walk needs next, each once; empty when it is over.
  var wanted: [Identifier] {
    var seen: Set<Identifier> = []
    return frontier.map(\.node).filter { seen.insert($0).inserted }
  }

  /// Takes the edges of the wanted nodes and goes one step further.
  mutating func advance(_ edgesOfNode: [Identifier: [LineageEdge]]) {
    var next: [(node: Identifier, isUp: Bool, distance: Int)] = []
    for (node, isUp, distance) in frontier {
      let leading = (edgesOfNode[node] ?? []).filter { isUp ? $0.target == node : $0.source == node }
      guard distance < depth else {
        if leading.contains(where: { !seenEdges.contains($0.id) }) { isTruncated = true }
        continue
      }
      for edge in leading {
        if !seenEdges.contains(edge.id) {
          guard edges.count < limit else {
            isTruncated = true
            continue
          }
          seenEdges.insert(edge.id)
          edges.append(edge)
        }
        let other = isUp ? edge.source : edge.target
        let isNew = isUp ? visitedUp.insert(other).inserted : visitedDown.insert(other).inserted
        guard isNew else { continue }
        if distances[other] == nil { distances[other] = isUp ? -(distance + 1) : distance + 1 }
        next.append((other, isUp, distance + 1))
      }
    }
    frontier = next
  }
}
