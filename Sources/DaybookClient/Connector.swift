import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
  import Glibc
#endif

/// Makes the channels of clients.
enum Connector {
  /// How long a connection and its handshake may take.
  private static let patience = TimeAmount.seconds(10)

  /// A connected channel, with TLS where the endpoint says so, then what `configure` adds.
  /// - Throws: ``ClientError/unreachable(_:)`` that says in a sentence why there is none.
  static func connect(
    to endpoint: Endpoint, certificateAuthorities: String?, group: any EventLoopGroup,
    configure: @escaping @Sendable (any Channel) throws -> Void
  ) async throws -> any Channel {
    do {
      let bootstrap = ClientBootstrap(group: group).connectTimeout(patience)
      switch endpoint {
      case .unix(let path):
        return try await bootstrap.channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try configure(channel) }
        }.connect(unixDomainSocketPath: path).get()
      case .tcp(let host, let port):
        return try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try configure(channel) }
        }.connect(host: host, port: port).get()
      case .tls(let host, let port):
        let context = try tlsContext(certificateAuthorities)
        return try await secured(bootstrap, context, host, port, configure)
      }
    } catch let error as ClientError {
      throw error
    } catch {
      let reason = await ConnectionFault.sentence(
        error, endpoint, certificateAuthorities: certificateAuthorities, group: group)
      throw ClientError.unreachable("No connection to \(endpoint): \(reason).")
    }
  }

  /// A channel whose handshake is over.
  private static func secured(
    _ bootstrap: ClientBootstrap, _ context: NIOSSLContext, _ host: String, _ port: Int,
    _ configure: @escaping @Sendable (any Channel) throws -> Void
  ) async throws -> any Channel {
    let handshake = Handshake()
    let channel = try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let handler = try NIOSSLClientHandler(context: context, serverHostname: serverName(host, port))
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.pipeline.syncOperations.addHandler(handshake.watch(on: channel.eventLoop, for: patience))
        try configure(channel)
      }
    }.connect(host: host, port: port).get()
    do {
      try await handshake.finished()
    } catch {
      channel.close(promise: nil)
      throw error
    }
    return channel
  }

  /// An address can't be a server name indication (RFC 6066 §3); the certificate is then checked against the address
  /// itself.
  private static func serverName(_ host: String, _ port: Int) -> String? {
    (try? SocketAddress(ipAddress: host, port: port)) == nil ? host : nil  // nil: it is a name
  }

  private static func tlsContext(_ certificateAuthorities: String?) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let certificateAuthorities {
      guard access(certificateAuthorities, R_OK) == 0 else {
        throw ClientError.unreachable(
          "The certificate authorities can't be read from \(certificateAuthorities): "
            + "\(String(cString: strerror(errno))).")
      }
      configuration.trustRoots = .file(certificateAuthorities)
    }
    return try NIOSSLContext(configuration: configuration)
  }

  /// When the certificate of a server ends, whoever signed it; nil where none is shown.
  static func certificateEnd(_ host: String, _ port: Int, group: any EventLoopGroup) async -> Int64? {
    var configuration = TLSConfiguration.makeClientConfiguration()
    // Only looked at: nothing is sent to it.
    configuration.certificateVerification = .none
    guard let context = try? NIOSSLContext(configuration: configuration) else { return nil }
    let bootstrap = ClientBootstrap(group: group).connectTimeout(patience)
    guard let channel = try? await secured(bootstrap, context, host, port, { _ in }) else { return nil }
    let certificate = try? await channel.nioSSL_peerCertificate().get()
    channel.close(promise: nil)
    return certificate.map { Int64($0.notValidAfter) }
  }
}
