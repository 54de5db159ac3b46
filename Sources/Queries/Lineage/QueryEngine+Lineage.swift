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
      .count("limit", "How many edges at most; of both directions alike.", in: 1...10_000, default: 1000),
      .parameter(
        "since", .timestamp, "Leaves out what was reported last before this instant; what people made stays."),
      .asOf,
    ],
    result: Schemas.object(
      [
        "edges": Schemas.array(
          of: Schemas.object([
            "id": Schemas.identifier, "source_id": Schemas.identifier, "target_id": Schemas.identifier,
          ])),
        "nodes": Schemas.array(
          of: Schemas.object(["distance": Schemas.integer, "id": Schemas.identifier, "type": Schemas.string])),
        "pipelines": Schemas.array(of: Schemas.object(["id": Schemas.identifier])),
        "position": Schemas.integer, "truncated": Schemas.boolean,
        "truncated_by": Schemas.array(of: Schemas.string), "advice": Schemas.optionalString,
      ]),
    errors: [.forbidden, .notFound], example: ["id": .string(ExampleWorld.identifier(of: "dataset").text)],
    answer: { try await $1.engine.lineageGraph($0, $1) })
}

extension QueryEngine {
  /// How many edges are read at once.
  private static let edgesOfPage = 1000

  fileprivate func lineageGraph(_ arguments: Arguments, _ call: QueryCall) async throws -> [UInt8] {
    let start = try arguments.required("id")
    let direction = arguments.text("direction").flatMap(LineageDirection.init) ?? .both
    let (depth, limit) = (arguments.count("depth"), arguments.count("limit"))
    let access = try await lineageAccess(start, call.principal)
    let since = arguments.time("since")
    guard let asOf = AsOf(arguments) else {
      let reader = LineageReader(engine: self, edgeAccess: access, position: nil, since: since)
      return try await log.whileWanted { [self] snapshot in
        var graph = LineageGraph(direction, from: try reader.node(start, in: snapshot), depth: depth, limit: limit)
        try presentWalks(&graph, reader, in: snapshot)
        let edges = graph.finish()
        let pipelines = try reader.pipelines(of: edges, in: snapshot)
        return graph.answer(edges, pipelines: pipelines, position: snapshot.head.position)
      }
    }
    let position = try await resolve(asOf)
    let reader = LineageReader(engine: self, edgeAccess: access, position: position, since: since)
    let node = try await log.whileWanted { snapshot in try reader.node(start, in: snapshot) }
    var graph = LineageGraph(direction, from: node, depth: depth, limit: limit)
    try await pastWalks(&graph, reader, call.wait.reaching(position))
    let edges = graph.finish()
    let pipelines = try await log.whileWanted { snapshot in try reader.pipelines(of: edges, in: snapshot) }
    return graph.answer(edges, pipelines: pipelines, position: position)
  }

  /// Lets the caller see the start, or refuses; a walk shows nothing that the same caller couldn't get.
  private func lineageAccess(_ start: Identifier, _ principal: Principal) async throws -> Access {
    guard let datasets = catalog.type("dataset"), let edges = catalog.type("lineage_edge") else {
      throw Refusal.internalError("the catalog has no datasets or no lineage edges")
    }
    return try await log.whileWanted { [self] snapshot in
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

  // MARK: - The present, from the log's link index

  private func presentWalks(
    _ graph: inout LineageGraph, _ reader: LineageReader, in snapshot: borrowing LogSnapshot
  ) throws {
    for walk in graph.walks.indices {
      let way = graph.walks[walk].way
      while !graph.walks[walk].wanted.isEmpty {
        try presentEdges(of: graph.walks[walk].wanted, way, &graph, reader, in: snapshot) { $0.take($1, walk: walk) }
        for id in graph.unknown(walk: walk) { graph.add(try reader.node(id, in: snapshot)) }
        graph.step(walk: walk)
      }
    }
    let taken = graph.taken
    for walk in graph.walks.indices where !graph.truncations.contains(.depth) {
      try presentEdges(of: graph.ends(walk: walk), graph.walks[walk].way, &graph, reader, in: snapshot) {
        $0.takeBeyond($1, taken: taken)
      }
    }
  }

  /// Goes through the edges of nodes, of one way, page by page, until the visitor takes no more.
  private func presentEdges(
    of nodes: [Identifier], _ way: LineageWay, _ graph: inout LineageGraph, _ reader: LineageReader,
    in snapshot: borrowing LogSnapshot, _ visit: (inout LineageGraph, LineageEdge) -> Bool
  ) throws {
    for node in nodes {
      var last: Identifier?
      while true {
        let page = try snapshot.referrers(of: node, type: "lineage_edge", after: last, limit: Self.edgesOfPage)
        for id in page {
          guard graph.count() else { return }
          guard let edge = try reader.edge(id, in: snapshot), way.near(edge) == node else { continue }
          guard visit(&graph, edge) else { return }
        }
        guard page.count == Self.edgesOfPage else { break }
        last = page.last
      }
    }
  }

  // MARK: - The past, from the read model and the log

  private func pastWalks(_ graph: inout LineageGraph, _ reader: LineageReader, _ wait: ReadWait) async throws {
    for walk in graph.walks.indices {
      let way = graph.walks[walk].way
      while !graph.walks[walk].wanted.isEmpty {
        try await pastEdges(of: graph.walks[walk].wanted, way, &graph, reader, wait) { $0.take($1, walk: walk) }
        let unknown = graph.unknown(walk: walk)
        let nodes = try await log.whileWanted { snapshot in
          var nodes: [LineageNode] = []
          for id in unknown { nodes.append(try reader.node(id, in: snapshot)) }
          return nodes
        }
        for node in nodes { graph.add(node) }
        graph.step(walk: walk)
      }
    }
    let taken = graph.taken
    for walk in graph.walks.indices where !graph.truncations.contains(.depth) {
      try await pastEdges(of: graph.ends(walk: walk), graph.walks[walk].way, &graph, reader, wait) {
        $0.takeBeyond($1, taken: taken)
      }
    }
  }

  /// Goes through the edges that nodes ever had, of one way, page by page, until the visitor takes no more.
  private func pastEdges(
    of nodes: [Identifier], _ way: LineageWay, _ graph: inout LineageGraph, _ reader: LineageReader,
    _ wait: ReadWait, _ visit: (inout LineageGraph, LineageEdge) -> Bool
  ) async throws {
    guard !nodes.isEmpty else { return }
    let near = Set(nodes)
    var last: Identifier?
    while true {
      var sql = SQLBuilder()
      let column = way == .up ? "target_id" : "source_id"
      let bound = sql.bind(nodes)
      let after = last.map { " AND id > \(sql.bind(.uuid($0.text), as: "uuid"))" } ?? ""
      sql.append(
        "SELECT id FROM daybook.lineage_edges WHERE \(column) = ANY(\(bound))\(after) "
          + "ORDER BY id LIMIT \(Self.edgesOfPage)")
      let page = try await identifiers(sql, ReadModelNeed(rows: ["lineage_edges"]), wait)
      let edges = try await log.whileWanted { snapshot in
        var edges: [LineageEdge?] = []
        for id in page { edges.append(try reader.edge(id, in: snapshot)) }
        return edges
      }
      for edge in edges {
        guard graph.count() else { return }
        guard let edge, near.contains(way.near(edge)) else { continue }
        guard visit(&graph, edge) else { return }
      }
      guard page.count == Self.edgesOfPage else { return }
      last = page.last
    }
  }
}
