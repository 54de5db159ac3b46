import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension QueryMethod {
  /// `R.history`: the events of one resource, oldest first unless the order says otherwise.
  static func history(_ type: ResourceType) -> QueryMethod {
    QueryMethod(
      "\(type.name).history", "Every event of one \(type.name): who, when, why, and what from and to.",
      [.target(type), .limit(), .cursor, .order(by: "position", default: "position")],
      result: Schemas.page(of: Schemas.object(Schemas.event.merging(["changes": Schemas.anyObject]))),
      errors: [.forbidden, .notFound], example: type.exampleTarget,
      answer: { try await $1.engine.history($0, $1.access(to: type)) })
  }
}

extension QueryEngine {
  fileprivate func history(_ arguments: Arguments, _ access: Access) async throws -> [UInt8] {
    let identifier = try arguments.required("id")
    let limit = arguments.count("limit")
    let isDescending = arguments.text("order") == "-position"
    let query: JSON = [
      "method": .string("\(access.type.name).history"), "id": .string(identifier.text),
      "descending": .bool(isDescending),
    ]
    let start = try arguments.text("cursor").map { try cursors.open($0, query: query)["version"]?.integerValue ?? 0 }
    return try await log.background { [self] snapshot in
      let state = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      let showsReasons = access.belongs(to: state)
      let last = try snapshot.latestVersion(of: identifier)
      let first = try firstShown(of: state, to: access, in: snapshot)
      let range: ClosedRange<Int64>
      let next: Int64?
      if isDescending {
        let upper = min(last, start ?? last)
        let lower = max(first, upper - Int64(limit) + 1)
        guard upper >= first else { return try page([], next: nil, position: snapshot.head.position, query: query) }
        range = lower...upper
        next = lower > first ? lower - 1 : nil
      } else {
        let lower = max(first, start ?? first)
        // A cursor of the last page waits there for versions to come; the client is told so by a next_cursor of null.
        guard lower <= last else { return try page([], next: nil, position: snapshot.head.position, query: query) }
        range = lower...min(last, lower + Int64(limit) - 1)
        next = range.upperBound < last ? range.upperBound + 1 : nil
      }
      var items = try snapshot.history(of: identifier, versions: range).map {
        try historyItem($0, access, showsReasons: showsReasons, first: first)
      }
      if isDescending { items.reverse() }
      return try page(
        items, next: next.map { ["version": .integer($0)] }, position: snapshot.head.position, query: query)
    }
  }

  /// One event of a history.
  /// - Parameter first: The version before which nothing is shown, so nor what the event of this version has changed.
  private func historyItem(
    _ record: LogRecord, _ access: Access, showsReasons: Bool, first: Int64
  ) throws -> JSON {
    let header = try record.parsedHeader()
    let body = try record.parsedBody()
    var changes = try view.shownChanges(
      type: access.type.name, resource: header.resource, set: body.set, was: header.version == first ? [:] : body.was)
    if access.principal.kind != .user(header.resource) {
      for name in access.administratorsFields { changes.removeValue(forKey: name) }
    }
    var item: JSONObject = [
      "actor": .string(header.actor), "at": .string(header.at.text),
      "changes": .object(changes), "event": .string(header.event),
      "id": .string(header.id.text), "position": JSON(position: header.position),
      "reason": showsReasons ? try view.reason(body.reason, resource: header.resource) : .null,
      "version": .integer(header.version),
    ]
    if let causation = header.causation { item["causation_id"] = .string(causation.text) }
    if let correlation = header.correlation { item["correlation_id"] = .string(correlation) }
    if let dropped = body.dropped { item["dropped_at_position"] = JSON(position: dropped) }
    // Facts that are sealed (log lines, facets) are not part of a history: they are many, and read by their own
    // queries.
    let facts = access.type.facts.first { $0.event == header.verb }
    if !body.data.isEmpty, facts == nil { item["data"] = .object(try view.data(body.data, resource: header.resource)) }
    return .object(item)
  }
}
