import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

#if canImport(Glibc)
  import Glibc
#endif

/// The sockets on which a server listens.
struct Listeners: Sendable {
  private let channels: [any Channel]
  private let socket: UnixSocket?
  /// What TLS clients are shown; nil where there is no TLS.
  let identity: TLSIdentity?
  /// The name of the handler that speaks TLS.
  static let tlsHandler = "tls"
  /// Where clients reach them, as `unix:…`, `tcp:…` or `tls:…`, and `http://…` or `https://…`.
  let addresses: [String]

  /// Opens all that the configuration names. Clients can connect, and are taken in by ``accept()``.
  /// - Throws: ``ServerStartError``.
  static func open(_ services: Services, group: any EventLoopGroup) async throws -> Listeners {
    let configuration = services.configuration
    var channels: [any Channel] = []
    var addresses: [String] = []
    let path = configuration.socketPath ?? DataFolder(configuration.dataFolder).socket
    let identity = try configuration.tls.map { try TLSIdentity($0) }
    let socket = try UnixSocket(path: path, isShared: !configuration.allowedUserIDs.isEmpty)
    do {
      channels.append(try await bindUnix(socket, services, group))
      addresses.append("unix:\(path)")
      if let listen = configuration.listen {
        let (channel, address) = try await bindTCP(listen.host, listen.port, identity, services, group)
        channels.append(channel)
        addresses.append(address)
      }
      if let http = configuration.http {
        do {
          let (channel, address) = try await bindTCP(
            http.host, http.port, identity, services, group, speaksHTTP: true)
          channels.append(channel)
          addresses.append(address)
        } catch  where configuration.isHTTPOptional {
          services.logger.warning(
            "there is no HTTP: its default address is taken; give another with --http, or none",
            metadata: ["address": "\(http.host):\(http.port)", "cause": "\(error)"])
        }
      }
    } catch {
      for channel in channels { channel.close(promise: nil) }
      if channels.isEmpty { socket.closeDescriptor() }
      socket.removeFile()
      throw error
    }
    return Listeners(channels: channels, socket: socket, identity: identity, addresses: addresses)
  }

  /// Begins to take clients in.
  func accept() async throws {
    for channel in channels { try await channel.setOption(.autoRead, value: true).get() }
  }

  /// Accepts no more clients.
  func close() async {
    for channel in channels {
      do {
        try await channel.close().get()
      } catch {
        // It is closed, which was all that was wanted.
      }
    }
    socket?.removeFile()
  }

