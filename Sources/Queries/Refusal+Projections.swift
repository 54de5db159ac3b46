import Projections
import Refusals

extension Refusal {
  /// What a client is told of an error of the read models.
  /// - Parameter position: The position that the call waited for; nil or 0 where it only needed read models at all.
  package init(_ error: ProjectionError, waitingFor position: UInt64? = nil) {
    self =
      switch error.code {
      case .stale(let reached):
        if let position, position > 0 {
          .stale(position: reached, atLeast: position)
        } else {
          .unavailable(component: "projections", error.message)
        }
      // Who only reads can do nothing about a read model that stopped at an event.
      case .parked where position != nil: .unavailable(component: "postgres", error.message)
      case .unavailable, .deposed: .unavailable(component: "postgres", error.message)
      case .definition: .unavailable(component: "projections", error.message)
      case .unknown: .invalidParam("/name", error.message)
      case .busy, .parked, .dependents, .role: .conflict(reason: "state", error.message)
      }
  }
}
