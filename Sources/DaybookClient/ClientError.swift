import CanonicalJSON
import Protocol

/// Why a call failed.
public enum ClientError: Error, Sendable, Equatable {
  /// The server refused: its error as it came.
  case remote(code: Int, type: String, message: String, data: JSONObject)
  /// The connection ended before the answer came. Whether a command was applied is unknown: ask again with the same `command_id`.
  case closed(String)
  /// No connection could be made; a sentence that says why.
  case unreachable(String)
  /// A text that names no endpoint.
  case endpoint(String)
  /// The server sent something that isn't the protocol.
  case malformed(String)

  /// The server's error in this form.
  public init(_ error: ErrorObject) {
    self = .remote(code: error.code, type: error.type, message: error.message, data: error.data)
  }

  /// The server's word for its error (`not_found`), or nil where it wasn't the server that refused.
  public var remoteType: String? {
    if case .remote(_, let type, _, _) = self { type } else { nil }
  }
}

extension ClientError: CustomStringConvertible {
  /// A sentence for a person.
  public var description: String {
    switch self {
    case .remote(_, _, let message, _): message
    case .closed(let reason): "The connection ended before the answer came: \(reason)"
    case .unreachable(let reason): reason
    case .endpoint(let text): "\(text) is no address: use unix:PATH, tcp:HOST:PORT or tls:HOST:PORT."
    case .malformed(let reason): "The server's answer isn't Daybook's protocol: \(reason)"
    }
  }
}
