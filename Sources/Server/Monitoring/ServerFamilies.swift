import Metrics

/// What `GET /metrics` tells, family by family. The page Monitoring has the same list, and a test compares.
enum ServerFamilies {
  // MARK: Calls

  static let commands = MetricFamily(
    .counter, "daybook_commands_total",
    "Commands answered since the start, by method. A batch is one call. Methods that nobody called are absent.",
    labels: ["method", "result"])
  static let queries = MetricFamily(
    .counter, "daybook_queries_total", "Queries answered since the start, by method.", labels: ["method", "result"])
  static let serverCalls = MetricFamily(
    .counter, "daybook_server_calls_total",
    "Calls of the server's own methods answered since the start, by method.", labels: ["method", "result"])
  static let commandTimes = MetricFamily(
    .histogram, "daybook_command_duration_seconds",
    "Time from a command's arrival to its answer, the sync of the disk included.")
  static let queryTimes = MetricFamily(
    .histogram, "daybook_query_duration_seconds",
    "Time from a query's arrival to its answer, waiting for read models included.")
  static let serverCallTimes = MetricFamily(
    .histogram, "daybook_server_call_duration_seconds", "Time from the arrival of another call to its answer.")
  static let refusals = MetricFamily(
    .counter, "daybook_refusals_total", "Calls and requests refused since the start, by the code of the error.",
    labels: ["code"])
  static let conflicts = MetricFamily(
    .counter, "daybook_conflicts_total", "Refusals with the code conflict, by the rule that was broken.",
    labels: ["reason"])

  // MARK: Log

  static let position = MetricFamily(
    .gauge, "daybook_log_position", "Position of the log's last event: how many events it has.")
  static let lastEvent = MetricFamily(
    .gauge, "daybook_log_last_event_timestamp_seconds", "Time of the log's last event.")
  static let events = MetricFamily(.counter, "daybook_log_events_total", "Events recorded since the start.")
  static let decisions = MetricFamily(
    .counter, "daybook_log_decisions_total",
    "Commands that the writer has decided in commits since the start, refused ones among them.")
  static let commitTimes = MetricFamily(
    .histogram, "daybook_log_commit_duration_seconds", "Time that a commit took, which a batch of commands shares.")
  static let syncTimes = MetricFamily(
    .histogram, "daybook_journal_sync_duration_seconds",
    "Time that the disk took for a record of the journal, written and synced at once: most of a commit.")
  static let flushTimes = MetricFamily(
    .histogram, "daybook_journal_flush_duration_seconds",
    "Time that a flush of the journal to LMDB's pages took, which no command waits for unless the journal is full.")
  static let flushFailures = MetricFamily(
    .counter, "daybook_journal_flush_failures_total", "Flushes of the journal that failed and are tried again.")
  static let flushedBytes = MetricFamily(
    .counter, "daybook_journal_flushed_bytes_total", "Bytes of keys and values that were flushed to LMDB's pages.")
  static let waitsForRoom = MetricFamily(
    .counter, "daybook_journal_waits_for_room_total", "Batches that had to wait since the journal was full.")
  static let waitingBytes = MetricFamily(
    .gauge, "daybook_journal_waiting_bytes", "Bytes of keys and values in the journal that wait for the next flush.")
  static let logSize = MetricFamily(.gauge, "daybook_log_size_bytes", "Size of the log's file of LMDB.")
  static let journalSize = MetricFamily(
    .gauge, "daybook_journal_size_bytes", "Size of the journal's file, which doesn't change.")
  static let freeBytes = MetricFamily(
    .gauge, "daybook_log_disk_free_bytes", "Free space of the file system that the log is on.")
  static let backlog = MetricFamily(
    .gauge, "daybook_log_backlog",
    "Commands that wait for the writer; from 16,384 of one tenant, or 32,768, on they are refused as overloaded.")
  static let heldBack = MetricFamily(
    .gauge, "daybook_log_held_back",
    "Commands that wait for the read models, since their tenant records faster than PostgreSQL takes.")

  // MARK: Read models

  static let postgresUp = MetricFamily(
    .gauge, "daybook_postgres_up", "1 while the projector is connected to PostgreSQL, else 0.")
  static let lagEvents = MetricFamily(
    .gauge, "daybook_projection_lag_events", "Events that a read model is behind the log.", labels: ["projection"])
  static let lagSeconds = MetricFamily(
    .gauge, "daybook_projection_lag_seconds",
    "Seconds between the event that a read model has reached and the log's last one.", labels: ["projection"])
  static let parked = MetricFamily(
    .gauge, "daybook_projection_parked", "1 for a read model that stopped at an event that it can't apply, else 0.",
    labels: ["projection"])
  static let projections = MetricFamily(.gauge, "daybook_projections", "Read models in each state.", labels: ["state"])

  // MARK: Clients

