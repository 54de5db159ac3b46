import BasicTypes
import CanonicalJSON
import EventLog
import Vault

/// What the personal tables must hold instead, of everything that is about a person whose key is gone, or whose data
/// was restricted, or no longer is: made of the log, as a rebuild would make it.
struct PersonalRows: Sendable {
  /// By the personal part of a read model of events, whose rows go by their position: the rows to be removed, and the
  /// opened values that are still to be had, to be put in their place.
  private(set) var events: [UnitID: (positions: [UInt64], opened: [[UInt8]])] = [:]
  /// By the personal part of a read model of states: the columns of the person's values, as JSON arrays.
  private(set) var states: [UnitID: [[UInt8]]] = [:]

  /// How many events one look at the log takes in.
  private static let stretch = 500

  /// Reads what there is about a person up to a position.
  /// - Parameter own: What may hold values of theirs in the clear, besides their account.
  static func read(
    of person: Identifier, and own: [Identifier] = [], through position: UInt64, model: ProjectionModel, vault: Vault,
    log: EventLog
  ) async throws -> PersonalRows {
    var rows = PersonalRows()
    let own = Set([person] + own)
    var resources = own
    var next: UInt64? = 1
    while let from = next {
      try Task.checkCancellation()
      (rows, resources, next) = try await log.background { [rows, resources] snapshot in
        var rows = rows
        var resources = resources
        let positions = try snapshot.positions(about: person, from: from, limit: stretch).filter { $0 <= position }
        for position in positions {
          if let record = try snapshot.record(at: position) { resources.insert(try record.parsedHeader().resource) }
          try rows.add(position, model, vault, snapshot)
        }
        return (rows, resources, positions.count < stretch ? nil : positions.last.map { $0 + 1 })
      }
    }
    return try await log.background { [rows, resources] snapshot in
      var rows = rows
      try rows.add(resources.sorted(), of: person, own, model, vault, snapshot)
      return rows
    }
  }

  /// The personal parts of read models that are filled from events: each row's id is its event's position.
  private static func units(_ model: ProjectionModel) -> [UnitID] {
    model.definitions.filter { definition in
      guard case .events = definition.source else { return false }
      return definition.hasPersonalTable && !definition.opens.isDisjoint(with: [.reason, .origin])
    }.map { UnitID(projection: $0.name, part: .personal) }
  }

  private mutating func add(
    _ position: UInt64, _ model: ProjectionModel, _ vault: Vault, _ snapshot: borrowing LogSnapshot
  ) throws {
    let units = PersonalRows.units(model)
    let request = PreparedChunk.Request(
      units: units, after: position - 1, through: position, maximumEvents: 1, maximumBytes: 1)
    let chunk = try ChunkBuilder.build(request, model: model, vault: vault, snapshot: snapshot)
    if let failure = chunk.failures.first { throw failure.value }
    for unit in units { events[unit, default: ([], [])].positions.append(position) }
    for (unit, opened) in chunk.opened { events[unit, default: ([], [])].opened += opened }
  }

  /// The columns of some resources that hold values of the person: sealed with their key or, in what is theirs alone,
  /// in the clear.
  private mutating func add(
    _ resources: [Identifier], of person: Identifier, _ own: Set<Identifier>, _ model: ProjectionModel, _ vault: Vault,
    _ snapshot: borrowing LogSnapshot
  ) throws {
    let opener = ValueOpener(vault: vault)
    var pieces: [UnitID: OpenedPieces] = [:]
    for resource in resources {
      guard let state = try snapshot.state(resource), let type = model.types[state.type],
        let projection = model.stateProjections[state.type]
      else { continue }
      var row = JSONObject()
      for field in type.fields where field.place == .personal {
        guard let stored = state.fields[field.name],
          Vault.isSealed(stored) ? vault.owner(of: stored) == .subject(person) : own.contains(resource)
        else { continue }
        let value = try opener.open(stored, of: resource, field: field.name) ?? .null
        row[field.name] = value
        if let folded = field.folded { row[String(decoding: folded.key, as: UTF8.self)] = field.form(of: value) }
      }
      guard !row.isEmpty else { continue }
      row["id"] = .string(resource.text)
      pieces[UnitID(projection: projection, part: .personal), default: OpenedPieces()].add(row)
    }
    for (unit, piece) in pieces { states[unit] = piece.all }
  }

  /// The tables that are touched.
  var units: [UnitID] { Set(events.keys).union(states.keys).sorted() }
}
