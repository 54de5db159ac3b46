import BasicTypes
import Files

/// What the private server runs with. All of it is written anew at every start, so
/// edits are lost; `ALTER SYSTEM` is kept.
struct ClusterConfiguration: Hashable, Sendable {
  let socketFolder: String
  /// Shows in the processes' titles, by which those of a dead server are found again.
  let clusterName: String
  let account: ServerAccount
  /// False for tests: nothing is synced, a crash of the machine may leave the
  /// cluster unusable, and many tests can connect at a time.
  let isDurable: Bool
  /// Where SQL roles come in by TCP; nil where it listens on its socket alone.
  let listener: PostgresListener?
  /// What the listener's files hold, in PEM.
  let certificate: String?
  let key: String?

  static let role = "daybook"
  /// Reads the rows of all organizations and writes nothing.
  static let reader = "daybook_reader"
  static let database = "daybook"
  static let sqlRoles = "daybook_sql"
  /// The port where there is no listener: then only a part of the socket's name.
  static let socketPort = 5432

  var port: Int { listener?.port ?? Self.socketPort }

  /// What a listener's files hold now.
  static func identity(
    of listener: PostgresListener?
  ) throws(EmbeddedPostgresError) -> (certificate: String, key: String)? {
    guard let files = listener?.tls else { return nil }
    guard let certificate = FileSystem.text(files.certificate), let key = FileSystem.text(files.key) else {
      throw EmbeddedPostgresError(
        .folderUnusable, "the certificate \(files.certificate) or its key \(files.key) can't be read")
    }
    return (certificate, key)
  }

  /// Keeps values out of the server's log, whatever `ALTER SYSTEM` says, since the command line
  /// comes first: an error's detail, statement, parameters and context are never written; and
  /// since even a primary message of class 22 quotes the value that didn't fit, errors aren't
  /// written at all (`log` is a level above `error` here): the client gets and reports them.
  static let privacyArguments = [
    "log_min_messages=log", "log_error_verbosity=terse", "log_min_error_statement=panic", "log_statement=none",
    "log_min_duration_statement=-1", "log_min_duration_sample=-1", "log_transaction_sample_rate=0",
    "log_parameter_max_length=0", "log_parameter_max_length_on_error=0", "log_lock_waits=off", "debug_print_parse=off",
    "debug_print_rewritten=off", "debug_print_plan=off",
  ].flatMap { ["-c", $0] }

  /// postgresql.conf.
  ///
  /// `synchronous_commit` is off: read models are disposable, and a checkpoint commits together
  /// with its rows, so what a crash takes from the end of the WAL is posted again from the log.
  /// `fsync` stays on, so a crash can't damage the cluster itself. The text of running statements
  /// in `pg_stat_activity` never holds values, since these travel as parameters or by COPY.
  var settings: String {
    """
    # Written by Daybook at every start. Use ALTER SYSTEM for settings of your own.
    listen_addresses = \(Self.quote(listener?.host ?? ""))
    port = \(port)
    ssl = \(certificate == nil ? "off" : "on")
    unix_socket_directories = \(Self.quote(Self.quoteElement(socketFolder)))
    cluster_name = \(Self.quote(clusterName))
    max_connections = \(isDurable ? 40 : 200)
    shared_buffers = \(isDurable ? 256 : 128)MB
    wal_buffers = 16MB
    work_mem = 16MB
    # Making all tables, partitions and views, or swapping them after a rebuild, holds thousands of locks at once.
    max_locks_per_transaction = 512
    dynamic_shared_memory_type = posix
    jit = off

    fsync = \(isDurable ? "on" : "off")
    full_page_writes = \(isDurable ? "on" : "off")
    synchronous_commit = off
    wal_level = minimal
    max_wal_senders = 0
    max_wal_size = 2GB
    autovacuum = on
    # A vacuum of PostgreSQL's own lets go of a table for who has waited so long: sooner than a rebuild gives up.
    deadlock_timeout = 100ms

    password_encryption = 'scram-sha-256'
    timezone = 'UTC'
    log_timezone = 'UTC'
    datestyle = 'iso, ymd'
    lc_messages = 'C'
    lc_monetary = 'C'
    lc_numeric = 'C'
    lc_time = 'C'
    default_text_search_config = 'pg_catalog.simple'

    logging_collector = off
    log_destination = 'stderr'
    log_line_prefix = '%m [%p] '
    log_checkpoints = off
    log_connections = off
    log_disconnections = off
    log_autovacuum_min_duration = -1
    # Given on the command line: \(Self.privacyArguments.filter { $0 != "-c" }.joined(separator: " "))

    """
  }

  /// pg_hba.conf: the server's own users as `daybook` and `daybook_reader` on the socket, members of `daybook_sql` by
  /// password; nobody else. By TCP only the latter come in, with TLS where there is a certificate.
  var hostBasedAuthentication: String {
    let host = certificate == nil ? "host" : "hostssl"
    let remote =
      listener == nil
      ? ""
      : """
      host all \(Self.role),\(Self.reader) all reject
      \(host) \(Self.database) +\(Self.sqlRoles) all scram-sha-256

      """
    return """
      # Written by Daybook at every start.
      local all \(Self.role) peer map=\(Self.role)
      local all \(Self.reader) peer map=\(Self.role)
      local all +\(Self.sqlRoles) scram-sha-256
      \(remote)
      """
  }

  /// pg_ident.conf: which operating system users are `daybook`.
  var identities: String {
    "# Written by Daybook at every start.\n"
      + account.peers.map { peer in
        [Self.role, Self.reader].map { "\(Self.role) \"\(peer)\" \($0)\n" }.joined()
      }.joined()
  }

  /// Each file's name and text.
  var files: [(name: String, text: String)] {
    [
      ("postgresql.conf", settings), ("pg_hba.conf", hostBasedAuthentication), ("pg_ident.conf", identities),
    ] + identityFiles
  }

  /// The files that PostgreSQL reads again when it is told to, without ending a session.
  var identityFiles: [(name: String, text: String)] {
    guard let certificate, let key else { return [] }
    return [("server.crt", certificate), ("server.key", key)]
  }

  /// A URL that libpq and psql take as it stands.
  func conninfo(database: String, role: String = Self.role) -> String {
    let (name, host) = (PercentEncoding.encode(database), PercentEncoding.encode(socketFolder))
    return "postgresql://\(role)@/\(name)?host=\(host)&port=\(port)"
  }

  /// A URL for SQL roles, which lacks their name and password: by TCP where they may come in there.
  var sqlRolesURL: String {
    guard let listener else {
      return "postgresql:///\(Self.database)?host=\(PercentEncoding.encode(socketFolder))&port=\(port)"
    }
    let host = listener.host.contains(":") ? "[\(listener.host)]" : listener.host
    return "postgresql://\(host):\(port)/\(Self.database)" + (certificate == nil ? "" : "?sslmode=require")
  }

  private static func quote(_ text: String) -> String {
    "'" + text.flatMap { $0 == "'" || $0 == "\\" ? [$0, $0] : [$0] } + "'"
  }

  private static func quoteElement(_ path: String) -> String {
    "\"" + path.flatMap { $0 == "\"" ? [$0, $0] : [$0] } + "\""
  }
}
