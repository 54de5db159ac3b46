import BasicTypes
import CanonicalJSON
import EventLog
import Postgres

/// The positions that operators told each read model to pass over. The log's `projection.skipped` events are the
/// record, and `projection.unskipped` takes one back; PostgreSQL keeps a copy.
struct SkipRegister: Sendable {
  private(set) var positions: [String: Set<UInt64>]
  private(set) var scannedThrough: UInt64

  /// Whether a read model passes a position over.
  func contains(_ projection: String, _ position: UInt64) -> Bool { positions[projection]?.contains(position) ?? false }

  /// The first such position of any of these units beyond a position.
  func next(for units: [UnitID], after position: UInt64) -> UInt64? {
    units.compactMap { unit in positions[unit.projection]?.filter { $0 > position }.min() }.min()
  }

  /// Looks up what the log decides at a head, or later, about these read models; whether that is otherwise. What
  /// was decided is in the state of one resource each, so nothing is searched.
  mutating func scan(_ log: EventLog, _ names: [String], through head: UInt64) async throws -> Bool {
    let found = try await log.background { snapshot in
      try names.map { name in (name, try SkipRegister.skipped(snapshot, name)) }
    }
    var isChanged = false
    for (name, skipped) in found where skipped != positions[name] ?? [] {
      isChanged = true
      positions[name] = skipped
    }
    scannedThrough = head
    return isChanged
  }

  private static func skipped(_ snapshot: borrowing LogSnapshot, _ name: String) throws -> Set<UInt64> {
    var skipped: Set<UInt64> = []
    let register = try DerivedIdentifier.projection(name).resolve({ try snapshot.state($0) }).state
    for value in register?.fields["skipped"]?.arrayValue ?? [] {
      if let position = value.integerValue, position > 0 { skipped.insert(UInt64(position)) }
    }
    return skipped
  }

  /// Keeps what is known in PostgreSQL.
  func store(_ session: PostgresSession) throws {
    try session.transaction { session in
      for (name, skipped) in positions {
        try session.query(
          "DELETE FROM projector.skipped WHERE projection = $1 AND position <> ALL ($2::bigint[])",
          [.text(name), .array(skipped.map { Int($0) })])
        try session.query(
          "INSERT INTO projector.skipped (projection, position) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING",
          [.text(name), .array(skipped.map { Int($0) })])
      }
      try session.query("UPDATE projector.epoch SET skips_scanned = $1", [.integer(Int(scannedThrough))])
    }
  }
}
