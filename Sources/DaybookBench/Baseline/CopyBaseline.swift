import CanonicalJSON
import DaybookClient

/// How fast PostgreSQL takes the bytes of the read models by `COPY`: the rows of the audit trail, one for each event,
/// into a table with the audit trail's indexes, each row with as many bytes more as the other read models' rows have
/// for an event. In the server's own PostgreSQL, with its settings.
struct CopyBaseline {
  private let url: String
  private let ground: Ground

  init(_ server: DaybookProcess, ground: Ground) async throws {
    let status = try await server.client.call("server.status")
    guard let url = (status["postgres"]?["owner_url"] ?? status["postgres"]?["url"])?.stringValue else {
      throw BenchFailure("server.status answered no URL of PostgreSQL")
    }
    self.url = url
    self.ground = ground
  }

  /// Events a second; nil where there are none.
  func run() throws -> Double {
    Progress.say("COPY of the same rows' bytes into one table")
    let rows = ground.folder + "/rows.copy"
    let prepared = """
      set -eu
      psql -XqAt "$0" -c 'DROP SCHEMA IF EXISTS bench CASCADE' -c 'CREATE SCHEMA bench' \\
        -c 'CREATE TABLE bench.copied (LIKE daybook.audit_trail INCLUDING INDEXES, rest text)' 2>/dev/null
      events=$(psql -XqAt "$0" -c 'SELECT count(*) FROM daybook.audit_trail')
      bytes=0
      for table in $(psql -XqAt "$0" -c "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('daybook', 'personal') AND c.relkind = 'r' AND c.oid <> 'daybook.audit_trail'::regclass"); do
        bytes=$((bytes + $(psql -XqAt "$0" -c "COPY $table TO STDOUT" | wc -c)))
      done
      rest=$(head -c $((bytes / events)) /dev/zero | tr '\\0' x)
      psql -XqAt "$0" -c 'COPY daybook.audit_trail TO STDOUT' | awk -v "rest=$rest" '{ print $0 "\\t" rest }' > "$1"
      psql -XqAt "$0" -c CHECKPOINT
      echo "$events"
      """
    let log = ground.folder + "/copy.log"
    let output = try ChildProcess.run(["sh", "-c", prepared, url, rows], errors: log)
    guard let events = Double(output.filter { $0 != "\n" }), events > 0 else {
      throw BenchFailure("the audit trail has no rows:\n\(Input.tail(log))")
    }
    let start = Clock.now
    _ = try ChildProcess.run(["psql", "-Xq", url, "-c", "\\copy bench.copied FROM '\(rows)'"], errors: log)
    let seconds = Clock.now - start
    _ = try ChildProcess.run(["psql", "-Xq", url, "-c", "DROP SCHEMA bench CASCADE"], errors: log)
    _ = try ChildProcess.run(["rm", "-f", rows], errors: log)
    return events / seconds
  }
}
