import CanonicalJSON
import DaybookClient
import Foundation
import Glibc
import TestBasics

// Invariant behind @unchecked: one task at a time uses it, and its calls are waited for.
/// A socket and its bytes, as `nc` has them: nothing is known of the protocol but the line end.
final class RawSocket: @unchecked Sendable {
  private let descriptor: CInt
  private var isClosed = false
  private var buffer: [UInt8] = []

  private init(_ descriptor: CInt) { self.descriptor = descriptor }

  deinit { close() }

  /// Connects; `source` is the IPv4 address to come from.
  static func connect(to endpoint: Endpoint, from source: String? = nil) throws -> RawSocket {
    switch endpoint {
    case .unix(let path):
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { throw HarnessError.call("socket") }
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8)
      guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
        throw HarnessError("a long path: \(path)")
      }
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
      let code = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      guard code == 0 else { throw HarnessError.call("connect \(path)") }
      return RawSocket(descriptor)
    case .tcp(let host, let port), .tls(let host, let port):
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { throw HarnessError.call("socket") }
      if let source {
        guard Self.with(host: source, port: 0, { bind(descriptor, $0, $1) }) == 0 else {
          throw HarnessError.call("bind")
        }
      }
      guard Self.with(host: host, port: port, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
        throw HarnessError.call("connect \(host):\(port)")
      }
      return RawSocket(descriptor)
    }
  }

  private static func with(host: String, port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr(host)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }

  /// Closes it, once: another file may have the number by the second time.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    Glibc.close(descriptor)
  }

  /// Sends bytes as they are.
  func send(_ bytes: [UInt8]) async throws { try await blocking { try self.sendNow(bytes) } }

  /// The same on this thread.
  func sendNow(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { raw in
        Glibc.send(descriptor, raw.baseAddress, raw.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw HarnessError.call("send") }
      sent += count
    }
  }

  /// Sends a line; `\n` is added.
  func send(_ line: String) async throws { try await send(Array(line.utf8) + [0x0A]) }

  /// The next line without its end; nil where none comes in time.
  func line(within limit: Duration = .seconds(20)) async throws -> [UInt8]? {
    try await blocking { try self.lineNow(within: limit) }
  }

  /// The same on this thread.
  func lineNow(within limit: Duration = .seconds(20)) throws -> [UInt8]? {
    let deadline = ContinuousClock.now + limit
    while true {
      if let end = buffer.firstIndex(of: 0x0A) {
        defer { buffer.removeSubrange(...end) }
        return Array(buffer[..<end])
      }
      let left = deadline - ContinuousClock.now
      guard left > .zero else { return nil }
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let milliseconds = Int32(
        clamping: left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000)
      guard Glibc.poll(&poll, 1, max(1, milliseconds)) > 0 else { continue }
      var chunk = [UInt8](repeating: 0, count: 1 << 16)
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0 else { throw HarnessError("the server closed the connection") }
      buffer += chunk[..<count]
    }
  }

  /// The next line as JSON.
  func answer(within limit: Duration = .seconds(20)) async throws -> JSON {
    guard let line = try await line(within: limit) else { throw HarnessError("no answer within \(limit)") }
    return try JSON.parse(line)
  }

  /// Sends a line and returns the next one that comes.
  func ask(_ line: String) async throws -> JSON {
    try await send(line)
    return try await answer()
  }

  /// Sends a call and returns the answer that bears its id.
  func call(_ method: String, _ params: JSONObject = [:], id: JSON = "call") async throws -> JSON {
    let answer = try await ask(
      JSON.object(["id": id, "jsonrpc": "2.0", "method": .string(method), "params": .object(params)]).canonicalString)
    guard answer["id"] == id else { throw HarnessError("an answer to something else: \(answer.canonicalString)") }
    return answer
  }

  /// Makes a call on this thread, and returns its result.
  /// - Throws: `HarnessError` where it is refused, or not answered within a minute.
  func callNow(_ method: String, _ params: JSONObject) throws -> JSON {
    let call: JSONObject = ["id": 1, "jsonrpc": "2.0", "method": .string(method), "params": .object(params)]
    try sendNow(JSON.object(call).canonicalBytes + [0x0A])
    guard let line = try lineNow(within: .seconds(60)) else { throw HarnessError("no answer to \(method)") }
    let answer = try JSON.parse(line)
    guard let result = answer["result"] else { throw HarnessError("\(method): \(answer.canonicalString)") }
    return result
  }
}
