import CanonicalJSON
import Refusals

/// One answer to a call.
public struct Response: Sendable {
  /// The id of the call; null where the server couldn't make it out.
  public let id: RequestID
  /// What the method answered.
  public let outcome: Result<JSON, ReceivedRefusal>

  /// An answer of the given parts.
  public init(id: RequestID, outcome: Result<JSON, ReceivedRefusal>) {
    self.id = id
    self.outcome = outcome
  }
}

extension Response {
  init?(_ value: JSON) {
    guard let id = value["id"].flatMap(RequestID.init) else { return nil }
    if let result = value["result"] {
      self.init(id: id, outcome: .success(result))
    } else if let error = value["error"].flatMap({ ReceivedRefusal($0) }) {
      self.init(id: id, outcome: .failure(error))
    } else {
      return nil
    }
  }
}
