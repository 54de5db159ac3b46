import CanonicalJSON
import DaybookClient
import Foundation
import Glibc
import NIOConcurrencyHelpers
import TestBasics
import Testing

extension Acceptance {
  /// Attacks on the real port for HTTP, beside somebody who must not notice. `DAYBOOK_THOROUGH=1` takes the full sizes,
  /// and is for a release build (`DAYBOOK_BINARY`) on a quiet machine.
  @Suite struct HTTPAttackTests {
    /// Runs the body against a server of its own, beside a tenant that sends events over HTTP all the while.
    /// - Parameter memory: How many bytes of memory of its own the server may take on.
    private func unharmed(
      _ what: String, memory limit: Int, _ body: @Sendable (HTTPTarget) async throws -> Void
    ) async throws {
      try await withServer(["--http", "127.0.0.1:0"]) { server in
        let administrator = try await server.client()
        let attacker = try await Tenant.make(administrator, "attacker")
        let other = try await Tenant.make(administrator, "other")
        try await administrator.caughtUp()
        let target = HTTPTarget(address: try await server.httpAddress(), attacker: attacker, other: other)
        let before = try ProcessMemory.anonymous(of: await server.pid)
        let isOver = NIOLockedValueBox(false)
        let peak = Task {
          var peak = 0
          while !isOver.withLockedValue({ $0 }) {
            peak = max(peak, try ProcessMemory.anonymous(of: await server.pid))
            try await Task.sleep(for: .milliseconds(20))
          }
          return peak
        }
        let others = Task { try await blocking { try target.sendEvents(until: { isOver.withLockedValue { $0 } }) } }
        let outcome: Result<Void, any Error>
        do {
          outcome = .success(try await body(target))
        } catch {
          outcome = .failure(error)
        }
        isOver.withLockedValue { $0 = true }
        let took = await others.result
        let grown = try await peak.value - before
        try outcome.get()
        let latencies = try took.get()
        print("\(what): others \(latencies), memory \(grown >> 20) MiB more")
        for (name, p99) in latencies.percentiles(99) {
          #expect(p99 < (isThorough ? .milliseconds(100) : .seconds(20)), "\(what), \(name): p99 \(p99)")
        }
        #expect(grown < limit, "\(what): \(grown >> 20) MiB more")
        #expect(try target.post(target.event(), as: target.other) == 201, "\(what): it goes on afterwards")
        #expect(try await server.terminate() == .code(0))
      }
    }