  static let connections = MetricFamily(.gauge, "daybook_connections", "Connections that are open, of all kinds.")
  static let connectionLimit = MetricFamily(
    .gauge, "daybook_connections_limit", "Connections that there may be at most.")
  static let connectionsOpened = MetricFamily(
    .counter, "daybook_connections_opened_total", "Connections taken in since the start.")
  static let connectionsRefused = MetricFamily(
    .counter, "daybook_connections_refused_total",
    "Connections turned away for want of a place since the start, or whose place another one got.")
  static let sessions = MetricFamily(
    .gauge, "daybook_sessions", "Connections that speak for somebody: signed in, or on the Unix socket.")
  static let signIns = MetricFamily(
    .counter, "daybook_sign_ins_total", "Sign-ins since the start, by how they ended.", labels: ["result"])
  static let subscriptions = MetricFamily(
    .gauge, "daybook_subscriptions", "Subscriptions to the log's events, by either protocol.")
  static let received = MetricFamily(
    .counter, "daybook_received_bytes_total", "Bytes read from clients since the start.")
  static let sent = MetricFamily(.counter, "daybook_sent_bytes_total", "Bytes written to clients since the start.")
  static let answersHeld = MetricFamily(
    .gauge, "daybook_answers_held_bytes", "Bytes of answers that clients haven't taken yet.")
  static let answersLimit = MetricFamily(
    .gauge, "daybook_answers_limit_bytes", "Bytes of such answers from which on large ones wait.")
  static let answersWaiting = MetricFamily(.gauge, "daybook_answers_waiting", "Large answers that wait for memory.")
  static let stalled = MetricFamily(
    .counter, "daybook_stalled_connections_closed_total",
    "Connections closed since their clients took no answers while others waited for the memory.")
  static let requests = MetricFamily(
    .counter, "daybook_http_requests_total",
    "Requests answered over HTTP since the start. The path is one of those that the page HTTP lists, or other.",
    labels: ["path", "status"])

  // MARK: What is done by the clock

  static let lateness = MetricFamily(
    .gauge, "daybook_timer_lateness_seconds",
    "Seconds since a timed job was due that has not gone through since; 0 while it is not due.", labels: ["timer"])
  static let turns = MetricFamily(
    .counter, "daybook_timer_turns_total", "Turns of a timed job since the start, by how they ended.",
    labels: ["timer", "result"])
  static let turnTimes = MetricFamily(
    .gauge, "daybook_timer_last_turn_seconds", "Seconds that the last turn of a timed job took.", labels: ["timer"])
  static let backups = MetricFamily(
    .counter, "daybook_backups_total", "Backups that were tried since the start, by the clock or by log.backup.",
    labels: ["result"])
  static let backupsRunning = MetricFamily(.gauge, "daybook_backups_running", "Backups under way.")
  static let backupSuccess = MetricFamily(
    .gauge, "daybook_backup_last_success_timestamp_seconds",
    "Time of the last good backup: made since the start, or the newest scheduled one. Absent without.")
  static let backupTry = MetricFamily(
    .gauge, "daybook_backup_last_try_timestamp_seconds",
    "Time at which the last backup since the start ended, good or not. Absent without.")
  static let backupGood = MetricFamily(
    .gauge, "daybook_backup_last_try_succeeded",
    "1 where the last backup that was tried since the start is good, else 0. Absent without.")
  static let backupOverdue = MetricFamily(
    .gauge, "daybook_backup_overdue",
    "1 where the newest scheduled backup is older than the schedule allows for, else 0. Absent without a schedule.")

  // MARK: Privacy and evidence

  static let erasures = MetricFamily(
    .counter, "daybook_erasures_total",
    "Attempts to complete a confirmed erasure since the start, by how they ended; a failed one is tried again.",
    labels: ["result"])
  static let erasuresRunning = MetricFamily(
    .gauge, "daybook_erasures_running", "Erasures that are being completed at this moment.")
  static let erasuresPending = MetricFamily(
    .gauge, "daybook_erasures_pending",
    "Erasures that were confirmed and not complete at the last turn of timed work.")
  static let exports = MetricFamily(
    .counter, "daybook_exports_total",
    "Exports of evidence since the start, by step: export.create and export.complete that were accepted.",
    labels: ["step"])
  static let exportsOpen = MetricFamily(
    .gauge, "daybook_exports_open", "Exports that were begun since the start, less those that were completed.")

  // MARK: Health

  static let ready = MetricFamily(.gauge, "daybook_ready", "1 where the server can do all of its work, else 0.")
  static let problems = MetricFamily(
    .gauge, "daybook_health_problem", "1 for a component that keeps the server from being ready, else 0.",
    labels: ["component"])

  // MARK: Process

  static let build = MetricFamily(
    .info, "daybook_build_info",
    "The version and the commit of the program; the commit is empty in a development build.",
    labels: ["version", "commit"])
  static let cpu = MetricFamily(
    .counter, "process_cpu_seconds_total", "Processor time of the process, its private PostgreSQL not included.")
  static let resident = MetricFamily(
    .gauge, "process_resident_memory_bytes", "Memory of the process that is in RAM, mapped pages of the log included.")
  static let virtual = MetricFamily(.gauge, "process_virtual_memory_bytes", "Address space of the process.")
  static let openFiles = MetricFamily(.gauge, "process_open_fds", "File descriptors that are open.")
  static let maximumFiles = MetricFamily(.gauge, "process_max_fds", "File descriptors that may be open.")
  static let started = MetricFamily(
    .gauge, "process_start_time_seconds", "Time at which the process started.")
  static let threads = MetricFamily(.gauge, "process_threads", "Threads of the process.")

  /// All of them, in the order in which they are told.
  static let all = [
    commands, queries, serverCalls, commandTimes, queryTimes, serverCallTimes, refusals, conflicts, position, lastEvent,
    events, decisions, commitTimes, syncTimes, flushTimes, flushFailures, flushedBytes, waitsForRoom, waitingBytes,
    logSize, journalSize, freeBytes, backlog, heldBack, postgresUp, lagEvents, lagSeconds, parked, projections,
    connections, connectionLimit, connectionsOpened, connectionsRefused, sessions, signIns, subscriptions, received,
    sent, answersHeld, answersLimit, answersWaiting, stalled, requests, lateness, turns, turnTimes, backups,
    backupsRunning, backupSuccess, backupTry, backupGood, backupOverdue, erasures, erasuresRunning, erasuresPending,
    exports, exportsOpen, ready, problems, build, cpu, resident, virtual, openFiles, maximumFiles, started, threads,
  ]
}
