import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Refusals

/// The moment that a question is about.
enum AsOf: Sendable, Equatable {
  /// After the event at this position.
  case position(UInt64)
  /// After the last event that was written at or before this time.
  case time(Timestamp)

  /// The moment that a call's `as_of` names; nil for the present.
  init?(_ arguments: Arguments) {
    if let position = arguments.position("as_of") {
      self = .position(position)
    } else if let time = arguments.time("as_of") {
      self = .time(time)
    } else {
      return nil
    }
  }
}

extension QueryEngine {
  /// The position that a question about a moment is answered at, the same one whenever it is asked, unless the moment
  /// is a time to come.
  /// - Throws: ``Refusal`` `invalid_params` for a position that isn't written yet; `EventLogError`.
  func resolve(_ asOf: AsOf) async throws -> UInt64 {
    if case .time(let time) = asOf, log.head.at.map({ $0 < time }) ?? true {
      // What is being written just now has got its time already, perhaps an earlier one than the question's.
      do {
        _ = try await log.commit { _ in }
      } catch let error as EventLogError where error.code != .overloaded {
        // Nothing can be written, so nothing more is of that time.
      }
    }
    return try await log.whileWanted { try $0.resolve(asOf) }
  }
}

extension LogSnapshot {
  /// The position that a question about a moment is answered at.
  /// - Throws: ``Refusal`` `invalid_params` for a position that isn't written yet.
  func resolve(_ asOf: AsOf) throws -> UInt64 {
    switch asOf {
    case .time(let time): return try position(at: time)
    case .position(let position):
      guard position <= head.position else {
        throw Refusal.invalidParam("/as_of", "is beyond the last position, \(head.position)")
      }
      return position
    }
  }
}
