import Refusals

/// Why a call failed.
public enum ClientError: Error, Sendable, Equatable {
  /// The server refused: its refusal as it came.
  case remote(ReceivedRefusal)
  /// The connection ended before the answer came. Whether a command was applied is unknown: ask again with the same
  /// `command_id`.
  case closed(String)
  /// No connection could be made; a sentence that says why.
  case unreachable(String)
  /// A text that names no endpoint.
  case endpoint(String)
  /// The server sent something that isn't the protocol.
  case malformed(String)

  /// The server's refusal; nil where it wasn't the server that refused.
  public var refusal: ReceivedRefusal? {
    if case .remote(let refusal) = self { refusal } else { nil }
  }

  /// What kind of refusal the server answered with; nil where it wasn't the server that refused, and for a code of a
  /// newer server that this client doesn't know.
  public var code: Refusal.Code? { refusal?.code }
}

extension ClientError: CustomStringConvertible {
  /// A sentence for a person.
  public var description: String {
    switch self {
    case .remote(let refusal): refusal.message
    case .closed(let reason): "The connection ended before the answer came: \(reason)"
    case .unreachable(let reason): reason
    case .endpoint(let text): "\(text) is no address: use unix:PATH, tcp:HOST:PORT or tls:HOST:PORT."
    case .malformed(let reason): "The server's answer isn't Daybook's protocol: \(reason)"
    }
  }
}
