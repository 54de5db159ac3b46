import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Projections
import Refusals

extension QueryMethod {
  /// `lineage.graph`: the datasets and task runs around one, and the edges between them.
  ///
  /// The present is read from the log's link index, so it needs no PostgreSQL and sees every edge that was
  /// acknowledged. The past asks the read model which edges a node ever had (the index holds living ones only), and
  /// the log what each was then.
  static let lineageGraph = QueryMethod(
    "lineage.graph", "What a dataset or task run was made from, and what was made from it.",
    [
      .parameter("id", .uuid, "The dataset or task run to start from.", isRequired: true),
      .choice(
        "direction", "Towards what it was made from, what was made from it, or both.",
        of: LineageDirection.allCases.map(\.rawValue), default: LineageDirection.both.rawValue),
      .count("depth", "How many edges away at most.", in: 1...50, default: 5),
      .count("limit", "How many edges at most.", in: 1...10_000, default: 1000), .asOf,
    ],
    result: Schemas.object([
      "edges": Schemas.array(
        of: Schemas.object([
          "id": Schemas.identifier, "source_id": Schemas.identifier, "target_id": Schemas.identifier,
        ])),
      "nodes": Schemas.array(
        of: Schemas.object(["distance": Schemas.integer, "id": Schemas.identifier, "type": Schemas.string])),
      "position": Schemas.integer, "truncated": Schemas.boolean,
    ]),
    errors: [.forbidden, .notFound], example: ["id": .string(ExampleWorld.identifier(of: "dataset").text)],
    answer: { try await $1.engine.lineageGraph($0, $1) })
}

extension QueryEngine {
  /// The most edges of one node that a walk looks at.
  private static let maximumEdgesOfNode = 10_000

  fileprivate func lineageGraph(_ arguments: Arguments, _ call: QueryCall) async throws -> [UInt8] {
    let start = try arguments.required("id")
    var walk = LineageWalk(
      from: start, direction: arguments.text("direction").flatMap(LineageDirection.init) ?? .both,
      depth: arguments.count("depth"), limit: arguments.count("limit"))
    let access = try await lineageAccess(start, call.principal)
    guard let asOf = AsOf(arguments) else {
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
    let position = try await resolve(asOf)
    let wait = call.wait.reaching(position)
    repeat {
      walk.advance(try await pastEdges(of: walk.wanted, access, through: position, wait))
    } while !walk.wanted.isEmpty
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
      let found = try access(to: type, principal).require(state, id: start.text, in: snapshot)
      guard principal.allows(.read, on: edges.plural, organization: found.organization) else {
        throw Refusal.forbidden(permission: "\(edges.plural):read")
      }
      return access(to: edges, principal)
    }
  }

  private func presentEdges(
    of node: Identifier, _ access: Access, in snapshot: borrowing LogSnapshot
  ) throws -> [LineageEdge] {
    try snapshot.referrers(of: node, type: "lineage_edge", limit: Self.maximumEdgesOfNode).compactMap { referrer in
      guard let state = try snapshot.state(referrer.id) else { return nil }
      return try edge(state, access, in: snapshot)
    }
  }

  private func pastEdges(
    of nodes: [Identifier], _ access: Access, through position: UInt64, _ wait: ReadWait
  ) async throws -> [Identifier: [LineageEdge]] {
    var sql = SQLBuilder()
    let bound = sql.bind(nodes)
    sql.append(
      """
      SELECT id FROM daybook.lineage_edges WHERE source_id = ANY(\(bound)) OR target_id = ANY(\(bound)) \
      ORDER BY id LIMIT \(Self.maximumEdgesOfNode)
      """)
    let identifiers = try await identifiers(sql, ReadModelNeed(rows: ["lineage_edges"]), wait)
    return try await log.background { [self] snapshot in
      var edges: [Identifier: [LineageEdge]] = [:]
      for identifier in identifiers {
        guard let state = try snapshot.fold(identifier, through: position),
          let edge = try edge(state, access, in: snapshot)
        else { continue }
        edges[edge.source, default: []].append(edge)
        if edge.target != edge.source { edges[edge.target, default: []].append(edge) }
      }
      return edges
    }
  }

  /// The edge that a state is; nil for a deleted one, and for one that the caller may not read.
  private func edge(_ state: ResourceState, _ access: Access, in snapshot: borrowing LogSnapshot) throws -> LineageEdge?
  {
    guard !state.isDeleted, try access.permits(state, in: snapshot),
      let source = state.fields["source_id"]?.stringValue.flatMap({ Identifier($0) }),
      let target = state.fields["target_id"]?.stringValue.flatMap({ Identifier($0) })
    else { return nil }
    var details = JSONObject()
    for name in ["relationship_type", "pipeline_id", "run_id", "columns"] { details[name] = state.fields[name] }
    return LineageEdge(id: state.id, source: source, target: target, details: details)
  }

  private func graph(
    _ walk: LineageWalk, _ access: Access, through position: UInt64?, in snapshot: borrowing LogSnapshot
  ) throws -> [UInt8] {
    var nodes: [(distance: Int, name: String, json: JSON)] = []
    for (identifier, distance) in walk.distances {
      let state =
        if let position { try snapshot.fold(identifier, through: position) } else { try snapshot.state(identifier) }
      guard let state, let type = catalog.type(state.type),
        try self.access(to: type, access.principal).permits(state, in: snapshot)
      else { continue }
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
