import CanonicalJSON
import Logging
import Postgres

extension ProjectionService {
  /// Fills the read models of some types anew from the log, out of which values were taken, and cleans PostgreSQL's own
  /// files of them: new tables and indexes take the place of the old ones, and statistics and write-ahead log are
  /// written anew where this is Daybook's own PostgreSQL.
  /// - Parameter patience: How long it waits for another rebuild to end.
  /// - Returns: Which tables, and whether the rest could be cleaned.
  /// - Throws: ``ProjectionError`` `unavailable`, `busy`, `dependents`; `PostgresError`. Calling again begins again.
  public func redact(_ types: [String], patience: Duration) async throws -> JSONObject {
    let deadline = ContinuousClock.now + patience
    let names = definitions.filter { definition in types.contains { definition.isFilled(from: $0) } }.map(\.name)
    while true {
      do {
        // What an interrupted rebuild of before has filled may hold the values.
        try await discardUnfinished(until: deadline)
        _ = try await rebuild(names)
        break
      } catch let error as ProjectionError where error.code == .busy && ContinuousClock.now < deadline {
        try await Task.sleep(for: .milliseconds(200))
      }
    }
    let isClean = try await withOwnConnection { try await renewFiles($0) }
    return ["tables": .array(names.map(JSON.string)), "statistics_and_wal": .bool(isClean)]
  }

  private func discardUnfinished(until deadline: ContinuousClock.Instant) async throws {
    try await claimRebuild(until: deadline)
    defer { endExclusively() }
    let schema = schema
    try await withOwnConnection { connection in
      try await connection.withSession { session in
        try session.transaction { try RebuildSchema(schema: schema, names: []).discard($0) }
      }
    }
  }

  /// Writes the table of column statistics anew, and the write-ahead log forward until none of the segments is left
  /// that there are now, recycled ones too. False where the role may not: it is somebody else's PostgreSQL.
  private func renewFiles(_ connection: PostgresConnection) async throws -> Bool {
    try await connection.withSession { session in
      guard try session.query("SELECT current_setting('is_superuser')")[0, 0] == "on" else { return false }
      try session.execute("SET statement_timeout = 0")
      try session.execute("VACUUM (FULL) pg_catalog.pg_statistic")
      // Segments are given back from now on, not kept under a new name with what they hold.
      try session.execute("ALTER SYSTEM SET wal_recycle = off")
      try session.execute("SELECT pg_reload_conf()")
      defer {
        do {
          try session.execute("ALTER SYSTEM RESET wal_recycle")
          try session.execute("SELECT pg_reload_conf()")
        } catch {
          // Segments go on being given back until the next redaction: nothing is wrong but a little slower.
          logger.warning(
            "wal_recycle stays off in PostgreSQL; ALTER SYSTEM RESET wal_recycle turns it on again",
            metadata: ["cause": "\(error)"])
        }
      }
      let last =
        try session.query("SELECT max(name COLLATE \"C\") FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")[0, 0]
        ?? ""
      for _ in 0..<Self.mostSegments {
        // A checkpoint writes a record, so that there is something to switch away from.
        try session.execute("CHECKPOINT")
        try session.execute("SELECT pg_switch_wal()")
        let current = try session.query("SELECT pg_walfile_name(pg_current_wal_lsn())")[0, 0] ?? ""
        if current.utf8.lexicographicallyPrecedes(last.utf8) || current == last { continue }
        try session.execute("CHECKPOINT")
        let left = try session.query(
          "SELECT count(*) FROM pg_ls_waldir() WHERE name COLLATE \"C\" <= $1", [.text(last)])[0, 0]
        if left == "0" { return true }
      }
      throw ProjectionError.unavailable("PostgreSQL keeps old segments of its write-ahead log.")
    }
  }

  /// More segments of 16 MB than PostgreSQL keeps by its settings.
  private static let mostSegments = 512
}

extension ProjectionDefinition {
  /// Whether events of a resource type fill it.
  func isFilled(from type: String) -> Bool {
    switch source {
    case .state(let filled): filled == type
    case .events(.all): true
    case .events(.named(let events, let types)):
      types.contains(type) || events.contains { $0.hasPrefix("\(type).") }
    }
  }
}
