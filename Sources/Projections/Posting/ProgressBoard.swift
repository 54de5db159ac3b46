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

  /// Waits until parts of read models have a position, and those of one read model the same one where that is asked.
  /// - Parameters:
  ///   - units: The parts.
  ///   - together: The read models whose rows and personal columns must be at one position.
  /// - Throws: ``ProjectionError`` `stale` when time is up or one of them is parked before it, `unavailable` while
  ///   PostgreSQL is away, or where time is up while they are filled again; `CancellationError`.
  func wait(
    for position: UInt64, units: Set<UnitID>, together: [String] = [], milliseconds: Int
  ) async throws {
    try await board.wait(
      atMost: .milliseconds(max(0, milliseconds)), late: { Self.stale(position, units, together, $0) },
      began: demand.signal, until: { Self.outcome(position, units, together, $0) })
  }

  private static func outcome(
    _ position: UInt64, _ units: Set<UnitID>, _ together: [String], _ contents: Contents
  ) -> Result<Void, any Error>? {
    switch contents.link {
    case .starting: return nil
    case .down(let message): return .failure(ProjectionError.unavailable(message))
    case .up: break
    }
    var isParked = false
    var isReached = true
    // A read model that is being rebuilt is not among the units: what there is of it stays readable.
    for id in units {
      guard let unit = contents.units[id], unit.checkpoint.position < position || unit.checkpoint.isRefilling else {
        continue
      }
      isReached = false
      isParked = isParked || unit.parked != nil
    }
    for name in together {
      guard let apart = Apart(name, contents) else { continue }
      isReached = false
      isParked = isParked || apart.behind.parked != nil
    }
    if isReached { return .success(()) }
    return isParked ? .failure(stale(position, units, together, contents)) : nil
  }

  /// The rows and personal columns of a read model where they aren't at one position.
  private struct Apart {
    let rows: UInt64
    let personal: UInt64
    /// The one that has to catch up.
    let behind: UnitProgress

    init?(_ name: String, _ contents: Contents) {
      guard let rows = contents.units[UnitID(projection: name, part: .rows)],
        let personal = contents.units[UnitID(projection: name, part: .personal)],
        rows.checkpoint.position != personal.checkpoint.position
      else { return nil }
      self.rows = rows.checkpoint.position
      self.personal = personal.checkpoint.position
      behind = self.rows < self.personal ? rows : personal
    }
  }

  private static func stale(
    _ position: UInt64, _ units: Set<UnitID>, _ together: [String], _ contents: Contents
  ) -> ProjectionError {
    if case .starting = contents.link { return .unavailable("PostgreSQL is not up yet.") }
    let known = units.compactMap { id in contents.units[id].map { (id: id, progress: $0) } }
    let late = known.filter { $0.progress.checkpoint.position < position || $0.progress.checkpoint.isRefilling }
    let apart = together.compactMap { name in Apart(name, contents).map { (name: name, apart: $0) } }
    let lowest = known.map(\.progress.checkpoint.position).min() ?? 0
    if let parked = (late.isEmpty ? known : late).filter({ $0.progress.parked != nil })
      .min(by: { ($0.progress.checkpoint.position, $0.id) < ($1.progress.checkpoint.position, $1.id) })
    {
      return ProjectionError(
        .stale(position: lowest),
        "The read model \(parked.id.projection) is parked after position \(parked.progress.checkpoint.position).")
    }
    if late.contains(where: \.progress.checkpoint.isRefilling) {
      return .unavailable("The read models are being filled again from the log.")
    }
    if late.isEmpty, let (name, apart) = apart.first { return .apart(name, rows: apart.rows, personal: apart.personal) }
    return ProjectionError(
      .stale(position: lowest), "The read models have not come further than position \(lowest) yet.")
  }
}
