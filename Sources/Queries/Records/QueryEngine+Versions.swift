import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// A numbered version of a resource's content, as the event that made it tells it.
struct ContentVersion: Sendable {
  let number: Int64
  /// The resource's version that it came with.
  let version: Int64
  let record: LogRecord
}

extension QueryMethod {
  /// `R.versions`, of every type that is versioned: the numbered versions of one resource's content, oldest first.
  static func versions(_ type: ResourceType) -> QueryMethod {
    QueryMethod(
      "\(type.name).versions", "The numbered versions of one \(type.name)'s content.",
      [.target(type), .limit(), .cursor],
      result: Schemas.page(
        of: Schemas.object(
          Schemas.event.merging([
            "changes": Schemas.array(of: Schemas.string), "name": Schemas.optionalString,
            "version_number": Schemas.integer,
          ]))),
      errors: [.forbidden, .notFound], example: type.exampleTarget,
      answer: { try await $1.engine.versions($0, $1.access(to: type)) })
  }
}

extension QueryEngine {
  /// How many records of a history are read at once.
  static let chunk: Int64 = 256

  fileprivate func versions(_ arguments: Arguments, _ access: Access) async throws -> [UInt8] {
    let identifier = try arguments.required("id")
    let limit = arguments.count("limit")
    let query: JSON = ["method": .string("\(access.type.name).versions"), "id": .string(identifier.text)]
    let start =
      try arguments.text("cursor").map { try cursors.open($0, query: query)["number"]?.integerValue ?? 1 } ?? 1
    return try await log.whileWanted { [self] snapshot in
      let state = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      let first = try firstShown(of: state, to: access, in: snapshot)
      var items: [JSON] = []
      var names: [Int64: JSON] = [:]
      var next: JSON?
      try forEachRecord(of: identifier, in: snapshot) { header, body, _ in
        if header.verb == "version_named", let number = body.data["version_number"]?.integerValue {
          names[number] = body.data["name"]
        }
        guard let number = body.set["version_number"]?.integerValue, number >= start, header.version >= first
        else { return }
        guard items.count < limit else {
          if next == nil { next = ["number": .integer(number)] }
          return
        }
        let changed = body.set.keys.filter { access.type.versionedContent.contains($0) }
        var item: JSONObject = [
          "actor": .string(header.actor), "at": .string(header.at.text),
          "changes": .array(changed.map(JSON.string)), "event": .string(header.event), "name": .null,
          "position": JSON(position: header.position), "version": .integer(header.version),
          "reason": try reason(of: header, body, state, access),
          "version_number": .integer(number),
        ]
        if let person = header.onBehalfOf { item["on_behalf_of"] = .string(person.text) }
        if let source = body.data["rolled_back_to"] { item["rolled_back_to"] = source }
        items.append(.object(item))
      }
      let named = items.map { item -> JSON in
        guard var object = item.objectValue, let number = item["version_number"]?.integerValue, let name = names[number]
        else { return item }
        object["name"] = name
        return .object(object)
      }
      return try page(named, next: next, position: snapshot.head.position, query: query)
    }
  }

  /// The version of a resource from which on a caller is shown what it was and became: the first, or that by which it
  /// was made public, for whoever reads it for that reason only.
  func firstShown(
    of state: ResourceState, to access: Access, in snapshot: borrowing LogSnapshot
  ) throws -> Int64 {
    guard access.isVisitor(of: state) else { return 1 }
    let names = access.audience.publicFields
    var present = JSONObject()
    var isPublic = false
    var first: Int64 = 1
    try forEachRecord(of: state.id, in: snapshot) { header, body, _ in
      for name in names { if let value = body.set[name] { present[name] = value } }
      let wasPublic = isPublic
      isPublic = names.contains { present[$0] == true }
      if isPublic, !wasPublic { first = header.version }
    }
    return first
  }

  /// Every event of a resource, oldest first, read in bounded chunks.
  func forEachRecord(
    of identifier: Identifier, in snapshot: borrowing LogSnapshot,
    _ body: (EventHeader, EventBody, LogRecord) throws -> Void
  ) throws {
    let last = try snapshot.latestVersion(of: identifier)
    var lower: Int64 = 1
    while lower <= last {
      let upper = min(last, lower + Self.chunk - 1)
      for record in try snapshot.history(of: identifier, versions: lower...upper) {
        try body(try record.parsedHeader(), try record.parsedBody(), record)
      }
      lower = upper + 1
    }
  }
}
