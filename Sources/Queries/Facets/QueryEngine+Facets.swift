import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Projections
import Records
import Refusals

extension QueryMethod {
  /// `run.facets`, `pipeline.facets`, `dataset.facets`: what OpenLineage reports said of one that became no field,
  /// unsealed, page by page. It may name anyone, so it takes the permission to write. Nil for types that are not
  /// reported.
  static func facets(of type: ResourceType) -> QueryMethod? {
    guard let part = KeptFacets.Part(rawValue: type.name), type.facts.contains(where: { $0.event == "reported" })
    else { return nil }
    return QueryMethod(
      "\(type.name).facets",
      "What OpenLineage reports said of one \(type.name) that became no field. Needs write on \(type.plural).",
      [.target(type), .limit(10, atMost: 100), .cursor],
      result: Schemas.page(of: KeptFacets.schema), errors: [.forbidden, .notFound, .gone],
      example: type.exampleTarget, answer: { try await $1.engine.facets($0, part, $1.access(to: type), $1.wait) })
  }
}

extension QueryEngine {
  /// How many runs are looked for at once.
  private static let runsOfStep = 50

  fileprivate func facets(
    _ arguments: Arguments, _ part: KeptFacets.Part, _ access: Access, _ wait: ReadWait
  ) async throws -> [UInt8] {
    let id = try arguments.required("id")
    let identity: JSON = ["method": .string("\(access.type.name).facets"), "id": .string(id.text)]
    let place = try cursors.place(arguments.text("cursor"), of: identity, KeptFacets.Place.init)
    let state = try await log.whileWanted { snapshot in
      let state = try access.require(try snapshot.state(id), id: id.text, in: snapshot)
      if let since = state.deletedAt { throw Refusal.gone(type: access.type.name, id: id.text, since: since.text) }
      guard access.principal.allows(.write, on: access.type.plural, organization: state.organization) else {
        throw Refusal.forbidden(permission: "\(access.type.plural):write")
      }
      return state
    }
    var page = KeptFacets.Page(of: state, part, limit: arguments.count("limit"))
    // Its own reports first, then those of its runs, the newest run first.
    if place?.run == nil {
      let before = place?.version
      page = try await read(page, from: id, run: nil, before: before)
    }
    if part == .run || page.next != nil { return try self.page(page.answer, identity, log.head.position) }
    var after = place?.run
    if let run = after, let version = place?.version {
      // The run in which the page before ended.
      if let identifier = try await runs(of: state, part, wait, number: run).first?.id {
        page = try await read(page, from: identifier, run: run, before: version)
      }
    }
    while page.next == nil {
      let runs = try await runs(of: state, part, wait, before: after)
      for run in runs where page.next == nil {
        page = try await read(page, from: run.id, run: run.number, before: nil)
        after = run.number
      }
      if runs.count < Self.runsOfStep { break }
    }
    return try self.page(page.answer, identity, log.head.position)
  }

  private func page(
    _ answer: (items: [JSON], next: JSON?), _ identity: JSON, _ position: UInt64
  ) throws -> [UInt8] {
    try page(answer.items, next: answer.next, position: position, query: identity)
  }

  /// Adds what the reports recorded at one resource say, the newest first, from the one before a version.
  private func read(
    _ page: KeptFacets.Page, from resource: Identifier, run: Int64?, before version: Int64?
  ) async throws -> KeptFacets.Page {
    try await log.whileWanted { [self] snapshot in
      var page = page
      var upper = try version.map { $0 - 1 } ?? snapshot.latestVersion(of: resource)
      while upper >= 1 {
        let lower = max(1, upper - 15)
        for record in try snapshot.history(of: resource, versions: lower...upper).reversed() {
          let header = try record.parsedHeader()
          guard page.takesMore else {
            page.next = KeptFacets.Place(run: run, version: header.version + 1)
            return page
          }
          page.scanned += 1
          guard header.verb == "reported" else { continue }
          let body = try record.parsedBody()
          var data = try view.readableData(body.data, resource: header.resource)
          // They are kept whole, with what became a sealed field as well.
          if let facets = data["facets"], !facets.isNull {
            data["facets"] = SecretMembers.masked(facets, field: "facets", scope: .configuration)
          }
          page.add(header, data, bytes: record.body.count)
        }
        upper = lower - 1
      }
      return page
    }
  }

  /// The runs whose reports may speak of a pipeline or a dataset, the newest first.
  private func runs(
    of state: ResourceState, _ part: KeptFacets.Part, _ wait: ReadWait, number: Int64? = nil, before: Int64? = nil
  ) async throws -> [(id: Identifier, number: Int64)] {
    let need = ReadModelNeed(rows: ["runs"])
    var sql = SQLBuilder(
      "SELECT standing.position, standing.is_whole, found.id::text, found.number FROM \(need.standing) standing "
        + "LEFT JOIN (SELECT id, number FROM daybook.runs WHERE ")
    switch part {
    case .pipeline: sql.append("pipeline_id = \(sql.bind(.uuid(state.id.text), as: "uuid"))")
    case .dataset:
      let bound = sql.bind(.array([state.id.text]), as: "text[]")
      sql.append("(input_dataset_ids @> \(bound) OR output_dataset_ids @> \(bound))")
    case .run: return []
    }
    if let organization = state.organization {
      sql.append(" AND organization_id = \(sql.bind(.uuid(organization.text), as: "uuid"))")
    }
    if let number { sql.append(" AND number = \(sql.bind(.integer(number), as: "bigint"))") }
    if let before { sql.append(" AND number < \(sql.bind(.integer(before), as: "bigint"))") }
    sql.append(" ORDER BY number DESC LIMIT \(Self.runsOfStep)) found ON true ORDER BY found.number DESC")
    let result = try await ask(sql, need, wait)
    return (0..<result.rowCount).compactMap { row in
      guard let id = result[row, 2].flatMap({ Identifier($0) }), let number = result[row, 3].flatMap({ Int64($0) })
      else { return nil }
      return (id, number)
    }
  }
}
