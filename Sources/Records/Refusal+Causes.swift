import EventLog
import Refusals
import Vault

extension Refusal {
  /// What a client is told of an error from below.
  package init(causedBy error: any Error) {
    switch error {
    case let error as Refusal: self = error
    case let error as EventLogError:
      switch error.code {
      case .overloaded: self = .overloaded(retryAfterMilliseconds: 100)
      default: self = .unavailable(component: "log", error.message)
      }
    case let error as VaultError:
      self = .unavailable(component: "vault", error.message)
    default:
      self = .internalError("Something went wrong inside the server; its log says more.")
    }
  }
}
