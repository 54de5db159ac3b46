#if canImport(Glibc)
  import Glibc
#endif

/// Where load goes: a Unix socket, or a TCP port of this machine.
enum SocketAddress {
  case unix(String)
  case loopback(port: UInt16)

  /// As `--connect` takes it.
  var argument: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .loopback(let port): "tcp:127.0.0.1:\(port)"
    }
  }

  /// A connected, blocking socket.
  func connect() throws(BenchFailure) -> CInt {
    switch self {
    case .unix(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8)
      guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
        throw BenchFailure("\(path) is too long for a socket")
      }
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
      return try Self.connect(AF_UNIX, &address, "can't connect to \(path)")
    case .loopback(let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      let descriptor = try Self.connect(AF_INET, &address, "can't connect to port \(port)")
      var one: CInt = 1
      guard setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
        throw .system("can't set TCP_NODELAY")
      }
      return descriptor
    }
  }

  private static func connect<Address>(
    _ family: CInt, _ address: inout Address, _ action: String
  ) throws(BenchFailure) -> CInt {
    let descriptor = socket(family, CInt(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw .system(action) }
    guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { throw .system(action) }
    let code = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
      }
    }
    guard code == 0 else {
      let failure = BenchFailure.system(action)
      close(descriptor)
      throw failure
    }
    return descriptor
  }
}
