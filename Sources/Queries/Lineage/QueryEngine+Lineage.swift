import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Refusals

extension QueryEngine {
  /// The most edges of one node that a walk looks at.
  private static let maximumEdgesOfNode = 10_000

  /// `lineage.graph`: the datasets and task runs around one, and the edges between them.
  ///
  /// The present is read from the log's link index, so it needs no PostgreSQL and sees every edge that was
  /// acknowledged. The past asks the read model which edges a node ever had (the index holds living ones only), and
  /// the log what each was then.
  func lineageGraph(
    _ parameters: inout QueryParameters, _ principal: Principal, _ wait: ReadModelWait
  ) async throws -> [UInt8] {
    let start = parameters.requiredIdentifier("id")
    let direction = parameters.choice("direction", of: LineageDirection.allCases.map(\.rawValue))
    let depth = parameters.integer("depth", in: 1...50) ?? 5
    let limit = parameters.integer("limit", in: 1...10_000) ?? 1000
    let asOf = parameters.asOf()
    try parameters.finish()
    var walk = LineageWalk(
      from: start, direction: direction.flatMap(LineageDirection.init) ?? .both, depth: Int(depth), limit: Int(limit))
    let access = try await lineageAccess(start, principal)
    guard let asOf else {
      let began = walk
      return try await log.background { [self] snapshot in
        var walk = began
        while !walk.wanted.isEmpty {
          var edges: [Identifier: [LineageEdge]] = [:]
          for node in walk.wanted { edges[node] = try presentEdges(of: node, access, in: snapshot) }
          walk.advance(edges)
        }
        return try graph(walk, access, through: nil, in: snapshot)
      }
    }
    try await reach(["lineage_edges"], wait)
    let position = try await log.background { snapshot in try snapshot.resolve(asOf) }
    while !walk.wanted.isEmpty { walk.advance(try await pastEdges(of: walk.wanted, access, through: position)) }
    let ended = walk
    return try await log.background { [self] snapshot in try graph(ended, access, through: position, in: snapshot) }
  }

  /// Lets the caller see the start, or refuses; a walk shows nothing that the same caller couldn't get.
  private func lineageAccess(_ start: Identifier, _ principal: Principal) async throws -> Access {
    guard let datasets = catalog.type("dataset"), let edges = catalog.type("lineage_edge") else {
      throw Refusal.internalError("the catalog has no datasets or no lineage edges")
    }
    return try await log.background { [self] snapshot in
      let state = try snapshot.state(start)
      let type =
        state.flatMap { $0.type == "dataset" || $0.type == "task_run" ? catalog.type($0.type) : nil } ?? datasets
      let found = try Access(principal: principal, type: type).require(state, id: start.text, in: snapshot)
      guard principal.allows(.read, on: edges.plural, organization: found.organization) else {
        throw Refusal.forbidden(permission: "\(edges.plural):read")
      }
      return Access(principal: principal, type: edges)
    }
  }

  private func presentEdges(
    of node: Identifier, _ access: Access, in snapshot: LogSnapshot
  ) throws -> [LineageEdge] {
    try snapshot.referrers(of: node, type: "lineage_edge", limit: Self.maximumEdgesOfNode).compactMap { referrer in
      guard let state = try snapshot.state(referrer.id) else { return nil }
      return edge(state, access)
    }
  }

  private func pastEdges(
    of nodes: [Identifier], _ access: Access, through position: UInt64
  ) async throws -> [Identifier: [LineageEdge]] {
    var sql = SQLBuilder()
    let bound = sql.bind(nodes)
    sql.append(
      """
      SELECT id::text FROM daybook.lineage_edges WHERE source_id = ANY(\(bound)) OR target_id = ANY(\(bound)) \
      ORDER BY id LIMIT \(Self.maximumEdgesOfNode)
      """)
    let statement = sql
    let result = try await ask(needsPersonal: false) { connection in
      try await connection.query(statement.text, statement.parameters)
    }
    let identifiers = (0..<result.rowCount).compactMap { result[$0, 0].flatMap { Identifier($0) } }
    return try await log.background { [self] snapshot in
      var edges: [Identifier: [LineageEdge]] = [:]
      for identifier in identifiers {
        guard let state = try snapshot.fold(identifier, through: position), let edge = edge(state, access) else {
          continue
        }
        edges[edge.source, default: []].append(edge)
        if edge.target != edge.source { edges[edge.target, default: []].append(edge) }
      }
      return edges
    }
  }

  /// The edge that a state is; nil for a deleted one, and for one that the caller may not see.
  private func edge(_ state: ResourceState, _ access: Access) -> LineageEdge? {
    guard !state.isDeleted, access.principal.canSee(organization: state.organization),
      let source = state.fields["source_id"]?.stringValue.flatMap({ Identifier($0) }),
      let target = state.fields["target_id"]?.stringValue.flatMap({ Identifier($0) })
    else { return nil }
    var details = JSONObject()
    for name in ["relationship_type", "pipeline_id", "run_id", "columns"] { details[name] = state.fields[name] }
    return LineageEdge(id: state.id, source: source, target: target, details: details)
  }

  private func graph(
    _ walk: LineageWalk, _ access: Access, through position: UInt64?, in snapshot: LogSnapshot
  ) throws -> [UInt8] {
    var nodes: [(distance: Int, name: String, json: JSON)] = []
    for (identifier, distance) in walk.distances {
      let state =
        if let position { try snapshot.fold(identifier, through: position) } else { try snapshot.state(identifier) }
      guard let state, access.principal.canSee(organization: state.organization) else { continue }
      let name = state.fields["name"] ?? .null
      var node: JSONObject = [
        "id": .string(identifier.text), "type": .string(state.type), "name": name,
        "distance": .integer(Int64(distance)),
      ]
      for field in ["namespace", "run_id", "step_id", "status"] { node[field] = state.fields[field] }
      if let deleted = state.fields["deleted_at"] { node["deleted_at"] = deleted }
      nodes.append((distance, name.stringValue ?? identifier.text, .object(node)))
    }
    nodes.sort { ($0.distance.magnitude, $0.distance, $0.name) < ($1.distance.magnitude, $1.distance, $1.name) }
    let edges = walk.edges.map { edge -> JSON in
      var object = edge.details
      object["id"] = .string(edge.id.text)
      object["source_id"] = .string(edge.source.text)
      object["target_id"] = .string(edge.target.text)
      return .object(object)
    }
    return JSON.object([
      "nodes": .array(nodes.map(\.json)), "edges": .array(edges), "truncated": .bool(walk.isTruncated),
      "position": JSON(position: position ?? snapshot.head.position),
    ]).canonicalBytes
  }
}
