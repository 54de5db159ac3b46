import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// What a server does on SIGHUP, and what it tells its service manager and its operator.
@Suite(.serialized) struct ReloadTests {
  @Test(.timeLimit(.minutes(3)))
  func `SIGHUP brings a new certificate and a new log file, and ends no connection`() async throws {
    try await withDesk { desk in
      for name in ["one", "two"] { try await desk.makeCertificate(name, for: "localhost") }
      func use(_ name: String) throws {
        for end in ["pem", "key"] {
          try TestFiles.write(TestFiles.bytes("\(desk.folder)/\(name).\(end)"), to: "\(desk.folder)/used.\(end)")
        }
      }
      try use("one")
      let log = desk.folder + "/server.log"
      let url = try await ThrowawayPostgres.database()
      let server = DaybookProcess(
        folder: desk.directory,
        arguments: [
          "--postgres", url, "--tls-certificate", "\(desk.folder)/used.pem", "--tls-key", "\(desk.folder)/used.key",
          "--log-file", log,
        ])
      try await server.start()
      let pid = await server.pid
      let port = try await desk.port()
      try await desk.call("user.create", ["email": "ann@x.example", "role": "admin", "password": "ann of x"])
      func ping(_ authority: String) async throws -> ProgramResult {
        try await desk.daybook(
          "call", "server.ping", "--connect", "tls:localhost:\(port)", "--tls-ca", "\(desk.folder)/\(authority).pem")
      }
      // Connected before, with the first certificate; it couldn't come in again.
      let output = desk.folder + "/tail.jsonl"
      let tail = try SpawnedProcess(
        [
          try Programs.built("daybook"), "tail", "--json", "--connect", "tls:localhost:\(port)", "--tls-ca",
          "\(desk.folder)/one.pem", "--email", "ann@x.example", "--events", "organization.created",
        ], outputFile: output, errorFile: desk.folder + "/tail-errors", environment: ["DAYBOOK_PASSWORD": "ann of x"])
      try desk.directory.note(tail.pid)
      func shows(_ slug: String) async throws {
        _ = try await eventually("the tail shows \(slug)", within: .seconds(60)) {
          // Until it follows it shows nothing of what is made.
          if !TestFiles.text(output).contains(slug) {
            let name: JSON = .string("\(slug)-\(UUID().uuidString.lowercased())")
            try await desk.call("organization.create", ["name": name, "slug": name])
          }
          return TestFiles.text(output).contains(slug) ? true : nil
        }
      }
      try await shows("before")
      try use("two")
      try FileManager.default.moveItem(atPath: log, toPath: log + ".1")
      kill(pid, SIGHUP)
      _ = try await eventually("the log goes on in a new file", within: .seconds(30)) {
        TestFiles.text(log).contains("reloaded") ? true : nil
      }
      #expect(try await ping("two").status == .code(0))
      let old = try await ping("one")
      #expect(old.status == .code(69) && old.errors.contains("isn't signed by an authority"), "\(old.errors)")
      try await shows("after")
      #expect(TestFiles.text(desk.folder + "/tail-errors").isEmpty, "the connection is the one that it was")
      // What can't be used changes nothing.
      try TestFiles.write("no certificate".utf8, to: desk.folder + "/used.pem")
      kill(pid, SIGHUP)
      _ = try await eventually("the log tells it", within: .seconds(30)) {
        TestFiles.text(log).contains("the certificate stays the one that it was") ? true : nil
      }
      #expect(try await ping("two").status == .code(0))
      tail.send(SIGTERM)
      _ = try await tail.wait(within: .seconds(20))
      // What clients are refused is in the log, by method and code, and nothing of what they sent.
      let refused = try await desk.daybook("call", "organization.get", "{\"slug\":\"no-such-tenant\"}")
      #expect(refused.status == .code(1))
      _ = try await eventually("the log has it", within: .seconds(30)) {
        TestFiles.text(log).contains("a call was refused caller=local:0 code=not_found method=organization.get")
          || getuid() != 0 && TestFiles.text(log).contains("a call was refused") ? true : nil
      }
      #expect(!TestFiles.text(log).contains("no-such-tenant"))
      let wrong = try await desk.daybook(
        "call", "server.status", "--connect", "tls:localhost:\(port)", "--tls-ca", "\(desk.folder)/two.pem",
        "--api-key", "dbk_none")
      #expect(wrong.status == .code(1))
      #expect(TestFiles.text(log).contains("a sign-in was refused method=api_key peer=127.0.0.1"))
      #expect(try await server.terminate() == .code(0))
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a service manager hears that the server is ready, lives and stops, and the journal gets levels`() async throws {
    try await withDesk { desk in
      let socket = try NotifySocket(desk.folder + "/notify")
      let url = try await ThrowawayPostgres.database()
      let server = DaybookProcess(folder: desk.directory, listen: "none", arguments: ["--postgres", url])
      try TestFiles.write([UInt8](), to: server.errorFile)
      var status = stat()
      try #require(stat(server.errorFile, &status) == 0)
      try await server.start(environment: [
        "NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "400000",
        "JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)",
      ])
      var heard: [String] = []
      while heard.count(where: { $0 == "WATCHDOG=1" }) < 3 { heard.append(try socket.next()) }
      #expect(heard.contains { $0.hasPrefix("READY=1\nSTATUS=Takes commands on unix:") }, "\(heard)")
      #expect(try await server.terminate() == .code(0))
      while heard.last?.hasPrefix("STOPPING=1") != true { heard.append(try socket.next()) }
      let lines = TestFiles.text(server.errorFile).split(separator: "\n")
      #expect(lines.contains("<6>info daybook: stopped"), "\(lines)")
      #expect(lines.allSatisfy { $0.hasPrefix("<") }, "\(lines)")
    }
  }
}

/// A socket at which a service manager would listen.
private final class NotifySocket {
  let path: String
  private let descriptor: Int32

  init(_ path: String) throws {
    self.path = path
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 }
    }
    var patience = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    try #require(isBound)
  }

  deinit { close(descriptor) }

  /// The next message; half a minute without one is a failure.
  func next() throws -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    try #require(count > 0, "nothing was told")
    return String(decoding: buffer[..<count], as: UTF8.self)
  }
}
