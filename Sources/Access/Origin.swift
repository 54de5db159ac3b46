import CanonicalJSON

/// Where a request came from: kept sealed in the events that it makes.
public struct Origin: Sendable {
  /// The address of whoever asks: the peer's, or the one that a program gave for the person it acts for; nil on a Unix
  /// socket, and where the program gave none.
  public let ip: String?
  /// What the client calls itself.
  public let userAgent: String?
  /// Where the program was that acted for the person of this origin; nil where nobody acted for another.
  package let program: Place?

  /// One end of a connection.
  package struct Place: Sendable {
    /// Its address.
    package let ip: String?
    /// What its client calls itself.
    package let userAgent: String?

    fileprivate var members: JSONObject {
      var object = JSONObject()
      if let ip { object["ip"] = .string(ip) }
      if let userAgent { object["user_agent"] = .string(userAgent) }
      return object
    }
  }

  /// An origin of these parts.
  public init(ip: String? = nil, userAgent: String? = nil) {
    self.ip = ip
    self.userAgent = userAgent
    program = nil
  }

  /// Where a person is, as a program at another origin says that acts for them.
  package init(ip: String?, userAgent: String?, givenBy program: Origin) {
    self.ip = ip
    self.userAgent = userAgent
    self.program = Place(ip: program.ip, userAgent: program.userAgent)
  }

  /// The value that is sealed, or nil where nothing is known.
  package var value: JSON? {
    var object = Place(ip: ip, userAgent: userAgent).members
    if let members = program?.members, !members.isEmpty { object["via"] = .object(members) }
    guard !object.isEmpty else { return nil }
    return .object(object)
  }
}