  private static func bootstrap(_ group: any EventLoopGroup, _ services: Services) -> ServerBootstrap {
    let sockets = services.connections.limit + Descriptors.turnedAway
    return ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 512)
      .serverChannelOption(.autoRead, value: false)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptGate(limit: sockets))
        }
      }
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.writeBufferWaterMark, value: Connection.writeWatermarks)
      .childChannelOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 8192, maximum: 128 << 10))
  }

  private static func bindUnix(
    _ socket: UnixSocket, _ services: Services, _ group: any EventLoopGroup
  ) async throws -> any Channel {
    try await bootstrap(group, services)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let peer = try localPeer(channel, services)
          let connection = Connection(services: services, peer: peer, eventLoop: channel.eventLoop)
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
      .withBoundSocket(socket.descriptor).get()
  }

  /// Who is at the other end, by `SO_PEERCRED` (unix(7)).
  private static func localPeer(_ channel: any Channel, _ services: Services) throws -> Peer {
    guard let provider = channel as? any SocketOptionProvider else {
      throw ServerStartError("This system doesn't tell who is at the other end of a Unix socket.")
    }
    var credentials = PeerCredentials()
    let future: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
      level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
    // The channel is on its event loop, so the answer is there already.
    var failure: (any Error)?
    future.assumeIsolated().whenComplete { result in
      switch result {
      case .success(let found): credentials = found
      case .failure(let error): failure = error
      }
    }
    if let failure { throw failure }
    let uid = credentials.uid
    let isAllowed = uid == geteuid() || uid == 0 || services.configuration.allowedUserIDs.contains(uid)
    return .local(uid: uid, isAllowed: isAllowed)
  }

  private static func bindTCP(
    _ host: String, _ port: Int, _ identity: TLSIdentity?, _ services: Services, _ group: any EventLoopGroup,
    speaksHTTP: Bool = false
  ) async throws -> (any Channel, String) {
    let address = try checkedAddress(host, port, services.configuration)
    let bootstrap = bootstrap(group, services)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.socketOption(.so_keepalive), value: 1)
      .childChannelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE)), value: 60)
      .childChannelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL)), value: 15)
      .childChannelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPCNT)), value: 4)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let identity {
            let handler = NIOSSLServerHandler(context: identity.context)
            try channel.pipeline.syncOperations.addHandler(handler, name: tlsHandler)
          }
          let peer = Peer.remote(address: channel.remoteAddress?.ipAddress ?? "unknown")
          let connection = Connection(
            services: services, peer: peer, eventLoop: channel.eventLoop, speaksHTTP: speaksHTTP)
          if speaksHTTP { try addDecoder(channel, connection) }
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
    do {
      let channel = try await bootstrap.bind(to: address).get()
      let bound = channel.localAddress?.port ?? port
      let shown = host.contains(":") ? "[\(host)]" : host
      let scheme = speaksHTTP ? (identity == nil ? "http://" : "https://") : (identity == nil ? "tcp:" : "tls:")
      return (channel, "\(scheme)\(shown):\(bound)")
    } catch {
      let option = speaksHTTP ? "--http" : "--listen"
      let known = (error as? IOError).map { reason(of: $0.errnoCode, port) }
      throw fault(host, port, option, known ?? String(describing: error))
    }
  }

  /// Says before anything is made on the disk that an address that was asked for can't be listened on.
  static func check(_ configuration: ServerConfiguration) throws(ServerStartError) {
    var asked: [(host: String, port: Int, option: String)] = []
    if let (host, port) = configuration.listen { asked.append((host, port, "--listen")) }
    if let (host, port) = configuration.http, !configuration.isHTTPOptional { asked.append((host, port, "--http")) }
    for (host, port, option) in asked {
      let code = try checkedAddress(host, port, configuration).withSockAddr { address, length -> Int32 in
        let descriptor = Glibc.socket(Int32(address.pointee.sa_family), Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { Glibc.close(descriptor) }
        var isReused: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<CInt>.size))
        return Glibc.bind(descriptor, address, socklen_t(length)) == 0 ? 0 : errno
      }
      if code != 0 { throw fault(host, port, option, reason(of: code, port)) }
    }
  }

  private static func fault(_ host: String, _ port: Int, _ option: String, _ reason: String) -> ServerStartError {
    ServerStartError("Can't listen on \(host):\(port) (\(option)): \(reason).")
  }

  /// Why an address can't be listened on, and what helps.
  private static func reason(of code: Int32, _ port: Int) -> String {
    switch code {
    case EADDRINUSE: return "another program listens there already; stop it, or choose another port"
    case EADDRNOTAVAIL: return "this machine has no such address"
    case EACCES where port < 1024: return "a port below 1024 takes root, or the capability CAP_NET_BIND_SERVICE"
    default: return String(cString: strerror(code))
    }
  }

  /// Puts what reads HTTP before a connection.
  private static func addDecoder(_ channel: any Channel, _ connection: Connection) throws {
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(HTTPBytes(connection))
    try pipeline.addHandler(
      ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: HTTPParts.limits)))
    try pipeline.addHandler(HTTPParts(connection))
  }

  /// An address on which may be listened: beyond loopback only with TLS, or where it was said to go without.
  static func checkedAddress(
    _ host: String, _ port: Int, _ configuration: ServerConfiguration
  ) throws(ServerStartError) -> SocketAddress {
    let address: SocketAddress
    do {
      address = try SocketAddress.makeAddressResolvingHost(host, port: port)
    } catch {
      let reason = error is SocketAddressError ? "no host of this name is known" : String(describing: error)
      throw ServerStartError("Can't find the address \(host): \(reason).")
    }
    guard configuration.tls != nil || configuration.isInsecure || address.isLoopback else {
      throw ServerStartError(
        "\(host) can be reached from other machines: give --tls-certificate and --tls-key, or --insecure to go without."
      )
    }
    return address
  }
}

/// `struct ucred` of Linux.
private struct PeerCredentials: Sendable {
  var pid: Int32 = 0
  var uid: UInt32 = .max
  var gid: UInt32 = .max
}

extension SocketAddress {
  /// Whether only processes of this machine reach it.
  fileprivate var isLoopback: Bool {
    switch self {
    case .v4: ipAddress?.hasPrefix("127.") == true
    case .v6: ipAddress == "::1"
    case .unixDomainSocket: true
    }
  }
}
