/// Questions about graphs whose vertices are numbered from 0.
package enum DirectedGraph {
  /// Whether the edges go in a circle: whether taking away what nothing leads to, again and again, leaves something.
  package static func hasCycle(vertices: Int, edges: [(from: Int, to: Int)]) -> Bool {
    var incoming = [Int](repeating: 0, count: vertices)
    var outgoing = [[Int]](repeating: [], count: vertices)
    for edge in edges {
      incoming[edge.to] += 1
      outgoing[edge.from].append(edge.to)
    }
    var free = incoming.indices.filter { incoming[$0] == 0 }
    var removed = 0
    while let vertex = free.popLast() {
      removed += 1
      for next in outgoing[vertex] {
        incoming[next] -= 1
        if incoming[next] == 0 { free.append(next) }
      }
    }
    return removed < vertices
  }
}
