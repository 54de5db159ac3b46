import CanonicalJSON

/// A call that a client makes (JSON-RPC 2.0 §4).
public struct Request: Sendable, Equatable {
  /// What its answer must carry; nil for a notification, which is never answered.
  public let id: RequestID?
  /// The name of the method.
  public let method: String
  /// The parameters by name; empty where there are none.
  public let params: JSONObject

  /// A call of the given parts.
  public init(id: RequestID?, method: String, params: JSONObject) {
    self.id = id
    self.method = method
    self.params = params
  }
}
