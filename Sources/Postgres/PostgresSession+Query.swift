import CPostgres

extension PostgresSession {
  /// Runs one statement and returns its rows. Values go beside the SQL as `$1`, `$2` …,
  /// never in it. A text that is used with parameters again and again is prepared once; a
  /// prepared statement that a change of the schema has invalidated is prepared anew unseen,
  /// or, inside a transaction, which PostgreSQL has aborted by then, reported as retryable.
  /// - Throws: ``PostgresError``.
  @discardableResult
  public func query(_ sql: String, _ parameters: [PostgresValue] = []) throws(PostgresError) -> PostgresResult {
    try checkText(sql)
    let encoded = try EncodedParameters(parameters)
    let connection = try handle()
    guard !parameters.isEmpty, transactionStatus != PQTRANS_INERROR else {
      return try direct(connection, sql, encoded)
    }
    let wasIdle = transactionStatus == PQTRANS_IDLE
    let name: String
    switch statements.use(sql) {
    case .direct:
      return try direct(connection, sql, encoded)
    case .prepare(let new):
      try deallocateAbandoned()
      PQclear(try single(sent: PQsendPrepare(connection, new, sql, 0, nil)))
      statements.prepared(sql, as: new)
      name = new
    case .run(let known):
      name = known
    }
    do {
      return try run(connection, name, encoded)
    } catch {
      // 26000: no such statement any longer (DISCARD, a pooler between). 0A000: its result would have other types now.
      guard isOpen, error.sqlState == "26000" || error.sqlState == "0A000" else { throw error }
      statements.forget(sql)
      guard wasIdle else {
        throw PostgresError(error.code, sqlState: error.sqlState, message: error.message, isRetryable: true)
      }
      return try direct(try handle(), sql, encoded)
    }
  }

  /// Runs SQL that takes no parameters and returns nothing of interest; it may hold many statements, which are then one
  /// transaction unless it says otherwise.
  /// - Throws: ``PostgresError``, the first one.
  public func execute(_ sql: String) throws(PostgresError) {
    let outcome = Result { () throws(PostgresError) in try commandTags(sql) }
    // A change of a table in this session would otherwise abort the transaction that
    // next uses a statement prepared before.
    let changes = ["ALTER ", "DROP ", "DISCARD", "DEALLOCATE"]
    if case .success(let tags) = outcome, !tags.contains(where: { tag in changes.contains { tag.hasPrefix($0) } }) {
      return
    }
    statements.forgetAll()
    _ = try outcome.get()
  }

  /// What each statement of the text did, such as `CREATE TABLE`.
  @discardableResult
  func commandTags(_ sql: String) throws(PostgresError) -> [String] {
    try checkText(sql)
    let connection = try handle()
    guard PQsendQuery(connection, sql) == 1 else { throw localFailure() }
    var tags: [String] = []
    var failure: PostgresError?
    do {
      try drain { result in
        tags.append(PostgresResult.commandTag(result))
        PQclear(result)
      }
    } catch {
      failure = error
    }
    if let failure { throw failure }
    return tags
  }

  private func direct(
    _ connection: OpaquePointer, _ sql: String, _ parameters: EncodedParameters
  ) throws(PostgresError) -> PostgresResult {
    let sent = parameters.withPointers { PQsendQueryParams(connection, sql, parameters.count, nil, $0, nil, nil, 0) }
    return PostgresResult(try single(sent: sent))
  }

  private func run(
    _ connection: OpaquePointer, _ name: String, _ parameters: EncodedParameters
  ) throws(PostgresError) -> PostgresResult {
    let sent = parameters.withPointers { PQsendQueryPrepared(connection, name, parameters.count, $0, nil, nil, 0) }
    return PostgresResult(try single(sent: sent))
  }

  /// The one result of what was sent, or its error.
  private func single(sent: CInt) throws(PostgresError) -> OpaquePointer {
    guard sent == 1 else { throw localFailure() }
    var only: OpaquePointer?
    do {
      try drain { result in
        if let only { PQclear(only) }
        only = result
      }
    } catch {
      if let only { PQclear(only) }
      throw error
    }
    guard let only else { throw localFailure() }
    return only
  }

  /// Reads all that the server answers to what was sent, hands over each good
  /// result, and then throws the first failure.
  private func drain(_ good: (OpaquePointer) -> Void) throws(PostgresError) {
    var first: PostgresError?
    do {
      while let result = try nextResult() {
        guard let error = try check(result) else {
          good(result)
          continue
        }
        first = first ?? error
      }
    } catch {
      throw first ?? error
    }
    if let first { throw first }
  }

  /// The error that a result stands for, which is then freed; nil for a good one. Ends a COPY that has no place here.
  private func check(_ result: OpaquePointer) throws(PostgresError) -> PostgresError? {
    let misplaced = PostgresError(
      .protocolViolation, message: "COPY FROM STDIN runs through copyIn, and COPY TO STDOUT not at all")
    switch PQresultStatus(result) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE, PGRES_EMPTY_QUERY:
      return nil
    case PGRES_COPY_IN:
      PQclear(result)
      return try abandonCopyIn() ? misplaced : localFailure()
    case PGRES_COPY_OUT, PGRES_COPY_BOTH:
      PQclear(result)
      discardCopyOut()
      return misplaced
    default:
      return failure(result)
    }
  }

  private func deallocateAbandoned() throws(PostgresError) {
    guard !statements.abandoned.isEmpty, transactionStatus == PQTRANS_IDLE else { return }
    let names = statements.abandoned
    statements.clearAbandoned()
    for name in names {
      do {
        try commandTags("DEALLOCATE \(PostgresIdentifier.quote(name))")
      } catch  where error.sqlState == "26000" {
        continue  // The server has let go of it already.
      }
    }
  }
}
