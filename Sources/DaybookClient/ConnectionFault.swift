import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
  import Glibc
#endif

/// What keeps a client from a server, in words: the libraries' errors name system calls and types of theirs.
enum ConnectionFault {
  /// The end of a sentence that begins with "No connection to …: ".
  static func sentence(
    _ error: any Error, _ endpoint: Endpoint, certificateAuthorities: String?, group: any EventLoopGroup
  ) async -> String {
    if let code = systemCode(error) { return words(for: code, endpoint) }
    switch error {
    case let error as NIOConnectionError where error.connectionErrors.isEmpty: return "no host of this name is known"
    case ChannelError.connectTimeout: return "nothing answered within 10 seconds"
    default: break
    }
    guard case .tls(let host, let port) = endpoint else { return String(describing: error) }
    return await tlsWords(String(describing: error), host, port, certificateAuthorities, group)
      ?? {
        String(describing: error)
      }()
  }

  /// The number of the system's error, of the last address that was tried.
  private static func systemCode(_ error: any Error) -> Int32? {
    switch error {
    case let error as IOError: error.errnoCode
    case let error as NIOConnectionError: error.connectionErrors.last.flatMap { systemCode($0.error) }
    default: nil
    }
  }

  private static func words(for code: Int32, _ endpoint: Endpoint) -> String {
    switch (code, endpoint) {
    case (ENOENT, .unix): "there is no such socket"
    case (ECONNREFUSED, .unix): "no server listens on this socket any more"
    case (EACCES, .unix), (EPERM, .unix): "this user may not reach the socket"
    case (ECONNREFUSED, _): "nothing listens on this port"
    default: String(cString: strerror(code)).lowercasedFirst
    }
  }

  /// What is wrong with a handshake; nil where its error isn't known.
  private static func tlsWords(
    _ text: String, _ host: String, _ port: Int, _ authorities: String?, _ group: any EventLoopGroup
  ) async -> String? {
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      if let end = await Connector.certificateEnd(host, port, group: group), end < Int64(time(nil)) {
        return "the server's certificate expired on \(day(end))"
      }
      return authorities.map { "the server's certificate isn't signed by an authority in \($0)" }
        ?? "the server's certificate isn't signed by an authority that this machine trusts"
    }
    if text.contains("failedToValidateHostname") || text.contains("unableToValidateCertificate") {
      return "the server's certificate is for another name than \(host)"
    }
    if ["failedToLoadCertificate", "noSuchFilesystemObject", "NO_CERTIFICATE"].contains(where: text.contains) {
      return "\(authorities ?? "the file of authorities") holds no certificate in PEM"
    }
    if text.contains("WRONG_VERSION_NUMBER") || text.contains("eof") || text.contains("EOF")
      || text.contains("HTTP_REQUEST") || text.contains("uncleanShutdown")
    {
      return "what listens there speaks no TLS"
    }
    return nil
  }

  private static func day(_ seconds: Int64) -> String {
    var moment = time_t(seconds)
    var fields = tm()
    gmtime_r(&moment, &fields)
    func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(fields.tm_year + 1900)-\(two(fields.tm_mon + 1))-\(two(fields.tm_mday))"
  }
}

extension String {
  fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
