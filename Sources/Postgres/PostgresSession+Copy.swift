import CPostgres

extension PostgresSession {
  /// Sends rows to a `COPY … FROM STDIN` and returns how many the server took. The
  /// bytes are in the format that the SQL names (``CopyBuffer`` writes the text format,
  /// which is the default). Outside a transaction a failure leaves nothing behind.
  /// - Throws: ``PostgresError``; `cancelled` and `timeout` are also looked for between pieces of what is sent.
  @discardableResult
  public func copyIn(_ sql: String, _ rows: [UInt8]) throws(PostgresError) -> Int {
    try copyIn(sql, chunks: CollectionOfOne(rows))
  }

  /// Sends rows that come in pieces, cut anywhere, to a `COPY … FROM STDIN` and returns how many rows the server took.
  /// - Throws: ``PostgresError``.
  @discardableResult
  public func copyIn(_ sql: String, chunks: some Sequence<[UInt8]>) throws(PostgresError) -> Int {
    try checkText(sql)
    let connection = try handle()
    guard PQsendQuery(connection, sql) == 1 else { throw localFailure() }
    guard let begun = try nextResult() else { throw localFailure() }
    guard PQresultStatus(begun) == PGRES_COPY_IN else {
      let succeeded = PQresultStatus(begun) == PGRES_COMMAND_OK || PQresultStatus(begun) == PGRES_TUPLES_OK
      let error =
        succeeded ? PostgresError(.protocolViolation, message: "the SQL is no COPY … FROM STDIN") : failure(begun)
      if succeeded { PQclear(begun) }
      if isOpen { _ = try copyOutcome() }
      throw error
    }
    PQclear(begun)
    var interruption: PostgresError.Code?
    sending: for chunk in chunks {
      var start = 0
      while start < chunk.count {
        interruption = reasonToInterrupt()
        if interruption != nil { break sending }
        let end = min(start + 256 * 1024, chunk.count)
        let sent = chunk.withUnsafeBytes {
          PQputCopyData(
            connection, $0.baseAddress?.advanced(by: start).assumingMemoryBound(to: CChar.self), CInt(end - start))
        }
        guard sent == 1 else { throw localFailure() }
        start = end
      }
    }
    guard PQputCopyEnd(connection, interruption == nil ? nil : "cancelled by the client") == 1 else {
      throw localFailure()
    }
    let outcome = try copyOutcome()
    if let interruption, isOpen {
      throw PostgresError(interruption, sqlState: "57014", message: "the COPY was cancelled by the client")
    }
    if let error = outcome.error { throw error }
    return outcome.rows
  }

  /// Reads what the server says at the end of a COPY.
  private func copyOutcome() throws(PostgresError) -> (rows: Int, error: PostgresError?) {
    var rows = 0
    var first: PostgresError?
    while let result = try nextResult() {
      switch PQresultStatus(result) {
      case PGRES_COMMAND_OK:
        rows = PostgresResult.affectedRows(result)
        PQclear(result)
      case PGRES_TUPLES_OK:
        PQclear(result)
      case PGRES_COPY_OUT, PGRES_COPY_BOTH:
        PQclear(result)
        discardCopyOut()
      case PGRES_COPY_IN:
        PQclear(result)
        if !(try abandonCopyIn()) { throw localFailure() }
        first = first ?? PostgresError(.protocolViolation, message: "a second COPY in one text")
      default:
        first = first ?? failure(result)
        if !isOpen { return (rows, first) }
      }
    }
    return (rows, first)
  }

  /// Ends a COPY FROM STDIN that nobody has rows for; the server answers it with an error.
  func abandonCopyIn() throws(PostgresError) -> Bool {
    PQputCopyEnd(try handleUnchecked(), "no rows were offered") == 1
  }

  /// Reads a COPY TO STDOUT to its end.
  func discardCopyOut() {
    var row: UnsafeMutablePointer<CChar>?
    // No handle means that the connection is closed, and then there is nothing to read.
    while let connection = try? handleUnchecked(), PQgetCopyData(connection, &row, 0) > 0 {
      PQfreemem(row)
    }
  }
}
