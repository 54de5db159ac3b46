import Waiting

/// What everybody else may know of the projector, and those who wait for it.
final class ProgressBoard: Sendable {
  /// Set when somebody begins to wait.
  let demand = WakeSignal()
  /// Whether PostgreSQL can be used.
  enum Link: Sendable, Equatable {
    /// Not connected yet, since the start.
    case starting
    case up(epoch: Int64)
    case down(String)
  }

  struct Contents: Sendable {
    var link = Link.starting
    var units: [UnitID: UnitProgress] = [:]
    var rebuilding: Set<String> = []
    /// Why the rebuild of a read model whose file has changed failed.
    var rebuildFailure: String?
  }

  private let board = Awaited(Contents())

  var contents: Contents { board.read { $0 } }

  /// Changes what is known, and answers those whose waiting is over by it.
  func update(_ change: (inout Contents) -> Void) { board.update(change) }

  /// Whether somebody waits for the read models to come further.
  var hasWaiters: Bool { board.hasWaiters }

  /// Waits until all parts of the named read models have a position.
  /// - Throws: ``ProjectionError`` `stale` when time is up or one of them is parked before it, `unavailable` while
  ///   PostgreSQL is away; `CancellationError`.
  func wait(for position: UInt64, names: Set<String>, milliseconds: Int) async throws {
    try await board.wait(
      atMost: .milliseconds(max(0, milliseconds)), late: { Self.stale(names, $0) }, began: demand.signal,
      until: { Self.outcome(position, names, $0) })
  }

  private static func outcome(
    _ position: UInt64, _ names: Set<String>, _ contents: Contents
  ) -> Result<Void, any Error>? {
    switch contents.link {
    case .starting: return nil
    case .down(let message): return .failure(ProjectionError.unavailable(message))
    case .up: break
    }
    var isParked = false
    var isReached = true
    for (id, unit) in contents.units where names.contains(id.projection) {
      if unit.checkpoint.position >= position, !unit.checkpoint.isRefilling { continue }
      isReached = false
      isParked = isParked || unit.parked != nil
    }
    // A read model that is being rebuilt is not among the units: what there is of it stays readable.
    if isReached { return .success(()) }
    return isParked ? .failure(stale(names, contents)) : nil
  }

  private static func stale(_ names: Set<String>, _ contents: Contents) -> ProjectionError {
    if case .starting = contents.link { return .unavailable("PostgreSQL is not up yet.") }
    let units = contents.units.filter { names.contains($0.key.projection) }
    if let parked = units.min(by: { $0.value.checkpoint.position < $1.value.checkpoint.position }),
      parked.value.parked != nil
    {
      return ProjectionError(
        .stale(position: parked.value.checkpoint.position),
        "The read model \(parked.key.projection) is parked after position \(parked.value.checkpoint.position).")
    }
    if units.values.contains(where: \.checkpoint.isRefilling) {
      return .unavailable("The read models are being filled again from the log.")
    }
    let position = units.values.map(\.checkpoint.position).min() ?? 0
    return ProjectionError(
      .stale(position: position), "The read models have not come further than position \(position) yet.")
  }
}
