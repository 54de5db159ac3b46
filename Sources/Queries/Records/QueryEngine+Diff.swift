import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension QueryMethod {
  /// `R.diff`: what differs between two versions of a resource, or between two numbered versions of its content.
  static func diff(_ type: ResourceType) -> QueryMethod {
    let whole: ClosedRange<Int64> = 1...Int64.max
    let numbers: ClosedRange<Int64> = 1...Int64(Int32.max)
    let numbered: [Field] =
      type.versionedContent.isEmpty
      ? []
      : [
        .count("from_version_number", "The earlier version number, to compare content.", in: numbers),
        .count("to_version_number", "The later version number, to compare content.", in: numbers),
      ]
    return QueryMethod(
      "\(type.name).diff", "What differs between two versions, inside JSON fields by JSON Pointer.",
      [
        .target(type),
        .count("from_version", "The earlier version; where absent, the one before to_version.", in: whole),
        .count("to_version", "The later version; where absent, the latest.", in: whole),
      ] + numbered,
      result: Schemas.object([
        "changes": Schemas.anyObject, "from": ["type": ["object", "null"]], "id": Schemas.identifier,
        "position": Schemas.integer, "to": Schemas.anyObject,
      ]),
      errors: [.forbidden, .notFound], example: type.exampleTarget,
      read: { DiffEnds(&$0, type) },
      answer: { try await $1.engine.diff($0, $1.access(to: type)) })
  }
}

/// The two ends of a comparison, as asked for.
private struct DiffEnds: Sendable {
  let identifier: Identifier?
  let from: Int64?
  let to: Int64?
  /// Whether the ends are version numbers of the content instead of versions of the resource.
  let areNumbers: Bool

  init(_ arguments: inout Arguments, _ type: ResourceType) {
    identifier = arguments.identifier("id")
    let versions = (arguments.integer("from_version"), arguments.integer("to_version"))
    guard !type.versionedContent.isEmpty else {
      (from, to) = versions
      areNumbers = false
      return
    }
    let numbers = (arguments.integer("from_version_number"), arguments.integer("to_version_number"))
    areNumbers = numbers.0 != nil || numbers.1 != nil
    if areNumbers, versions.0 != nil || versions.1 != nil {
      arguments.refuse("/from_version_number", "compare either versions or version numbers, not both")
    }
    (from, to) = areNumbers ? numbers : versions
  }
}

extension QueryEngine {
  fileprivate func diff(_ asked: DiffEnds, _ access: Access) async throws -> [UInt8] {
    guard let identifier = asked.identifier else { throw Refusal.invalidParam("/id", "is required") }
    return try await log.whileWanted { [self] snapshot in
      let current = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      let first = try firstShown(of: current, to: access, in: snapshot)
      let (before, after) = try positions(asked, identifier, first: first, in: snapshot)
      var result: JSONObject = ["id": .string(identifier.text), "position": JSON(position: snapshot.head.position)]
      result["from"] = try before.map { try endpoint($0, asked, identifier, snapshot) } ?? .null
      result["to"] = try endpoint(after, asked, identifier, snapshot)
      let old = try before.flatMap { try snapshot.fold(identifier, through: $0) }
      guard let new = try snapshot.fold(identifier, through: after) else {
        throw Refusal.notFound(type: current.type, id: identifier.text)
      }
      let fields =
        asked.areNumbers ? access.type.versionedContent : access.type.fields.map(\.name) + ["deleted_at"]
      let changes = try changes(
        old, new, fields, access, withheld: access.withheld(of: current, .former, in: snapshot))
      access.noteShown(changes, of: identifier, current.fields, for: .history)
      result["changes"] = .object(changes)
      return JSON.object(result).canonicalBytes
    }
  }

