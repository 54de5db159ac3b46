import CPostgres

extension PostgresSession {
  /// Runs a body between BEGIN and COMMIT, or ROLLBACK if it throws, and then throws the body's own error.
  /// - Parameter begin: The statement that begins it, such as `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`.
  /// - Throws: The body's error; or ``PostgresError`` when BEGIN or COMMIT fails (`connectionLost` during COMMIT leaves
  ///   it unknown whether it took effect), or when the body swallowed a failure that had aborted the transaction.
  @discardableResult
  public func transaction<R>(_ begin: String = "BEGIN", _ body: (PostgresSession) throws -> R) throws -> R {
    guard !isInTransaction else {
      throw PostgresError(.protocolViolation, message: "a transaction is open already; use savepoint inside it")
    }
    try execute(begin)
    do {
      let result = try body(self)
      try commit()
      return result
    } catch {
      rollback()
      throw error
    }
  }

  /// Runs a body inside a savepoint of the open transaction: if it throws, only what
  /// it did is undone, and its error is thrown.
  /// - Throws: The body's error, or ``PostgresError``.
  @discardableResult
  public func savepoint<R>(_ body: (PostgresSession) throws -> R) throws -> R {
    try execute("SAVEPOINT daybook")
    do {
      let result = try body(self)
      try execute("RELEASE SAVEPOINT daybook")
      return result
    } catch {
      // If the savepoint can't be restored, the transaction stays aborted and its
      // COMMIT fails: nothing is lost by the `try?`.
      try? shielded { try execute("ROLLBACK TO SAVEPOINT daybook; RELEASE SAVEPOINT daybook") }
      throw error
    }
  }

  /// Commits; a transaction that a failed statement has aborted is rolled back by
  /// PostgreSQL instead, which is an error here.
  func commit() throws(PostgresError) {
    guard try commandTags("COMMIT").last == "COMMIT" else {
      throw PostgresError(
        .query, sqlState: "25P02", message: "the transaction was rolled back, since a statement in it had failed")
    }
  }

  /// Rolls an open transaction back, also in a cancelled task. A connection where
  /// that fails is closed, which rolls back too.
  func rollback() {
    guard isInTransaction else { return }
    do {
      try shielded { try execute("ROLLBACK") }
    } catch {
      close()
    }
  }
}
