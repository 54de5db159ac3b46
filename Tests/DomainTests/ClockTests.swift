import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import TestBasics
import Testing

/// What becomes of commands, sweeps and times where the machine's clock is set.
@Suite struct ClockTests {
  private static let start = Timestamp(microseconds: 1_796_000_000_000_000)
  private static let day: Int64 = 86_400
  private static let uptime: Int64 = 90 * 86_400 * 1_000_000

  private func time(_ seconds: Int64) -> Timestamp { Self.start.adding(seconds: seconds) }

  /// Whether an event has a time of its own behind others of that moment: each goes on by a microsecond.
  private func isJustBehind(_ moment: Timestamp, _ time: Timestamp) -> Bool {
    (1...50).contains(time.microseconds - moment.microseconds)
  }

  /// Sets the clock, and the time since the machine's start, to so many seconds after the start of the test.
  private func set(_ book: TestDomain, after: Int64, ahead: Int64 = 0) {
    book.clock.withLockedValue { $0 = time(after + ahead) }
    book.files.uptime.withLockedValue { $0 = Self.uptime + after * 1_000_000 }
  }

  /// A data folder that outlives those who have it open.
  private func withData(_ body: (String) async throws -> Void) async throws {
    try await TemporaryFolder.with { folder in
      let data = folder.path + "/data"
      try TestFiles.makeFolder(data)
      try await body(data)
    }
  }

  private func record(_ book: TestDomain, _ position: UInt64? = nil) throws -> LogRecord {
    let last = position ?? book.log.head.position
    return try #require(try book.log.read { try $0.record(at: last) })
  }

  /// The problem that keeps what goes by the clock from being done; nil where nothing does.
  private func problem(_ book: TestDomain) async -> Refusal? {
    do {
      try await book.engine.checkClock()
      return nil
    } catch {
      return error as? Refusal
    }
  }

