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
      result: Schemas.page(
        of: Schemas.object(
          Schemas.event.merging(["changes": Schemas.anyObject]), besides: ["on_behalf_of": Schemas.identifier])),
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
    return try await log.whileWanted { [self] snapshot in
      let state = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      let withheld = try access.withheld(of: state, .former, in: snapshot)
      let last = try snapshot.latestVersion(of: identifier)
      var items: [JSON] = []
      var persons = ShownPersons()
      var bytes = 0
      // A cursor of the last page waits there for versions to come; the client is told so by a next_cursor of null.
      let first = try firstShown(of: state, to: access, in: snapshot)
      var version = isDescending ? min(last, start ?? last) : max(first, start ?? first)
      // In steps, so that no more is read than a page may have.
      while version >= first, version <= last, items.count < limit, bytes < PagedTable.maximumBytes {
        let step = Int64(min(Self.historyStep, limit - items.count)) - 1
        let versions = isDescending ? max(first, version - step)...version : version...min(last, version + step)
        let records = try snapshot.history(of: identifier, versions: versions)
        for record in isDescending ? records.reversed() : records where bytes < PagedTable.maximumBytes {
          let item = try historyItem(record, of: state, access, withheld: withheld, first: first)
          if !access.personal.isEmpty, let changes = item["changes"]?.objectValue {
            persons.add(access.persons(shownBy: changes, of: identifier, state.fields))
          }
          items.append(item)
          bytes += record.body.count
          version += isDescending ? -1 : 1
        }
        if records.isEmpty { version = isDescending ? versions.lowerBound - 1 : versions.upperBound + 1 }
      }
      if !persons.all.isEmpty { access.note(.persons(persons.all, .history)) }
      let next: JSON? = (isDescending ? version >= first : version <= last) ? ["version": .integer(version)] : nil
      return try page(items, next: next, position: snapshot.head.position, query: query)
    }
  }

  /// How many events of a history are read at once.
  private static let historyStep = 16

  /// One event of a history.
  /// - Parameters:
  ///   - withheld: The fields of which nothing is shown.
  ///   - first: The version before which nothing is shown, so nor what the event of this version has changed.
  private func historyItem(
    _ record: LogRecord, of state: ResourceState, _ access: Access, withheld: Set<String>, first: Int64
  ) throws -> JSON {
    let header = try record.parsedHeader()
    let body = try record.parsedBody()
    let view = view(for: access.principal)
    var changes = try view.shownChanges(
      type: access.type.name, resource: header.resource, set: body.set, was: header.version == first ? [:] : body.was)
    for name in withheld { changes.removeValue(forKey: name) }
    var item: JSONObject = [
      "actor": .string(header.actor), "at": .string(header.at.text),
      "changes": .object(changes), "event": .string(header.event),
      "id": .string(header.id.text), "position": JSON(position: header.position),
      "reason": try reason(of: header, body, state, access),
      "version": .integer(header.version),
    ]
    if let person = header.onBehalfOf { item["on_behalf_of"] = .string(person.text) }
    if let causation = header.causation { item["causation_id"] = .string(causation.text) }
    if let correlation = try record.correlation() { item["correlation_id"] = .string(correlation) }
    // Facts that are sealed (log lines, facets) are not part of a history: they are many, and read by their own
    // queries.
    let facts = access.type.facts.first { $0.event == header.verb }
    if !body.data.isEmpty, facts == nil {
      var data = try view.data(body.data, resource: header.resource)
      // Of which organizations a person is a member, or was, is not for everybody who sees them.
      if !access.principal.isAdministrator { data.removeValue(forKey: ReasonGivenIn.member) }
      if !data.isEmpty { item["data"] = .object(data) }
    }
    return .object(item)
  }
}
