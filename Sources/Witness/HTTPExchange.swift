import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

#if canImport(Glibc)
  import Glibc
#endif

/// One request over HTTP or HTTPS, and its answer.
public struct HTTPExchange: Sendable {
  /// Why there was no answer: a sentence.
  public struct Fault: Error, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String
  }

  /// What a server answered.
  public struct Answer: Sendable {
    /// The status code.
    public let status: Int
    /// The body.
    public let text: String
  }

  private let isSecure: Bool
  private let host: String
  private let port: Int
  private let path: String
  private let patience: TimeAmount
  private let certificateAuthorities: String?

  /// Whether what is sent can't be read on its way: HTTPS, or this machine.
  public var isPrivate: Bool { isSecure || ["127.0.0.1", "::1", "localhost"].contains(host) }

  /// An exchange with what a URL names.
  /// - Parameters:
  ///   - patience: How long the answer may take, from the connection's beginning on.
  ///   - certificateAuthorities: A PEM file of authorities to trust besides the system's.
  /// - Returns: nil for what is no URL of http:// or https://.
  public init?(url: String, patience: TimeAmount = .seconds(10), certificateAuthorities: String? = nil) {
    let scheme = url.hasPrefix("https://") ? "https://" : "http://"
    let rest = url.dropFirst(scheme.utf8.count)
    let authority = rest.prefix { !"/?".contains($0) }
    guard url.hasPrefix(scheme), !authority.isEmpty, !authority.contains("@") else { return nil }
    isSecure = scheme == "https://"
    var name = authority
    var number: Substring?
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
      name = authority[authority.index(after: authority.startIndex)..<end]
      let after = authority[authority.index(after: end)...]
      guard after.isEmpty || after.hasPrefix(":") else { return nil }
      number = after.isEmpty ? nil : after.dropFirst()
    } else if let colon = authority.lastIndex(of: ":") {
      name = authority[..<colon]
      number = authority[authority.index(after: colon)...]
    }
    guard !name.isEmpty else { return nil }
    host = String(name)
    if let number {
      guard let port = Int(number), (1...65_535).contains(port) else { return nil }
      self.port = port
    } else {
      port = isSecure ? 443 : 80
    }
    path = String(rest.dropFirst(authority.utf8.count))
    self.patience = patience
    self.certificateAuthorities = certificateAuthorities
  }

  /// Sends a request and waits for the answer.
  /// - Parameters:
  ///   - body: What is sent, and its type; nil asks with GET.
  ///   - limit: The most bytes that an answer may have.
  /// - Throws: ``Fault`` where none comes.
  public func send(_ body: (text: String, type: String)?, limit: Int) async throws(Fault) -> Answer {
    do {
      return try await exchange(body, limit: limit)
    } catch let fault as Fault {
      throw fault
    } catch {
      throw Fault(description: "\(host):\(port) can't be reached: \(words(for: error)).")
    }
  }

  /// What keeps it from the server, in words: the libraries' errors name system calls and types of theirs.
  private func words(for error: any Error) -> String {
    switch error {
    case let error as IOError:
      return error.errnoCode == ECONNREFUSED
        ? "nothing listens on this port" : String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
      guard let last = error.connectionErrors.last else { return "no host of this name is known" }
      return words(for: last.error)
    case ChannelError.connectTimeout: return "nothing answered in \(patience.nanoseconds / 1_000_000_000) s"
    default: break
    }
    let text = String(describing: error)
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return "its certificate isn't signed by an authority that this machine trusts"
    }
    if text.contains("failedToValidateHostname") || text.contains("unableToValidateCertificate") {
      return "its certificate is for another name"
    }
    return text
  }

  private func exchange(_ body: (text: String, type: String)?, limit: Int) async throws -> Answer {
    let host = host
    let context = isSecure ? try NIOSSLContext(configuration: configuration) : nil
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(patience)
      .connect(host: host, port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let context { try pipeline.addHandler(Self.handler(context, host)) }
          try pipeline.addHTTPClientHandlers()
          return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
            wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      let timeout = channel.channel.eventLoop.scheduleTask(in: patience) { channel.channel.close(promise: nil) }
      defer { timeout.cancel() }
      var head = HTTPRequestHead(
        version: .http1_1, method: body == nil ? .GET : .POST, uri: path.hasPrefix("/") ? path : "/\(path)")
      head.headers.add(name: "host", value: host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
      head.headers.add(name: "connection", value: "close")
      if let body {
        head.headers.add(name: "content-type", value: body.type)
        head.headers.add(name: "content-length", value: "\(body.text.utf8.count)")
      }
      try await outbound.write(.head(head))
      if let body { try await outbound.write(.body(.byteBuffer(ByteBuffer(string: body.text)))) }
      try await outbound.write(.end(nil))
      var status: Int?
      var text = ""
      for try await part in inbound {
        switch part {
        case .head(let response): status = Int(response.status.code)
        case .body(let buffer):
          guard text.utf8.count + buffer.readableBytes <= limit else {
            throw Fault(description: "\(host):\(port) answers more than \(limit) bytes.")
          }
          text += String(buffer: buffer)
        case .end: break
        }
        if case .end = part { break }
      }
      guard let status else {
        throw Fault(description: "\(host):\(port) did not answer in \(patience.nanoseconds / 1_000_000_000) s.")
      }
      return Answer(status: status, text: text)
    }
  }

  private var configuration: TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let certificateAuthorities { configuration.additionalTrustRoots = [.file(certificateAuthorities)] }
    return configuration
  }

  /// An address is no name that a certificate's server could be asked for.
  private static func handler(_ context: NIOSSLContext, _ host: String) throws -> NIOSSLClientHandler {
    let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
    return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
  }
}
