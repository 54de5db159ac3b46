import NIOCore
import NIOPosix
import NIOSSL

/// Makes the channels of clients.
enum Connector {
  /// A connected channel, with TLS where the endpoint says so, then what `configure` adds.
  static func connect(
    to endpoint: Endpoint, certificateAuthorities: String?, group: any EventLoopGroup,
    configure: @escaping @Sendable (any Channel) throws -> Void
  ) async throws -> any Channel {
    do {
      let bootstrap = ClientBootstrap(group: group).connectTimeout(.seconds(10))
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
        // An address can't be a server name indication (RFC 6066 §3); the certificate is
        // then checked against the address itself.
        let isAddress = (try? SocketAddress(ipAddress: host, port: port)) != nil  // nil: it is a name
        return try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
            try channel.pipeline.syncOperations.addHandler(handler)
            try configure(channel)
          }
        }.connect(host: host, port: port).get()
      }
    } catch {
      throw ClientError.unreachable("No connection to \(endpoint): \(error)")
    }
  }

  private static func tlsContext(_ certificateAuthorities: String?) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let certificateAuthorities { configuration.trustRoots = .file(certificateAuthorities) }
    return try NIOSSLContext(configuration: configuration)
  }
}
