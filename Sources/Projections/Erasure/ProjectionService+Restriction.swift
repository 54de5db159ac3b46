import BasicTypes
import EventLog
import Postgres
import Records

extension ProjectionService {
  /// Brings the personal tables to what the vault says may be shown: values that may only be stored leave them, and
  /// come back once they may be used again (GDPR Art. 18). Tables that follow what was decided already are left as they
  /// are.
  ///
  /// What PostgreSQL keeps of a row that was replaced, until it is vacuumed, nobody reads by SQL.
  /// - Parameter patience: How long it waits for a rebuild to end, and for the read models to be there.
  /// - Throws: ``ProjectionError`` `unavailable`, `stale`, `busy`; `PostgresError`. Calling again goes on.
  package func apply(_ restrictions: [Restriction], patience: Duration) async throws {
    let deadline = ContinuousClock.now + patience
    let followed = try await withConnection { connection in
      try await connection.query("SELECT person_id::text, version FROM projector.restrictions").rows
    }
    let versions = Dictionary(followed.map { ($0[0], $0[1]) }) { first, _ in first }
    for restriction in restrictions where versions[restriction.person.text] != String(restriction.version) {
      try await follow(restriction, until: deadline)
    }
  }

  private func follow(_ restriction: Restriction, until deadline: ContinuousClock.Instant) async throws {
    try await claimRebuild(until: deadline)
    defer { endExclusively() }
    // What was opened, or wasn't, before the vault was told is in the tables by then.
    let position = log.head.position
    try await wait(for: position, until: deadline)
    let rows = try await PersonalRows.read(
      of: restriction.person, and: restriction.resources, through: position, model: schema.model, vault: vault, log: log
    )
    let schema = schema
    try await withOwnConnection { connection in
      try await whileHeld {
        try await connection.withSession { session in
          try ChunkApplier.prepare(session)
          try session.transaction { session in
            try RebuildSchema(schema: schema, names: []).discard(session)
            _ = try Self.write(rows, schema.model, session)
            try session.query(
              """
              INSERT INTO projector.restrictions (person_id, version) VALUES ($1, $2)
              ON CONFLICT (person_id) DO UPDATE SET version = excluded.version
              """, [.uuid(restriction.person.text), .integer(Int(restriction.version))])
          }
        }
      }
    }
    requestReload()
  }
}