  private func changes(
    _ old: ResourceState?, _ new: ResourceState, _ fields: [String], _ access: Access, withheld: Set<String>
  ) throws -> JSONObject {
    let view = view(for: access.principal)
    let before = try old.map { try view.item($0, withholding: withheld) } ?? [:]
    let after = try view.item(new, withholding: withheld)
    var changes = JSONObject()
    for name in fields where !withheld.contains(name) {
      let from = old?.fields[name] ?? .null
      let to = new.fields[name] ?? .null
      guard from != to else { continue }
      if isHidden(name, of: access.type) {
        changes[name] = [
          "from": from.isNull ? .null : StateView.hidden, "to": to.isNull ? .null : StateView.hidden,
        ]
        continue
      }
      let shownBefore = before[name] ?? .null
      let shownAfter = after[name] ?? .null
      let secrets = try view.secretDifferences(
        in: name, type: access.type.name, resource: new.id, from: from, to: to)
      // A secret that was sealed again is the same.
      if shownBefore == shownAfter, secrets.isEmpty, view.hasSecrets(name, type: access.type.name) { continue }
      var change: JSONObject = ["from": shownBefore, "to": shownAfter]
      if isComposite(shownBefore), isComposite(shownAfter) {
        change["differences"] = .array(
          JSONDifference.compare(shownBefore, shownAfter).map { difference in
            // A member that isn't there is left out, so that it differs from one that is null.
            var place: JSONObject = ["pointer": .string(difference.pointer)]
            if let from = difference.from { place["from"] = from }
            if let to = difference.to { place["to"] = to }
            return .object(place)
          } + secrets.map { ["pointer": .string($0), "from": StateView.hidden, "to": StateView.hidden] })
      }
      changes[name] = .object(change)
    }
    return changes
  }

  /// Whether a field is shown to nobody at all.
  private func isHidden(_ name: String, of type: ResourceType) -> Bool {
    type.field(name)?.isHidden ?? false
  }

  private func isComposite(_ value: JSON) -> Bool {
    switch value {
    case .object, .array: true
    default: false
    }
  }

  /// The positions at which the two ends stand; the first is nil where nothing came before.
  private func positions(
    _ ends: DiffEnds, _ identifier: Identifier, first: Int64, in snapshot: borrowing LogSnapshot
  ) throws -> (from: UInt64?, to: UInt64) {
    guard ends.areNumbers else {
      let last = try snapshot.latestVersion(of: identifier)
      let later = ends.to ?? last
      let earlier = ends.from ?? later - 1
      guard later >= first else { throw noVersion("/to_version", last) }
      guard earlier >= first || ends.from == nil else { throw noVersion("/from_version", last) }
      guard later <= last else { throw noVersion("/to_version", last) }
      guard earlier <= last else { throw noVersion("/from_version", last) }
      guard let end = try position(ofVersion: later, identifier, snapshot) else { throw noVersion("/to_version", last) }
      return (earlier < first ? nil : try position(ofVersion: earlier, identifier, snapshot), end)
    }
    var positions: [Int64: UInt64] = [:]
    var last: Int64 = 0
    try forEachRecord(of: identifier, in: snapshot) { header, body, _ in
      guard let number = body.set["version_number"]?.integerValue, header.version >= first else { return }
      positions[number] = header.position
      last = max(last, number)
    }
    let later = ends.to ?? last
    let earlier = ends.from ?? later - 1
    guard let end = positions[later] else { throw noVersion("/to_version_number", last) }
    guard earlier >= 1, positions[earlier] != nil || ends.from != nil else { return (nil, end) }
    guard let start = positions[earlier] else { throw noVersion("/from_version_number", last) }
    return (start, end)
  }

  private func position(
    ofVersion version: Int64, _ identifier: Identifier, _ snapshot: borrowing LogSnapshot
  ) throws -> UInt64? {
    guard version >= 1 else { return nil }
    return try snapshot.history(of: identifier, versions: version...version).first?.position
  }

  private func noVersion(_ path: String, _ last: Int64) -> Refusal {
    .invalidParam(path, "there is no such version; the last one is \(last)")
  }

  private func endpoint(
    _ position: UInt64, _ ends: DiffEnds, _ identifier: Identifier, _ snapshot: borrowing LogSnapshot
  ) throws -> JSON {
    guard let header = try snapshot.record(at: position)?.parsedHeader() else {
      throw Refusal.internalError("the log has no record at position \(position)")
    }
    var object: JSONObject = [
      "version": .integer(header.version), "position": JSON(position: position), "at": .string(header.at.text),
      "actor": .string(header.actor),
    ]
    if let person = header.onBehalfOf { object["on_behalf_of"] = .string(person.text) }
    if ends.areNumbers, let state = try snapshot.fold(identifier, through: position) {
      object["version_number"] = state.fields["version_number"] ?? .null
    }
    return .object(object)
  }
}
