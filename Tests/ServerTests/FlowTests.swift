import CanonicalJSON
import DaybookClient
import EventLog
import Foundation
import NIOCore
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// Slow clients, subscriptions and stopping.
@Suite(.timeLimit(.minutes(3))) struct FlowTests {
  /// Bytes of memory that this process uses (proc(5), statm).
  private func residentBytes() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return try #require(Int(fields[1])) * 4096
  }

  @Test func `a client that never reads is no longer read, takes no memory, and delays nobody`() async throws {
    try await TestServer.run { test in
      let slow = try await RawClient.connect(to: test.endpoint("unix"), isReading: false)
      let other = try await test.administrator()
      let document = try await other.call("rpc.discover").canonicalBytes.count
      let before = try residentBytes()
      // Their answers would be some gigabytes.
      let line = #"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"# + "\n"
      let flood = String(repeating: line, count: 1000)
      for _ in 0..<20 { slow.push(flood) }
      for number in 0..<200 {
        _ = try await other.call("organization.create", ["name": "n", "slug": .string("s\(number)")])
      }
      #expect(!slow.isWritable, "the server read on from a client that takes no answers")
      let grown = try residentBytes() - before
      #expect(grown < 400 << 20, "\(grown) bytes for answers of \(document) bytes")
      #expect(try await other.call("server.metrics")["bytes_written"]?.integerValue ?? 0 < 400 << 20)
      // It isn't lost: once it reads, everything is answered.
      try await slow.startReading()
      #expect(try await slow.read(40).allSatisfy { $0["result"] != nil })
      try await slow.close()
      try await other.close()
    }
  }

  @Test func `a subscription tells every event once, in order, from history into what is written meanwhile`()
    async throws
  {
    try await TestServer.run { test in
      let writer = try await test.administrator()
      for number in 0..<500 {
        _ = writer.send("organization.create", ["name": "n", "slug": .string("a\(number)")])
      }
      let subscriber = try await test.administrator()
      let answer = try await subscriber.call("log.subscribe", ["from": 1])
      var replies: [DaybookClient.Reply] = []
      for number in 0..<1500 {
        replies.append(writer.send("organization.create", ["name": "n", "slug": .string("b\(number)")]))
      }
      var last: Int64 = 0
      for reply in replies { last = max(last, try #require(try await reply.value["position"]?.integerValue)) }
      var expected: Int64 = 1
      for await notification in subscriber.notifications {
        #expect(notification.method == "log.event")
        #expect(notification.params["subscription"] == answer["subscription"])
        let position = notification.params["record"]?["header"]?["position"]?.integerValue
        guard position == expected else {
          Issue.record("position \(position ?? 0) came where \(expected) was next")
          break
        }
        if expected == last { break }
        expected += 1
      }
      #expect(expected == last)
      try await writer.close()
      try await subscriber.close()
    }
  }

  @Test func `a subscriber that doesn't read delays no writer, and finds everything when it reads`() async throws {
    try await TestServer.run { test in
      let slow = try await RawClient.connect(to: test.endpoint("unix"), isReading: false)
      try await slow.send(
        #"{"jsonrpc":"2.0","id":1,"method":"log.subscribe","params":{"events":["organization.*"]}}"# + "\n")
      let writer = try await test.administrator()
      let text = JSON.string(String(repeating: "x", count: 4000))
      var replies: [DaybookClient.Reply] = []
      for number in 0..<1500 {
        replies.append(
          writer.send("organization.create", ["name": "n", "slug": .string("s\(number)"), "description": text]))
      }
      for reply in replies { _ = try await reply.value }
      // Two megabytes at most lie in buffers; six were written.
      #expect(try await writer.call("server.metrics")["bytes_written"]?.integerValue ?? 0 < 4 << 20)
      try await slow.startReading()
      let lines = try await slow.read(1501)
      let positions = lines.dropFirst().compactMap { $0["params"]?["record"]?["header"]?["position"]?.integerValue }
      #expect(positions.count == 1500)
      #expect(zip(positions, positions.dropFirst()).allSatisfy { $0 + 1 == $1 })
      try await slow.close()
      try await writer.close()
    }
  }

  @Test func `a subscription tells only of what was asked for, with the bytes as they are stored, until it is ended`()
    async throws
  {
    try await TestServer.run { test in
      let client = try await test.administrator()
      let made = try await client.call("organization.create", ["name": "n", "slug": "a"])
      let id = try #require(made["id"])
      _ = try await client.call("organization.create", ["name": "n", "slug": "b"])
      let first = try await client.call("log.subscribe", ["events": ["organization.edited"]])["subscription"]
      let second = try await client.call("log.subscribe", ["resource_id": id])["subscription"]
      _ = try await client.call("organization.edit", ["id": id, "name": "m"])
      var seen: [String] = []
      for await notification in client.notifications {
        let record = try #require(notification.params["record"])
        let event = try #require(record["header"]?["event"]?.stringValue)
        seen.append("\(notification.params["subscription"] == first ? "events" : "resource") \(event)")
        if seen.count == 3 { break }
      }
      #expect(
        Set(seen) == ["events organization.edited", "resource organization.created", "resource organization.edited"])
      _ = try await client.call("log.unsubscribe", ["subscription": second ?? .null])
      try await client.close()
    }
  }

  @Test func `a stop answers what was taken in, records nothing without an answer, and ends every connection`()
    async throws
  {
    try await TemporaryFolder.with { folder in
      let test = try await TestServer.start(folder: folder.path)
      let services = test.server.services
      let before = services.log.head.position
      let client = try await test.raw()
      var text = ""
      for number in 0..<20_000 {
        text +=
          #"{"jsonrpc":"2.0","id":\#(number),"method":"organization.create","params":{"name":"n","slug":"s\#(number)"}}"#
          + "\n"
      }
      client.push(text)
      let first = try await client.read(300)
      async let stopped: Void = test.stop()
      let answers = try await first + client.rest()
      try await stopped
      let positions = answers.compactMap { $0["result"]?["position"]?.integerValue }
      #expect(positions.count == answers.count)
      let reopened = try await TestServer.start(folder: folder.path)
      let recorded = reopened.server.services.log.head.position - before
      #expect(UInt64(answers.count) == recorded, "every command that was recorded was answered")
      #expect(answers.count < 20_000, "the server stopped before the client had sent everything")
      try await reopened.stop()
    }
  }

  @Test func `a call that won't be answered in time doesn't hold a stop up for longer than allowed`() async throws {
    try await TemporaryFolder.with { folder in
      let test = try await TestServer.start(folder: folder.path) { $0.stopTimeout = .milliseconds(50) }
      let client = try await test.raw()
      let late = #"{"jsonrpc":"2.0","id":1,"method":"log.head","params":{"at_least":1000,"timeout_ms":600000}}"#
      try await client.send(late + "\n")
      #expect(try await client.ask(#"{"jsonrpc":"2.0","id":2,"method":"server.ping"}"#)["id"] == 2)
      try await test.stop()
      #expect(test.server.services.connections.isIdle)
      _ = try await client.rest()
      let again = try await TestServer.start(folder: folder.path)
      try await again.stop()
    }
  }

  @Test func `a stop ends idle connections and subscriptions`() async throws {
    try await TemporaryFolder.with { folder in
      let test = try await TestServer.start(folder: folder.path)
      let idle = try await test.raw("tcp")
      let subscriber = try await test.raw()
      #expect(try await subscriber.ask(#"{"jsonrpc":"2.0","id":1,"method":"log.subscribe"}"#)["result"] != nil)
      try await test.stop()
      #expect(try await idle.rest().isEmpty)
      _ = try await subscriber.rest()
      #expect(!FileManager.default.fileExists(atPath: folder.path + "/data/daybook.sock"))
    }
  }
}
