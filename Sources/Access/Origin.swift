import CanonicalJSON

/// Where a request came from: kept sealed in the events that it makes.
public struct Origin: Sendable {
  /// The peer's address; nil on a Unix socket.
  public let ip: String?
  /// What the client calls itself.
  public let userAgent: String?

  /// An origin of these parts.
  public init(ip: String? = nil, userAgent: String? = nil) {
    self.ip = ip
    self.userAgent = userAgent
  }

  /// The value that is sealed, or nil where nothing is known.
  package var value: JSON? {
    var object = JSONObject()
    if let ip { object["ip"] = .string(ip) }
    if let userAgent { object["user_agent"] = .string(userAgent) }
    guard !object.isEmpty else { return nil }
    return .object(object)
  }
}