    @Test(.timeLimit(.minutes(10)))
    func `thousands of connections that are idle, or begin requests and don't end them, keep nobody out`() async throws
    {
      let count = isThorough ? 10_000 : 1000
      try raiseDescriptors(to: count + 500)
      try await unharmed("\(count) connections", memory: 256 << 20) { target in
        try await blocking {
          var open: [RawSocket] = []
          let head = Array(("GET /health/live HTTP/1.1\r\nHost: a\r\nX-A: " + String(repeating: "a", count: 8000)).utf8)
          for number in 0..<count {
            let socket = try RawSocket.connect(to: target.address)
            open.append(socket)
            // Whom the server has sent away meanwhile, since others came, learns it here.
            switch number % 4 {
            case 0: break
            case 1: try? socket.sendNow(head)
            case 2:
              try? socket.sendNow(
                Array(target.head(length: 4_000_000, as: target.attacker).utf8) + Array(repeating: 0x20, count: 8000))
            default: try? socket.sendNow(Array("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            }
            if number % 100 == 99 {
              #expect(try target.post(target.event(), as: target.other) == 201, "behind \(number + 1) connections")
            }
          }
          // All of them are there while somebody else works.
          for _ in 0..<(isThorough ? 1000 : 50) {
            #expect(try target.post(target.event(), as: target.other) == 201)
          }
          for socket in open { socket.close() }
        }
      }
    }

    @Test(.timeLimit(.minutes(10)))
    func `bodies that inflate to far more, nest deep or hold too many events are refused, each with its reason`()
      async throws
    {
      let folder = try TemporaryFolder()
      let size = isThorough ? 3 << 30 : 256 << 20
      let file = folder.path + "/bomb.gz"
      let made = try await runProgram(
        ["sh", "-c", #"head -c "$0" /dev/zero | gzip -9 >"$1""#, "\(size)", file], in: folder, within: .seconds(120))
      try #require(made.status == .code(0), "\(made.errors)")
      let bomb = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
      try await unharmed("bodies of \(bomb.count) bytes that inflate to \(size)", memory: 256 << 20) { target in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<16 {
            group.addTask {
              try await blocking {
                for path in ["/api/v1/lineage", "/api/v1/lineage/batch", "/rpc"] {
                  let status = try target.post(
                    bomb, as: target.attacker, path: path, headers: "Content-Encoding: gzip\r\n")
                  #expect(status == 413, "\(path)")
                }
              }
            }
          }
          try await group.waitForAll()
        }
      }
      try await unharmed("bodies that nest deep, or hold too many events", memory: 256 << 20) { target in
        try await blocking {
          let deep = [UInt8](repeating: UInt8(ascii: "["), count: 4_000_000)
          let many = Array(("[" + repeatElement("{}", count: 10_001).joined(separator: ",") + "]").utf8)
          let lines = Array(String(repeating: "{}\n", count: 1_000_000).utf8)
          let batch = "/api/v1/lineage/batch"
          for _ in 0..<4 {
            var statuses = [try target.post(deep, as: target.attacker)]
            // An error of JSON-RPC is an answer like others.
            statuses.append(try target.post(deep, as: target.attacker, path: "/rpc"))
            statuses.append(try target.post(many, as: target.attacker, path: batch))
            statuses.append(try target.post(lines, as: target.attacker, path: batch, type: "application/x-ndjson"))
            #expect(statuses == [400, 200, 413, 413])
          }
        }
      }
      try await folder.destroy()
    }

    /// Lets this process have so many files open.
    private func raiseDescriptors(to count: Int) throws {
      var limit = rlimit()
      let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
      guard getrlimit(kind, &limit) == 0 else { throw HarnessError.call("getrlimit") }
      guard limit.rlim_cur < count else { return }
      try #require(limit.rlim_max >= count, "\(count) connections need ulimit -Hn \(count)")
      limit.rlim_cur = rlim_t(count)
      guard setrlimit(kind, &limit) == 0 else { throw HarnessError.call("setrlimit") }
    }
  }
}

/// A port for HTTP, and who sends to it.
private struct HTTPTarget: Sendable {
  let address: Endpoint
  let attacker: Tenant
  let other: Tenant

  /// An event of OpenLineage about a new run.
  func event() -> [UInt8] {
    Array(
      """
      {"eventTime":"2026-11-28T18:50:15Z","eventType":"START","job":{"namespace":"http","name":"beside"},\
      "run":{"runId":"\(newID())"},"producer":"https://example.com/p"}
      """.utf8)
  }

  /// The head of a request with a body of that length.
  func head(
    length: Int, as tenant: Tenant, path: String = "/api/v1/lineage", type: String = "application/json",
    headers: String = ""
  ) -> String {
    "POST \(path) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(tenant.apiKey)\r\nContent-Type: \(type)\r\n\(headers)"
      + "Content-Length: \(length)\r\n\r\n"
  }

  /// Sends a body over a new connection, and returns the answer's status.
  func post(
    _ body: [UInt8], as tenant: Tenant, path: String = "/api/v1/lineage", type: String = "application/json",
    headers: String = ""
  ) throws -> Int {
    let socket = try RawSocket.connect(to: address)
    defer { socket.close() }
    let head = head(length: body.count, as: tenant, path: path, type: type, headers: headers + "Connection: close\r\n")
    try socket.sendNow(Array(head.utf8) + body)
    return try status(on: socket)
  }

  /// Sends one event after the other over one connection, and one over a new one now and then.
  /// - Returns: How long their answers took.
  func sendEvents(until isOver: () -> Bool) throws -> Latencies {
    let socket = try RawSocket.connect(to: address)
    defer { socket.close() }
    var took = Latencies()
    var number = 0
    func measured(_ name: String, _ send: () throws -> Int) throws {
      let began = ContinuousClock.now
      let status = try send()
      took.note(name, ContinuousClock.now - began)
      guard status == 201 else { throw HarnessError("\(name) was answered with \(status)") }
    }
    while !isOver() {
      number += 1
      try measured("event") {
        let event = event()
        try socket.sendNow(Array(head(length: event.count, as: other).utf8) + event)
        return try status(on: socket)
      }
      if number % 10 == 1 { try measured("event on a new connection") { try post(event(), as: other) } }
      // Somebody at work, and no attack of its own.
      usleep(5000)
    }
    return took
  }

  /// The status of the next answer, whose head is read.
  private func status(on socket: RawSocket) throws -> Int {
    guard let line = try socket.lineNow(within: .seconds(60)) else { throw HarnessError("no answer in a minute") }
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    guard words.count > 1, let status = Int(words[1]) else { throw HarnessError("no answer of HTTP: \(words)") }
    while let line = try socket.lineNow(), line != [0x0D] {}
    return status
  }
}
