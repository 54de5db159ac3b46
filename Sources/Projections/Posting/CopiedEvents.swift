/// Events as rows that go straight into the table of a read model by COPY, whose SQL would only copy them over: the
/// audit trail.
struct CopiedEvents {
  /// The rows of each read model, at its place; nil where it takes another way.
  private var copies: [BinaryCopy?]

  /// - Parameter bytes: How much the events come to: room is made at once, rather than step by step.
  init(_ readModels: [EventReadModel], bytes: Int) {
    copies = readModels.map { $0.columns.map { _ in BinaryCopy(capacity: bytes + bytes / 8) } }
  }

  mutating func add(_ row: StagedRow, _ columns: [StagedColumn], of event: StoredEvent, at place: Int) {
    copies[place]?.add(row, columns, of: event)
  }

  mutating func finish(_ readModels: [EventReadModel], into chunk: inout PreparedChunk) {
    // In place: a copy of the rows would take as much memory once more.
    for place in copies.indices {
      copies[place]?.finish()
      guard let copy = copies[place], copy.rowCount > 0 else { continue }
      chunk.copies[readModels[place].rows] = copy.bytes
    }
  }
}

extension BinaryCopy {
  fileprivate mutating func add(_ row: StagedRow, _ columns: [StagedColumn], of event: StoredEvent) {
    row.write(columns, of: event, into: &self)
  }
}
