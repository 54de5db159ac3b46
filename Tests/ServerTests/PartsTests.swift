import CanonicalJSON
import DaybookClient
import Domain
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Server

/// The parts of a connection.
@Suite struct PartsTests {
  @Test func `a query waits for exactly the commands before it, in whatever order they are answered`() async throws {
    let tracker = CommandTracker()
    #expect(tracker.position(after: 0) == 0)
    tracker.complete(2, position: nil)
    #expect(tracker.position(after: 1) == nil && tracker.position(after: 2) == nil)
    async let second = tracker.wait(for: 2)
    tracker.complete(3, position: 9)
    tracker.complete(1, position: 5)
    #expect(try await second == 9)
    #expect(tracker.position(after: 3) == 9 && tracker.position(after: 4) == nil)
  }

  @Test func `a wait for commands ends when its task is cancelled`() async throws {
    let tracker = CommandTracker()
    let waiting = Task { try await tracker.wait(for: 1) }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
  }

  @Test func `a burst of answers wakes the event loop once`() async throws {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let flushes = NIOLockedValueBox(0)
    let outbox = Outbox(eventLoop: eventLoop) { flushes.withLockedValue { $0 += 1 } }
    try await eventLoop.submit {
      for _ in 0..<100 { outbox.put(answering: 1) { $0.append(1) } }
    }.get()
    try await eventLoop.submit {}.get()
    #expect(flushes.withLockedValue { $0 } == 1)
    let taken = outbox.take(replacingWith: [])
    #expect(taken.bytes.count == 100 && taken.answered == 100)
    #expect(outbox.isEmpty)
  }

  @Test func `who waits for room goes on when there is some, and learns when there never will be`() async throws {
    let outbox = Outbox(eventLoop: MultiThreadedEventLoopGroup.singleton.next()) {}
    #expect(await outbox.waitForRoom())
    outbox.put(answering: 0) { $0.append(contentsOf: [UInt8](repeating: 0, count: Outbox.highWatermark)) }
    #expect(!outbox.hasRoom)
    async let first = outbox.waitForRoom()
    _ = outbox.take(replacingWith: [])
    outbox.update(isChannelWritable: true)
    #expect(await first)
    outbox.update(isChannelWritable: false)
    async let second = outbox.waitForRoom()
    outbox.close()
    #expect(await second == false)
    #expect(await outbox.waitForRoom() == false)
  }

  @Test func `a batch is answered once, when its last answer is there, in the order of its calls`() {
    let batch = BatchReply(number: 1, count: 3)
    let third = batch.put(Array("33".utf8), at: 2)
    #expect(third.line == nil && third.change == 2)
    let first = batch.put(Array("1".utf8), at: 0)
    #expect(first.line == nil && first.change == 1)
    let second = batch.put(Array("2".utf8), at: 1)
    #expect(second.line == Array("[1,2,33]\n".utf8) && second.change == -3, "nothing is held any more")
  }

  @Test(arguments: [
    ("/var/lib/x/log/data.mdb: No space left", "(a file of the server): No space left"),
    (
      #"Can't sync "/srv/a b/keys": Input/output error."#,
      #"Can't sync "(a file of the server) b/keys": Input/output error."#
    ),
    ("The clock is 3 s behind (see /etc/chrony.conf).", "The clock is 3 s behind (see (a file of the server))."),
    ("Free space; writes go on / by themselves.", "Free space; writes go on / by themselves."),
  ])
  func `an answer names no path of this host`(_ text: String, _ told: String) {
    #expect(Services.withoutPaths(text) == told)
  }

  @Test func `the log is one line a message, for people and for programs, whatever is in it`() throws {
    let lines = NIOLockedValueBox<[String]>([])
    func logger(_ format: ServerConfiguration.LogFormat) -> Logger {
      Logger(label: "test") { label in
        LineLogHandler(label: label, format: format, level: .info) { line in lines.withLockedValue { $0.append(line) } }
      }
    }
    logger(.json).warning("a\nb", metadata: ["k": "v \"w\""])
    logger(.text).warning("a\nb\u{1B}[31m", metadata: ["k": "v \"w\"\n", "j": "plain"])
    logger(.text).debug("not told")
    let written = lines.withLockedValue { $0 }
    #expect(written.count == 2)
    #expect(written.allSatisfy { $0.hasSuffix("\n") && $0.dropLast().utf8.allSatisfy { $0 >= 0x20 } })
    let json = try JSON.parse(written[0])
    #expect(json["level"] == "warning" && json["message"] == "a\nb" && json["fields"] == ["k": "v \"w\""])
    #expect(written[1].contains(#" warning test: a b [31m j=plain k="v \"w\"\n""#))
  }
}
