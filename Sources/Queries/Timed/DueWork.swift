import BasicTypes
import Catalog
import Postgres
import Projections
import Refusals

/// A kind of work that falls due by the clock, and how the read models tell for what.
///
/// They only name candidates; whether something is really due, the command decides in the log.
public struct DueWork: Sendable {
  /// The command to give for each, as the server: it takes an `id`.
  public let method: String
  /// The read model that is asked.
  let projection: String
  /// The condition, in which `$1` is the present.
  let condition: String

  /// Everything that falls due, as far as a catalog has the commands.
  public static func all(of catalog: Catalog) -> [DueWork] {
    known.filter { catalog.command($0.method) != nil }
  }

  private static let known = [
    DueWork(
      method: "alert.escalate_due", projection: "alerts", condition: "status = 'active' AND next_escalation_at <= $1"),
    // Two weeks before; each date of expiry is told once.
    DueWork(
      method: "credential.warn_expiry", projection: "credentials",
      condition: "expires_at <= $1 + interval '14 days' AND expiry_warned_for IS DISTINCT FROM expires_at"),
    DueWork(method: "file.expire", projection: "files", condition: "expires_at <= $1"),
  ]
}

extension QueryEngine {
  /// Resources for which some work looks due, in the order of their ids, those after one where it is given.
  /// - Throws: ``Refusal`` `unavailable` where PostgreSQL is away.
  public func candidates(
    for work: DueWork, at now: Timestamp, after last: Identifier? = nil, limit: Int
  ) async throws -> [Identifier] {
    var sql = SQLBuilder()
    let present = sql.bind(.text(now.text), as: "timestamptz")
    let condition = work.condition.split(separator: "$1", omittingEmptySubsequences: false).joined(separator: present)
    let start = last.map { " AND t.id > \(sql.bind(.uuid($0.text), as: "uuid"))" } ?? ""
    sql.append(
      """
      SELECT t.id FROM daybook."\(work.projection)" t WHERE t.deleted_at IS NULL AND \(condition)\(start) \
      ORDER BY t.id LIMIT \(limit)
      """)
    // Nobody waits for what falls due: what isn't there yet, the next look finds.
    let wait = ReadWait(position: nil, timeoutMilliseconds: 0)
    return try await identifiers(sql, ReadModelNeed(rows: [work.projection]), wait)
  }
}
