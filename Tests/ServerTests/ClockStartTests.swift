import BasicTypes
import CanonicalJSON
import DaybookClient
import Foundation
import NIOConcurrencyHelpers
import Refusals
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// How a server starts where the machine's clock can't be believed.
@Suite(.timeLimit(.minutes(2))) struct ClockStartTests {
  /// What a client is told of the clock.
  private func standing(_ test: TestServer) async throws -> JSON? {
    let client = try await test.administrator()
    let status = try await client.call("server.status")
    try await client.close()
    return status["clock"]?["standing"]
  }

  private func events(_ test: TestServer) async throws -> [String] {
    let client = try await test.administrator()
    let records = try await client.call("log.read")["records"]?.arrayValue ?? []
    try await client.close()
    return records.compactMap { $0["header"]?["event"]?.stringValue }
  }

  @Test func `long after the last event a start is recorded as doubted, and answers`() async throws {
    try await TemporaryFolder.with { folder in
      let start = Timestamp.now
      let clock = NIOLockedValueBox(start)
      func open() async throws -> TestServer {
        try await TestServer.start(folder: folder.path) {
          $0.clock = { clock.withLockedValue { $0 } }
          $0.uptime = { 90 * 86_400 * 1_000_000 }
        }
      }
      let first = try await open()
      _ = try await first.organization("acme")
      #expect(try await standing(first) == "trusted")
      try await first.stop()
      clock.withLockedValue { $0 = start.adding(seconds: 70 * 86_400) }
      let second = try await open()
      #expect(try await standing(second) == "ahead")
      #expect(try await events(second).suffix(1) == ["clock.doubted"])
      let client = try await second.administrator()
      let problem = try await client.call("server.status")["clock"]?["problem"]?.stringValue
      #expect(problem?.contains("daybook clock confirm") == true)
      _ = try await client.call("clock.confirm", ["reason": "it was off"])
      try await client.close()
      #expect(try await standing(second) == "trusted")
      try await second.stop()
    }
  }

  @Test func `a new catalog that a future event stands in the way of is recorded once the clock is confirmed`()
    async throws
  {
    try await TemporaryFolder.with { folder in
      let start = Timestamp.now
      let clock = NIOLockedValueBox(start.adding(seconds: 365 * 86_400))
      let schema = folder.path + "/schema"
      try FileManager.default.copyItem(atPath: Repository.schema, toPath: schema)
      func open(confirming reason: String? = nil) async throws -> TestServer {
        try await TestServer.start(folder: folder.path) {
          $0.clock = { clock.withLockedValue { $0 } }
          $0.catalogFolder = schema
          $0.confirmedClock = reason
        }
      }
      try await open().stop()
      clock.withLockedValue { $0 = start }
      // The same catalog needs no event.
      let same = try await open()
      #expect(try await standing(same) == "behind")
      try await same.stop()
      let file = URL(fileURLWithPath: schema + "/tool.yaml")
      let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      try Data(text.replacing("A scientific tool", with: "A tool of science").utf8).write(to: file)
      let refusal = await #expect(throws: Refusal.self) { try await open() }
      #expect(refusal?.message.contains("--confirm-clock") == true)
      let confirmed = try await open(confirming: "the clock was a year ahead")
      #expect(try await events(confirmed) == ["catalog.revised", "clock.confirmed", "catalog.revised"])
      #expect(try await standing(confirmed) == "overtaken")
      try await confirmed.stop()
      let again = try await open()
      #expect(try await standing(again) == "overtaken")
      try await again.stop()
    }
  }
}
