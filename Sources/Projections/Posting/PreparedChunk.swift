import BasicTypes

/// What a stretch of the log means for some read models, ready to be sent: rows for the staging tables, and opened
/// values that travel only as parameters.
struct PreparedChunk: Sendable {
  /// Which read models, and which stretch.
  struct Request: Sendable, Equatable {
    var units: [UnitID]
    /// The position before the first.
    var after: UInt64
    /// The last position that may be taken in.
    var through: UInt64
    var maximumEvents: Int
    var maximumBytes: Int
  }

  /// Why a read model can't take the stretch in, found before PostgreSQL was asked.
  struct Failure: Error, Sendable, Equatable {
    var sqlState: String?
    var message: String
  }

  let request: Request
  /// The last position taken in; `request.after` where there was nothing.
  var last: UInt64
  var lastEventID: Identifier?
  var lastAt: Timestamp?
  var count = 0
  /// Rows that go straight into a unit's own table, in binary COPY format.
  var copies: [UnitID: [UInt8]] = [:]
  /// Rows of `staged_events`, in binary COPY format; empty where there are none.
  var events: [UInt8] = []
  /// Rows of `staged_changes`; empty where there are none.
  var changes: [UInt8] = []
  /// Units for which something is staged.
  var staged: Set<UnitID> = []
  /// JSON arrays of opened values, in bounded pieces.
  var opened: [UnitID: [[UInt8]]] = [:]
  /// JSON arrays of the events that take rows away again, in bounded pieces.
  var removals: [UnitID: [[UInt8]]] = [:]
  var failures: [UnitID: Failure] = [:]
  /// Whether a PostgreSQL role may have to be made or dropped.
  var touchesRoles = false
  /// Whether it tells of a position to be passed over.
  var touchesSkips = false
}
