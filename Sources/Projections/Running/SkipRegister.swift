import BasicTypes
import CanonicalJSON
import EventLog
import Postgres

/// The positions that operators told each read model to pass over. The log's `projection.skipped` events are the record;
/// PostgreSQL keeps a copy, so that the log is searched only from where it was searched last.
struct SkipRegister: Sendable {
  private(set) var positions: [String: Set<UInt64>]
  private(set) var scannedThrough: UInt64

  /// Whether a read model passes a position over.
  func contains(_ projection: String, _ position: UInt64) -> Bool { positions[projection]?.contains(position) ?? false }

  /// The first such position of any of these units beyond a position.
  func next(for units: [UnitID], after position: UInt64) -> UInt64? {
    units.compactMap { unit in positions[unit.projection]?.filter { $0 > position }.min() }.min()
  }

  init(positions: [String: Set<UInt64>], scannedThrough: UInt64) {
    self.positions = positions
    self.scannedThrough = scannedThrough
  }

  /// Searches the log up to a head; whether anything new was found.
  mutating func scan(_ log: EventLog, through head: UInt64) async throws -> Bool {
    var isChanged = false
    while scannedThrough < head {
      let from = scannedThrough + 1
      let (last, found) = try await log.background { snapshot in
        try SkipRegister.search(snapshot, from: from, through: head)
      }
      for (name, skipped) in found {
        isChanged = isChanged || !skipped.isSubset(of: positions[name] ?? [])
        positions[name, default: []].formUnion(skipped)
      }
      scannedThrough = last
    }
    return isChanged
  }

  private static let mark = Array(#""event":"projection.skipped""#.utf8)

  private static func search(
    _ snapshot: LogSnapshot, from: UInt64, through head: UInt64
  ) throws -> (UInt64, [(String, Set<UInt64>)]) {
    let records = try snapshot.records(
      from: from, limit: min(10_000, Int(clamping: head - from + 1)), maximumBytes: 16 << 20)
    var found: [(String, Set<UInt64>)] = []
    for record in records where contains(record.header, mark) {
      // The state has the whole list; later events only make it longer.
      guard let state = try snapshot.state(try StoredEvent(record).resource),
        let name = state.fields["name"]?.stringValue
      else { continue }
      var skipped: Set<UInt64> = []
      for value in state.fields["skipped"]?.arrayValue ?? [] {
        if let position = value.integerValue, position > 0 { skipped.insert(UInt64(position)) }
      }
      found.append((name, skipped))
    }
    return (records.last?.position ?? head, found)
  }

  private static func contains(_ line: [UInt8], _ mark: [UInt8]) -> Bool {
    line.withUnsafeBufferPointer { line in
      guard line.count >= mark.count else { return false }
      for start in 0...(line.count - mark.count) where line[start] == mark[0] {
        var index = 1
        while index < mark.count, line[start + index] == mark[index] { index += 1 }
        if index == mark.count { return true }
      }
      return false
    }
  }

  /// Keeps what is known in PostgreSQL.
  func store(_ session: PostgresSession) throws {
    try session.transaction { session in
      for (name, skipped) in positions {
        try session.query(
          "INSERT INTO projector.skipped (projection, position) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING",
          [.text(name), .array(skipped.map { Int($0) })])
      }
      try session.query("UPDATE projector.epoch SET skips_scanned = $1", [.integer(Int(scannedThrough))])
    }
  }
}
