import CanonicalJSON

#if canImport(Glibc)
  import Glibc
#endif

/// A private PostgreSQL with its default settings, and pgbench against it.
///
/// Every transaction inserts one row; `fsync` and `synchronous_commit` are on, as they are by default.
struct PgBench {
  /// The server's version, as it says it.
  let version: String
  private let ground: Ground
  private let binaries: String
  private let cluster: String

  private var log: String { ground.folder + "/pgbench.log" }

  /// Makes a cluster and starts it.
  static func start(on ground: Ground) throws(BenchFailure) -> PgBench {
    Progress.say("making a PostgreSQL for pgbench")
    let binaries = try findBinaries()
    let cluster = ground.folder + "/pgbench"
    let log = ground.folder + "/pgbench.log"
    try ground.makeAccountFolder(cluster)
    _ = try ChildProcess.run(
      ground.asAccount + [
        "\(binaries)/initdb", "--pgdata=\(cluster)", "--username=postgres", "--auth=trust", "--encoding=UTF8",
        "--locale=C",
      ], errors: log)
    let sockets = ground.socketFolder + "/pg"
    try ground.makeAccountFolder(sockets)
    let serverLog = cluster + "/server.log"
    _ = try ChildProcess.run(
      ground.asAccount + [
        "\(binaries)/pg_ctl", "--pgdata=\(cluster)", "--log=\(serverLog)", "--wait", "--silent",
        "--options=-c listen_addresses='' -c unix_socket_directories='\(sockets)' -c fsync=on -c synchronous_commit=on",
        "start",
      ], errors: log)
    let bench = PgBench(
      version: try ChildProcess.run(["\(binaries)/postgres", "--version"], errors: log).filter { $0 != "\n" },
      ground: ground,
      binaries: binaries, cluster: cluster)
    try bench.sql("CREATE TABLE event (id bigserial PRIMARY KEY, header text NOT NULL, body text NOT NULL)")
    return bench
  }

  /// What a client writes.
  enum Write {
    /// A row into a table with a primary key, which grows by it.
    case plain
    /// A row into a table of so many rows with six indexes, of keys in no order.
    case indexed(rows: Int)
    /// What a peer's statement does.
    case peer(String)

    fileprivate var statement: String {
      switch self {
      case .plain: "INSERT INTO event (header, body) VALUES (:header, :body)"
      case .indexed(let rows):
        """
        INSERT INTO event_\(rows) (resource, version, target, subject, command, key, header, body) \
        VALUES (gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), \
        :header, :body)
        """
      case .peer(let statement): statement
      }
    }

    fileprivate var database: String {
      if case .peer = self { "peer" } else { "postgres" }
    }
  }

  /// Makes a table that costs an insert what the log's indexes cost an event: by position, history, unique key, links,
  /// subjects and commands.
  func makeIndexedTable(rows: Int, headerBytes: Int, bodyBytes: Int) throws(BenchFailure) {
    Progress.say("filling a table with \(Number.text(Double(rows), decimals: 0)) rows for pgbench")
    try sql(
      """
      CREATE TABLE event_\(rows) (
        id bigserial, resource uuid NOT NULL, version bigint NOT NULL, target uuid NOT NULL, subject uuid NOT NULL,
        command uuid NOT NULL, key uuid NOT NULL, header text NOT NULL, body text NOT NULL);
      INSERT INTO event_\(rows) (resource, version, target, subject, command, key, header, body)
        SELECT gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
          '\(Self.filler(headerBytes))', '\(Self.filler(bodyBytes))' FROM generate_series(1, \(rows));
      ALTER TABLE event_\(rows) ADD PRIMARY KEY (id);
      CREATE UNIQUE INDEX ON event_\(rows) (resource, version);
      CREATE UNIQUE INDEX ON event_\(rows) (key);
      CREATE UNIQUE INDEX ON event_\(rows) (command);
      CREATE INDEX ON event_\(rows) (target);
      CREATE INDEX ON event_\(rows) (subject)
      """)
    try sql("VACUUM ANALYZE event_\(rows)")
    try sql("CHECKPOINT")
  }