  @Test func `a jump of the clock stops sweeps and is recorded, and commands go on with the time that is explained`()
    async throws
  {
    let book = try TestDomain()
    set(book, after: 0)
    let id = try await book.organization("acme")
    #expect(await problem(book) == nil)
    #expect(book.log.head.position == 1, "nothing is recorded of a clock that is right")
    set(book, after: 100, ahead: 365 * Self.day)
    let refused = await problem(book)
    #expect(refused?.code == .unavailable)
    #expect(refused?.message.contains("daybook clock confirm") == true)
    let doubted = try record(book)
    #expect(try doubted.parsedHeader().event == "clock.doubted")
    #expect(try doubted.parsedHeader().at == time(100))
    #expect(
      try doubted.parsedBody().data == [
        "clock": .string(time(100 + 365 * Self.day).text), "expected": .string(time(100).text),
      ])
    _ = await problem(book)
    #expect(book.log.head.position == doubted.position, "once")
    set(book, after: 200, ahead: 365 * Self.day)
    try await book.call("organization.edit", ["id": .string(id), "name": "Acme 2"])
    #expect(try record(book).parsedHeader().at == time(200))
    #expect(try record(book).parsedBody().clock == time(200 + 365 * Self.day))
    let swept = try await book.refusal("retention.sweep", [:])
    #expect(swept.code == .unavailable)
    try await book.call("retention.sweep", ["dry_run": true])
    // Put right.
    set(book, after: 300)
    #expect(await problem(book) == nil)
    #expect(try record(book).parsedHeader().event == "clock.settled")
    try await book.call("organization.edit", ["id": .string(id), "name": "Acme 3"])
    #expect(try isJustBehind(time(300), record(book).parsedHeader().at))
    #expect(try record(book).parsedBody().clock == nil)
    try await book.call("retention.sweep", [:])
  }

  @Test func `a start long after the last event waits for a confirmation, which is recorded with its reason`()
    async throws
  {
    try await withData { data in
      let first = try TestDomain(data: data)
      set(first, after: 0)
      let id = try await first.organization("acme")
      first.close()
      let book = try TestDomain(data: data)
      set(book, after: 10, ahead: 70 * Self.day)
      #expect(await problem(book)?.code == .unavailable)
      #expect(try await book.refusal("clock.confirm", [:]).code == .invalidParams, "a reason is needed")
      let member = try await book.member("ada", of: id, role: "admin")
      #expect(
        try await book.refusal("clock.confirm", ["reason": "mine"], as: member.principal).code == .forbidden)
      try await book.call("clock.confirm", ["reason": "it was away"])
      let confirmed = try record(book)
      #expect(try confirmed.parsedHeader().event == "clock.confirmed")
      #expect(try isJustBehind(time(0), confirmed.parsedHeader().at))
      #expect(try confirmed.parsedBody().reason != nil)
      #expect(try confirmed.parsedBody().set["is_doubted"] == false)
      #expect(await problem(book) == nil)
      try await book.call("organization.edit", ["id": .string(id), "name": "Acme 2"])
      #expect(try record(book).parsedHeader().at == time(10 + 70 * Self.day))
      let before = book.log.head.position
      #expect(try await book.call("clock.confirm", ["reason": "again"])["events"] == [])
      #expect(book.log.head.position == before, "nothing was wrong")
    }
  }

  @Test func `after an event of the future a confirmed clock is enough for commands, also after a restart`()
    async throws
  {
    try await withData { data in
      let first = try TestDomain(data: data)
      let year = 365 * Self.day
      // As a version wrote it that believed every clock.
      first.clock.withLockedValue { $0 = time(year) }
      let id = try await first.organization("acme")
      set(first, after: 0)
      #expect(await problem(first)?.message.contains("daybook clock confirm") == true)
      let edit: JSONObject = ["id": .string(id), "name": "Acme 2"]
      #expect(try await first.refusal("organization.edit", edit).code == .unavailable)
      #expect(
        try await first.call("clock.confirm", ["reason": "the clock was wrong", "dry_run": true])["dry_run"] == true)
      #expect(try await first.refusal("organization.edit", edit).code == .unavailable, "a dry run confirms nothing")
      try await first.call("clock.confirm", ["reason": "the clock was wrong"])
      #expect(await problem(first) == nil)
      set(first, after: 500)
      try await first.call("organization.edit", edit)
      #expect(try isJustBehind(time(year), record(first).parsedHeader().at))
      #expect(try record(first).parsedBody().clock == time(500))
      // What is decided by the present goes by the clock.
      let rule: JSONObject = [
        "organization_id": .string(id), "name": "k", "permissions": ["pipelines": ["read"]],
        "expires_at": .string(time(1000).text),
      ]
      _ = try await first.call("api_key.create", rule)
      first.close()
      let second = try TestDomain(data: data)
      set(second, after: 2000)
      try await second.call("organization.edit", ["id": .string(id), "name": "Acme 3"])
      #expect(try isJustBehind(time(year), record(second).parsedHeader().at))
      #expect(try record(second).parsedBody().clock == time(2000))
      second.close()
      // Before what it said at the last event, it was set back.
      let third = try TestDomain(data: data)
      set(third, after: 600)
      #expect(try await third.refusal("organization.edit", edit).code == .unavailable)
    }
  }

  @Test func `nothing waits for a moment that a wrong clock gave`() async throws {
    let book = try TestDomain()
    book.clock.withLockedValue { $0 = time(365 * Self.day) }
    let user = try await book.make("user", ["email": "ada@example.org"])
    let login: JSONObject = ["id": .string(user), "ip": "127.0.0.1"]
    try await book.call("user.record_login", login, as: .server)
    set(book, after: 0)
    try await book.call("clock.confirm", ["reason": "the clock was wrong"])
    set(book, after: 500)
    try await book.call("user.record_login", login, as: .server)
    #expect(try book.item(user)["last_login_at"] == .string(time(500).text))
    let before = book.log.head.position
    set(book, after: 550)
    try await book.call("user.record_login", login, as: .server)
    #expect(book.log.head.position == before, "once a minute")
  }

  @Test func `a restart doesn't make a jump of a few days right`() async throws {
    try await withData { data in
      let first = try TestDomain(data: data)
      set(first, after: 0)
      _ = try await first.organization("acme")
      set(first, after: 10, ahead: 5 * Self.day)
      #expect(await problem(first) != nil)
      first.close()
      let second = try TestDomain(data: data)
      set(second, after: 20, ahead: 5 * Self.day)
      #expect(await problem(second) != nil)
      try await second.call("clock.confirm", ["reason": "it was paused"])
      #expect(await problem(second) == nil)
    }
  }
}
