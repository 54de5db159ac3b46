#if canImport(Glibc)
  import Glibc
#endif

/// Tells systemd how the server is, where it was started by it with `Type=notify` (sd_notify(3)): text in a datagram to
/// the socket that `NOTIFY_SOCKET` names.
struct ServiceManager: Sendable {
  private let socket: String
  /// How often systemd wants to hear that the server lives; nil where it doesn't watch.
  let watchdog: Duration?

  /// Nil where no service manager listens.
  init?(socket: String? = Self.variable("NOTIFY_SOCKET"), watchdogMicroseconds: String? = Self.watchdogVariable) {
    guard let socket, socket.hasPrefix("/") || socket.hasPrefix("@") else { return nil }
    self.socket = socket
    watchdog = watchdogMicroseconds.flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0) : nil }
  }

  /// Sends assignments such as `READY=1`, a line each. A service manager that is gone is no error of ours.
  func tell(_ assignments: String) {
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // A name that begins with @ is one without a file: its first byte is zero (unix(7)).
    let name = Array(socket.utf8).enumerated().map { $0 == 0 && $1 == UInt8(ascii: "@") ? 0 : $1 }
    guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    let bytes = Array(assignments.utf8)
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
  }

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// What `WATCHDOG_USEC` says, where it is said of this process.
  private static var watchdogVariable: String? {
    if let pid = variable("WATCHDOG_PID"), pid != "\(getpid())" { return nil }
    return variable("WATCHDOG_USEC")
  }
}
