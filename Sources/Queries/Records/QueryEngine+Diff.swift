import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension QueryEngine {
  /// The two ends of a comparison, as asked for.
  private enum Ends: Sendable {
    case versions(from: Int64?, to: Int64?)
    case numbers(from: Int64?, to: Int64?)
  }

  /// `R.diff`: what differs between two versions of a resource, or between two numbered versions of its content.
  func diff(_ parameters: inout QueryParameters, _ access: Access) async throws -> [UInt8] {
    let identifier = parameters.requiredIdentifier("id")
    let whole: ClosedRange<Int64> = 1...Int64.max
    let from = parameters.integer("from_version", in: whole)
    let to = parameters.integer("to_version", in: whole)
    var ends = Ends.versions(from: from, to: to)
    if !access.type.versionedContent.isEmpty {
      let fromNumber = parameters.integer("from_version_number", in: whole)
      let toNumber = parameters.integer("to_version_number", in: whole)
      if fromNumber != nil || toNumber != nil {
        if from != nil || to != nil {
          parameters.refuse("/from_version_number", "compare either versions or version numbers, not both")
        }
        ends = .numbers(from: fromNumber, to: toNumber)
      }
    }
    try parameters.finish()
    let asked = ends
    return try await log.background { [self] snapshot in
      let current = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      let (before, after) = try positions(asked, identifier, in: snapshot)
      var result: JSONObject = ["id": .string(identifier.text), "position": JSON(position: snapshot.head.position)]
      result["from"] = try before.map { try endpoint($0, asked, identifier, snapshot) } ?? .null
      result["to"] = try endpoint(after, asked, identifier, snapshot)
      let old = try before.flatMap { try snapshot.fold(identifier, through: $0) }
      guard let new = try snapshot.fold(identifier, through: after) else {
        throw Refusal.notFound(type: current.type, id: identifier.text)
      }
      let fields: [String]
      switch asked {
      case .versions: fields = access.type.fields.map(\.name) + ["deleted_at"]
      case .numbers: fields = access.type.versionedContent
      }
      result["changes"] = .object(try changes(old, new, fields, access))
      return JSON.object(result).canonicalBytes
    }
  }

  private func changes(
    _ old: ResourceState?, _ new: ResourceState, _ fields: [String], _ access: Access
  ) throws -> JSONObject {
    let before = try old.map { try view.item($0, principal: access.principal) } ?? [:]
    let after = try view.item(new, principal: access.principal)
    var changes = JSONObject()
    for name in fields {
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
      var change: JSONObject = ["from": shownBefore, "to": shownAfter]
      if isComposite(shownBefore), isComposite(shownAfter) {
        change["differences"] = .array(
          JSONDifference.compare(shownBefore, shownAfter).map { difference in
            // A member that isn't there is left out, so that it differs from one that is null.
            var place: JSONObject = ["pointer": .string(difference.pointer)]
            if let from = difference.from { place["from"] = from }
            if let to = difference.to { place["to"] = to }
            return .object(place)
          })
      }
      changes[name] = .object(change)
    }
    return changes
  }

  /// Whether a field is shown to nobody at all.
  private func isHidden(_ name: String, of type: ResourceType) -> Bool {
    switch type.field(name)?.secret {
    case .whole, .hash: true
    default: false
    }
  }

  private func isComposite(_ value: JSON) -> Bool {
    switch value {
    case .object, .array: true
    default: false
    }
  }

  /// The positions at which the two ends stand; the first is nil where nothing came before.
  private func positions(
    _ ends: Ends, _ identifier: Identifier, in snapshot: LogSnapshot
  ) throws -> (from: UInt64?, to: UInt64) {
    switch ends {
    case .versions(let from, let to):
      let last = try snapshot.latestVersion(of: identifier)
      let later = to ?? last
      let earlier = from ?? later - 1
      guard later <= last else { throw noVersion("/to_version", last) }
      guard earlier <= last else { throw noVersion("/from_version", last) }
      guard let end = try position(ofVersion: later, identifier, snapshot) else { throw noVersion("/to_version", last) }
      return (try position(ofVersion: earlier, identifier, snapshot), end)
    case .numbers(let from, let to):
      var positions: [Int64: UInt64] = [:]
      var last: Int64 = 0
      try forEachRecord(of: identifier, in: snapshot) { header, body, _ in
        guard let number = body.set["version_number"]?.integerValue else { return }
        positions[number] = header.position
        last = max(last, number)
      }
      let later = to ?? last
      let earlier = from ?? later - 1
      guard let end = positions[later] else { throw noVersion("/to_version_number", last) }
      guard earlier >= 1 else { return (nil, end) }
      guard let start = positions[earlier] else { throw noVersion("/from_version_number", last) }
      return (start, end)
    }
  }

  private func position(
    ofVersion version: Int64, _ identifier: Identifier, _ snapshot: LogSnapshot
  ) throws -> UInt64? {
    guard version >= 1 else { return nil }
    return try snapshot.history(of: identifier, versions: version...version).first?.position
  }

  private func noVersion(_ path: String, _ last: Int64) -> Refusal {
    .invalidParam(path, "there is no such version; the last one is \(last)")
  }

  private func endpoint(
    _ position: UInt64, _ ends: Ends, _ identifier: Identifier, _ snapshot: LogSnapshot
  ) throws -> JSON {
    guard let header = try snapshot.record(at: position)?.parsedHeader() else {
      throw Refusal.internalError("the log has no record at position \(position)")
    }
    var object: JSONObject = [
      "version": .integer(header.version), "position": JSON(position: position), "at": .string(header.at.text),
      "actor": .string(header.actor),
    ]
    if case .numbers = ends, let state = try snapshot.fold(identifier, through: position) {
      object["version_number"] = state.fields["version_number"] ?? .null
    }
    return .object(object)
  }
}
