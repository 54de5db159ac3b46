#if canImport(Glibc)
  import Glibc
#endif

/// The file descriptors that this process may have open: how many, and what is kept back from connections.
enum Descriptors {
  /// Kept back for the log, the signed head, the vault, event loops, and the pipes of PostgreSQL's programs.
  static let kept = 128
  /// Sockets of a listener beyond its connections: those that were just accepted and are being turned away.
  static let turnedAway = 32
  /// A server for fewer connections isn't started.
  static let fewestConnections = 16

  /// Raises the limit of this process to what its user may have, and returns it.
  static func raiseLimit() -> Int {
    var limit = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(kind, &limit) == 0 else { return 1024 }
    if limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = limit.rlim_max
      // Where it may not be raised, what there is is shared out.
      if setrlimit(kind, &raised) == 0 { limit = raised }
    }
    return Int(clamping: limit.rlim_cur)
  }

  /// How many connections fit under a limit of descriptors, up to those that are wanted. Each listener may have that
  /// many, so that none can take another's.
  /// - Parameters:
  ///   - queries: How many connections to PostgreSQL there may be.
  ///   - listeners: How many listeners there are.
  static func connections(wanted: Int, limit: Int, queries: Int, listeners: Int = 2) -> Int {
    min(wanted, (limit - kept - 2 * queries) / listeners - turnedAway)
  }

  /// The limit under which so many connections fit.
  static func needed(connections: Int, queries: Int, listeners: Int = 2) -> Int {
    listeners * (connections + turnedAway) + kept + 2 * queries
  }
}