  /// Runs a peer's own SQL files, in order, in a database of its own.
  func preparePeer(_ files: [String]) throws(BenchFailure) {
    guard !files.isEmpty else { return }
    try sql("CREATE DATABASE peer")
    for file in files {
      Progress.say("setting the peer up: \(file)")
      // Read here: PostgreSQL's account may not enter the folder.
      guard let text = Input.text(file) else { throw .system("can't read \(file)") }
      let copy = ground.folder + "/peer.sql"
      try Output.replace(copy, with: text)
      _ = try ChildProcess.run(psql("peer") + ["--file=\(copy)"], environment: Self.environment, errors: log)
    }
  }

  /// One-row inserts a second, by clients that each wait for every commit, with a header and a body of so many bytes.
  func run(
    _ write: Write = .plain, clients: Int, seconds: Double, headerBytes: Int, bodyBytes: Int
  ) throws(BenchFailure) -> Double {
    let script = ground.folder + "/insert.sql"
    try Output.replace(script, with: write.statement + ";\n")
    let output = try ChildProcess.run(
      [
        "\(binaries)/pgbench", "--no-vacuum", "--protocol=prepared", "--file=\(script)", "--client=\(clients)",
        "--jobs=\(min(2, clients))", "--time=\(max(1, Int(seconds.rounded())))",
        "--define=header=\(Self.filler(headerBytes))",
        "--define=body=\(Self.filler(bodyBytes))", "--host=\(ground.socketFolder)/pg", "--username=postgres",
        write.database,
      ], errors: log)
    for line in output.split(separator: "\n") where line.hasPrefix("tps = ") {
      if let rate = Double(line.dropFirst(6).prefix { $0 != " " }), rate > 0 {
        // What is still to be written must not disturb the measurement that follows.
        try sql("CHECKPOINT")
        return rate
      }
    }
    throw BenchFailure("pgbench gave no rate:\n\(output)\n\(Input.tail(log))")
  }

  /// Measures it by itself.
  func measure(options: BenchOptions, into report: inout Report) throws(BenchFailure) {
    for clients in [1, 16] {
      var rates: [Double] = []
      for round in 1...options.rounds {
        Progress.say("round \(round) of \(options.rounds): pgbench, \(clients) client\(clients == 1 ? "" : "s")")
        rates.append(try run(clients: clients, seconds: options.loadSeconds, headerBytes: 400, bodyBytes: 500))
      }
      report.add(Figure.baseline(clients: clients, rates: rates, of: "900 bytes"))
    }
  }

  /// Stops it at once; its folder is thrown away anyway.
  func stop() {
    do {
      _ = try ChildProcess.run(
        ground.asAccount + [
          "\(binaries)/pg_ctl", "--pgdata=\(cluster)", "--mode=immediate", "--wait", "--silent", "stop",
        ],
        errors: log)
    } catch {
      Progress.say("PostgreSQL didn't stop by itself and is ended with the run: \(error)")
    }
  }

  private func sql(_ statement: String) throws(BenchFailure) {
    _ = try ChildProcess.run(
      psql("postgres") + ["--command=\(statement)"], environment: Self.environment, errors: log)
  }

  private func psql(_ database: String) -> [String] {
    [
      "\(binaries)/psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host=\(ground.socketFolder)/pg",
      "--username=postgres", "--dbname=\(database)",
    ]
  }

  private static let environment: [String: String?] = ["PGOPTIONS": nil, "PGSERVICE": nil]

  /// Text of so many bytes that doesn't look like a number, which pgbench would take it for.
  private static func filler(_ count: Int) -> String {
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
    var state: UInt32 = 1
    let bytes = (0..<max(1, count)).map { index -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return index == 0 ? UInt8(ascii: "x") : letters[Int(state >> 16) % letters.count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The folder of PostgreSQL's programs: `$DAYBOOK_POSTGRES_BIN`, the newest of the
  /// packaged ones, or that of `pg_ctl` on the PATH.
  private static func findBinaries() throws(BenchFailure) -> String {
    let packages = "/usr/lib/postgresql"
    var candidates = [Input.environment("DAYBOOK_POSTGRES_BIN")].compactMap { $0 }
    candidates += (10...99).reversed().map { "\(packages)/\($0)/bin" }
    candidates += (Input.environment("PATH") ?? "").split(separator: ":").map(String.init)
    for folder in candidates
    where ["initdb", "pg_ctl", "postgres", "pgbench", "psql"].allSatisfy({ access("\(folder)/\($0)", X_OK) == 0 }) {
      return folder
    }
    throw BenchFailure("PostgreSQL's programs were not found: apt-get install postgresql, or set DAYBOOK_POSTGRES_BIN")
  }
}
