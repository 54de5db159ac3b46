import CanonicalJSON
import DaybookClient
import Foundation
import NIOConcurrencyHelpers
import NIOPosix
import Refusals
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// What answers take that nobody takes.
@Suite(.timeLimit(.minutes(4))) struct AnswerMemoryTests {
  private static let logRead =
    #"{"jsonrpc":"2.0","id":1,"method":"log.read","params":{"from":3,"limit":1000}}"# + "\n"

  /// A log whose `log.read` has answers of megabytes.
  private func fill(_ client: DaybookClient, _ count: Int = 1000) async throws {
    let text = JSON.string(String(repeating: "x", count: 3000))
    for start in stride(from: 0, to: count, by: 250) {
      let commands = (start..<start + 250).map { number -> JSON in
        [
          "method": "organization.create",
          "params": ["name": "n", "slug": .string("s\(number)"), "description": text],
        ]
      }
      _ = try await client.call("batch.apply", ["commands": .array(commands)])
    }
  }

  private func figures(_ client: DaybookClient) async throws -> JSON {
    try #require(try await client.call("server.metrics")["answers"])
  }

  /// Bytes of memory that a process uses (proc(5), statm).
  private func residentBytes(of process: pid_t) throws -> Int {
    let fields = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8).split(separator: " ")
    return try #require(Int(fields[1])) * 4096
  }

  @Test func `a client that takes no answers has one large one made, and the others once it takes them`()
    async throws
  {
    // A process of its own: what other tests use besides would be counted here.
    try await withServer(listen: "none") { server in
      let endpoint = try Endpoint.parse(server.unixAddress)
      let other = try await DaybookClient.connect(to: endpoint)
      try await fill(other)
      let size = try await other.call("log.read", ["from": 3, "limit": 1000]).canonicalBytes.count
      try #require(size > 1 << 20)
      let before = try residentBytes(of: await server.pid)
      let slow = try await RawClient.connect(to: endpoint, isReading: false)
      slow.push(String(repeating: Self.logRead, count: 15))
      _ = try await eventually("an answer waits to be taken", within: .seconds(60)) { () -> Bool? in
        try await figures(other)["held_bytes"]?.integerValue ?? 0 >= Int64(size / 2) ? true : nil
      }
      for number in 0..<200 {
        _ = try await other.call("organization.create", ["name": "n", "slug": .string("later\(number)")])
      }
      let held = try await figures(other)
      #expect(held["connection_bytes_max"]?.integerValue ?? 0 < Int64(2 * size + (2 << 20)), "\(held.canonicalString)")
      let grown = try residentBytes(of: await server.pid) - before
      #expect(grown < 128 << 20, "\(grown) bytes for answers of \(size) bytes")
      // None is lost: once it reads, all are answered, each in full.
      try await slow.startReading()
      let answers = try await slow.read(15)
      #expect(answers.count == 15)
      #expect(answers.allSatisfy { $0["result"]?["records"]?.arrayValue?.count ?? 0 > 100 })
      #expect(try await figures(other)["held_bytes"]?.integerValue ?? -1 < 1 << 20)
      try await slow.close()
      try await other.close()
    }
  }

  @Test func `clients that have left cost nothing, and hold no stop up`() async throws {
    try await withServer(listen: "none") { server in
      let endpoint = try Endpoint.parse(server.unixAddress)
      let other = try await DaybookClient.connect(to: endpoint)
      try await fill(other)
      let before = try residentBytes(of: await server.pid)
      var clients: [RawClient] = []
      for _ in 0..<60 {
        let client = try await RawClient.connect(to: endpoint, isReading: false)
        client.push(String(repeating: Self.logRead, count: 100))
        clients.append(client)
      }
      _ = try await other.call("server.ping")
      for client in clients { try await client.close() }
      _ = try await eventually("all of them are gone", within: .seconds(30)) { () -> Bool? in
        try await other.call("server.metrics")["connections"]?["open"] == 1 ? true : nil
      }
      let asked = ContinuousClock.now
      _ = try await other.call("log.read", ["from": 3, "limit": 1000])
      #expect(ContinuousClock.now - asked < .seconds(10), "nothing of theirs is before it")
      let held = try await figures(other)
      #expect(held["held_bytes"]?.integerValue ?? -1 < 1 << 20)
      let grown = try residentBytes(of: await server.pid) - before
      #expect(grown < 256 << 20, "\(grown) bytes")
      let begin = ContinuousClock.now
      #expect(try await server.terminate(within: .seconds(20)) == .code(0))
      #expect(ContinuousClock.now - begin < .seconds(10))
    }
  }

  @Test func `who takes nothing makes room for those who wait for it`() async throws {
    try await TestServer.run {
      $0.answerMemory = .init(
        bytes: 12 << 20, reservation: 4 << 20, patience: .seconds(30), stall: .milliseconds(500))
    } _: { test in
      let other = try await test.administrator()
      try await fill(other)
      var slow: [RawClient] = []
      for _ in 0..<8 {
        let client = try await RawClient.connect(to: test.endpoint("unix"), isReading: false)
        client.push(String(repeating: Self.logRead, count: 10))
        slow.append(client)
      }
      // More than there is room for: whoever reads is answered all the same.
      for _ in 0..<10 {
        #expect(try await other.call("log.read", ["from": 3, "limit": 1000])["records"]?.arrayValue?.isEmpty == false)
      }
      _ = try await eventually("the stalled are closed", within: .seconds(60)) { () -> Bool? in
        try await figures(other)["connections_closed"]?.integerValue ?? 0 > 0 ? true : nil
      }
      #expect(try await figures(other)["held_bytes_max"]?.integerValue ?? .max < 24 << 20)
      for client in slow { try await client.close() }
      try await other.close()
    }
  }

  private func outbox() -> Outbox { Outbox(eventLoop: MultiThreadedEventLoopGroup.singleton.next()) {} }

  @Test func `of a connection's large answers one is kept at a time, and one that came too early is made again`()
    async throws
  {
    let large = LargeAnswers(memory: AnswerMemory(), outbox: outbox(), makeRoom: {})
    let made = NIOLockedValueBox<[String]>([])
    typealias Made = (bytes: [UInt8], claim: LargeAnswers.Claim?)
    @Sendable func make(_ name: String, bytes: Int = 1 << 20) async throws -> Made {
      try await large.make(name, isRepeatable: true) {
        made.withLockedValue { $0.append(name) }
        return [UInt8](repeating: 0, count: bytes)
      }
    }
    let first = try #require(try await make("first").claim, "a large answer has a claim")
    @Sendable func makeAndEnd(_ name: String) async throws { large.end(try #require(try await make(name).claim)) }
    async let again: Void = makeAndEnd("first")
    async let early: Void = makeAndEnd("early")
    // A small one waits for nobody.
    #expect(try await make("small", bytes: 100).claim == nil)
    while !made.withLockedValue({ $0.contains("early") }) { await Task.yield() }
    let waiting = Task { try await make("first") }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
    #expect(made.withLockedValue { $0.sorted() } == ["early", "first", "small"])
    large.end(first)
    try await again
    try await early
    #expect(made.withLockedValue { $0.sorted() } == ["early", "early", "first", "first", "small"])
    // What isn't to be repeated is made once, whatever its size.
    let once = try await large.make("once", isRepeatable: false) { [UInt8](repeating: 0, count: 1 << 20) }
    #expect(once.claim == nil && once.bytes.count == 1 << 20)
  }

  @Test func `a large answer waits for room, and is refused where there is none in time`() async throws {
    let memory = AnswerMemory(
      limits: .init(bytes: 1000, reservation: 600, patience: .milliseconds(300), stall: .seconds(1)))
    #expect(memory.tryReserve(5000), "where nothing is held any answer has room")
    memory.release(5000)
    memory.changed(by: 500, ofConnection: 500)
    #expect(memory.isTight)
    #expect(!memory.tryReserve(600))
    let asked = NIOLockedValueBox(0)
    let refused = await #expect(throws: Refusal.self) {
      try await memory.reserve(600) { asked.withLockedValue { $0 += 1 } }
    }
    #expect(refused?.code == .overloaded)
    #expect(asked.withLockedValue { $0 } > 0, "others were asked to make room")
    async let later: Void = memory.reserve(600) {}
    while memory.figures.waiting == 0 { await Task.yield() }
    memory.changed(by: -200, ofConnection: 300)
    try await later
    #expect(memory.figures.held == 300 && memory.figures.mostHeld == 500 && memory.figures.mostOfConnection == 500)
  }
}
