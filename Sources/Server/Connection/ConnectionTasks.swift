/// The tasks that work for one connection, so that they can be cancelled.
struct ConnectionTasks {
  /// The sign-in that is under way.
  var signIn: Task<Void, Never>?
  /// Queries that run.
  var queries: [UInt64: Task<Void, Never>] = [:]
  /// Subscriptions, by the number that the client knows.
  var subscriptions: [Int64: Task<Void, Never>] = [:]

  private var lastQuery: UInt64 = 0
  private var lastSubscription: Int64 = 0

  /// A number for a query.
  mutating func nextQuery() -> UInt64 {
    lastQuery += 1
    return lastQuery
  }

  /// A number for a subscription, counted from 1.
  mutating func nextSubscription() -> Int64 {
    lastSubscription += 1
    return lastSubscription
  }

  func cancelSubscriptions() {
    for task in subscriptions.values { task.cancel() }
  }

  func cancelAll() {
    signIn?.cancel()
    for task in queries.values { task.cancel() }
    cancelSubscriptions()
  }
}
