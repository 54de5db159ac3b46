/// Where a server is: `unix:PATH`, `tcp:HOST:PORT` or `tls:HOST:PORT`.
public enum Endpoint: Sendable, Equatable {
  /// The path of a Unix socket.
  case unix(String)
  /// A host name or address, and a port, without encryption.
  case tcp(host: String, port: Int)
  /// A host name or address, and a port, with TLS.
  case tls(host: String, port: Int)

  /// The endpoint that a text names. An IPv6 address stands in brackets (`tcp:[::1]:7717`).
  /// - Throws: ``ClientError/endpoint(_:)`` where it names none.
  public static func parse(_ text: String) throws(ClientError) -> Endpoint {
    guard let colon = text.firstIndex(of: ":") else { throw .endpoint(text) }
    let rest = text[text.index(after: colon)...]
    switch text[..<colon] {
    case "unix":
      guard !rest.isEmpty else { throw .endpoint(text) }
      return .unix(String(rest))
    case "tcp":
      guard let address = hostAndPort(rest) else { throw .endpoint(text) }
      return .tcp(host: address.host, port: address.port)
    case "tls":
      guard let address = hostAndPort(rest) else { throw .endpoint(text) }
      return .tls(host: address.host, port: address.port)
    default:
      throw .endpoint(text)
    }
  }

  private static func hostAndPort(_ text: Substring) -> (host: String, port: Int)? {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (1...65_535).contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    return host.isEmpty ? nil : (String(host), port)
  }
}

extension Endpoint: CustomStringConvertible {
  /// The text that ``parse(_:)`` reads back.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): "tcp:\(Self.bracketed(host)):\(port)"
    case .tls(let host, let port): "tls:\(Self.bracketed(host)):\(port)"
    }
  }

  private static func bracketed(_ host: String) -> String {
    host.contains(":") ? "[\(host)]" : host
  }
}
