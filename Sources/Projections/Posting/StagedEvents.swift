/// Rows of `staged_events`, from which the read models' own SQL takes what it needs.
struct StagedEvents {
  private var rows = BinaryCopy()
  /// Whether there is something for a read model, by their places.
  private var isStaged: [Bool]

  init(_ readModels: [EventReadModel]) {
    isStaged = Array(repeating: false, count: readModels.count)
  }

  /// How many bytes the rows have so far.
  var byteCount: Int { rows.bytes.count }

  /// Notes that the next row is for that read model.
  mutating func mark(_ place: Int) { isStaged[place] = true }

  mutating func add(_ row: StagedRow, of event: StoredEvent) {
    row.write(StagedColumn.allCases, of: event, into: &rows)
  }

  mutating func finish(_ readModels: [EventReadModel], into chunk: inout PreparedChunk) {
    for (readModel, isStaged) in zip(readModels, isStaged) where isStaged {
      chunk.staged.insert(readModel.rows)
    }
    guard rows.rowCount > 0 else { return }
    rows.finish()
    chunk.events = rows.bytes
  }
}
