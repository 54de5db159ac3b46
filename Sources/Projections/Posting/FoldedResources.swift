import BasicTypes

/// The states that a chunk's events add up to, one fold a resource: rows of new resources for COPY, changes of the
/// others to be merged, and the personal columns of both, opened.
struct FoldedResources {
  private let types: Set<String>
  private let defaults: FoldDefaults
  private var folds: [ResourceFold] = []
  private var places: [Identifier: Int] = [:]

  /// - Parameter types: The resource types whose states are wanted.
  init(_ types: Set<String>, defaults: FoldDefaults) {
    self.types = types
    self.defaults = defaults
  }

  func takes(_ type: String) -> Bool { types.contains(type) }

  mutating func take(_ event: StoredEvent, _ type: PostedType) {
    let place: Int
    if let known = places[event.resource] {
      place = known
    } else {
      place = folds.count
      folds.append(ResourceFold(type: type, first: event, defaults: defaults.values(of: type)))
      places[event.resource] = place
    }
    folds[place].take(event)
  }

  /// What a resource's events have come to so far; nil where it has none in the chunk, or its type isn't folded.
  func fold(of resource: Identifier) -> ResourceFold? { places[resource].map { folds[$0] } }

  func finish(
    _ model: ProjectionModel, _ units: Set<UnitID>, _ opener: ValueOpener,
    into chunk: inout PreparedChunk
  ) {
    var changes = BinaryCopy()
    for (type, group) in Dictionary(grouping: folds, by: \.type.name) {
      guard let projection = model.stateProjections[type] else { continue }
      let rows = UnitID(projection: projection, part: .rows)
      if units.contains(rows) {
        let layout: RowLayout? =
          if case .created(let layout) = model.copies[rows] { layout } else { nil }
        let created = FoldedResources.created(group, layout, merging: &changes)
        if created.rest > 0 { chunk.staged.insert(rows) }
        if !created.rows.isEmpty { chunk.copies[rows] = created.rows }
      }
      let personal = UnitID(projection: projection, part: .personal)
      if units.contains(personal) { FoldedResources.open(group, personal, opener, into: &chunk) }
    }
    guard changes.rowCount > 0 else { return }
    changes.finish()
    chunk.changes = changes.bytes
  }

  /// The rows of one type's new resources, whole; what changed in the others, and in new ones that are left to
  /// PostgreSQL, goes to `changes`.
  private static func created(
    _ folds: [ResourceFold], _ layout: RowLayout?, merging changes: inout BinaryCopy
  ) -> (rows: [UInt8], rest: Int) {
    var created = BinaryCopy()
    var rest = 0
    for fold in folds {
      if let layout, fold.copyRow(layout, into: &created) { continue }
      rest += 1
      changes.beginRow(columns: 3)
      changes.text(fold.type.name)
      changes.identifier(fold.resource)
      changes.json { fold.writeRow(into: &$0) }
    }
    guard created.rowCount > 0 else { return ([], rest) }
    created.finish()
    return (created.bytes, rest)
  }

  private static func open(
    _ folds: [ResourceFold], _ unit: UnitID, _ opener: ValueOpener, into chunk: inout PreparedChunk
  ) {
    var pieces = OpenedPieces()
    for fold in folds where fold.hasPersonalChanges {
      do {
        var row: [UInt8] = []
        try fold.writePersonal(opener, into: &row)
        pieces.add(row)
      } catch {
        chunk.failures[unit] = PreparedChunk.Failure(error)
      }
    }
    let opened = pieces.all
    if !opened.isEmpty { chunk.opened[unit] = opened }
  }
}
