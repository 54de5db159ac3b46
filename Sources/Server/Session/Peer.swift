import Access
import Domain
import Refusals

/// The other end of a connection, as the operating system tells it.
struct Peer: Sendable {
  /// Who it is without signing in: the local administrator on the Unix socket; nil over TCP.
  let principal: Principal?
  /// Its address; nil on the Unix socket.
  let address: String?
  /// What failed sign-ins are counted by, and what our own log calls it.
  let source: Source
  /// Why it isn't let in at all.
  let refusal: Refusal?

  /// A process of the given user on the Unix socket. Its own uid, the server's and root's, and those allowed besides,
  /// are local administrators.
  static func local(uid: UInt32, isAllowed: Bool) -> Peer {
    let refusal = Refusal.forbidden(permission: "admin", "The server does not let the user id \(uid) in.")
    return Peer(
      principal: isAllowed ? .localAdministrator(uid: uid) : nil, address: nil, source: .local(uid: uid),
      refusal: isAllowed ? nil : refusal)
  }

  /// A client at a network address, without its port.
  static func remote(address: String) -> Peer {
    Peer(principal: nil, address: address, source: Source(address: address), refusal: nil)
  }

  /// What events keep, sealed, about where a command came from.
  func origin(for session: Session) -> Origin {
    Origin(ip: address, userAgent: session.userAgent)
  }
}
