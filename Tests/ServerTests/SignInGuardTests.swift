import CanonicalJSON
import DaybookClient
import Domain
import NIOCore
import ServerTestKit
import Testing

@testable import Server

/// Slowing down those who guess.
@Suite(.timeLimit(.minutes(2)))
struct SignInGuardTests {
  private typealias Admission = SignInGuard.Admission
  private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
  private let here = Source(address: "192.0.2.1")
  private let there = Source(address: "192.0.2.2")
  private let ann: SignInGuard.Account = [1]
  private let bob: SignInGuard.Account = [2]

  @Test func `each failure doubles the wait, up to ten seconds, and attempts of a source take turns`() {
    let guarding = SignInGuard()
    #expect(guarding.admit(ann, from: here, now: start) == .after(.zero))
    _ = guarding.failed(ann, from: here, address: nil, now: start)
    #expect(guarding.admit(bob, from: here, now: start) == .after(.milliseconds(100)))
    // A second attempt at the same time, over another connection, waits behind the first.
    #expect(guarding.admit(bob, from: here, now: start) == .after(.milliseconds(200)))
    #expect(guarding.admit(bob, from: there, now: start) == .after(.zero))
    #expect(
      (0...9).map(SignInGuard.delay).map { $0.nanoseconds / 1_000_000 } == [
        0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000,
      ])
  }

  @Test func `who would have to wait too long is refused at once, and quiet is forgiven`() {
    let guarding = SignInGuard()
    for _ in 0..<20 { _ = guarding.failed(ann, from: here, address: nil, now: start) }
    var outcomes: [SignInGuard.Admission] = []
    for _ in 0..<5 { outcomes.append(guarding.admit(ann, from: here, now: start)) }
    #expect(outcomes.prefix(3) == [.after(.seconds(10)), .after(.seconds(20)), .after(.seconds(30))])
    #expect(outcomes.last == .refused(.seconds(10)))
    #expect(guarding.admit(ann, from: here, now: start + .minutes(11)) == .after(.zero))
  }

  @Test func `guessing at one account is slowed, from however many sources it comes`() {
    let guarding = SignInGuard()
    for number in 0..<8 {
      _ = guarding.failed(ann, from: .v4(UInt32(number)), address: nil, now: start)
    }
    #expect(guarding.admit(ann, from: there, now: start) == .after(.seconds(10)))
    #expect(guarding.admit(bob, from: there, now: start) == .after(.zero))
  }

  @Test func `who signed in from a source before isn't kept out by what others guess`() {
    let guarding = SignInGuard()
    guarding.succeeded(ann, from: here, now: start)
    for _ in 0..<50 {
      _ = guarding.failed(bob, from: here, address: nil, now: start)
      _ = guarding.failed(ann, from: there, address: nil, now: start)
    }
    #expect(guarding.admit(ann, from: here, now: start) == .after(.zero))
    #expect(guarding.admit(ann, from: there, now: start) != .after(.zero))
    // Its own failures slow it, up to a second, and after many it is guarded like any other.
    for number in 0..<20 {
      _ = guarding.failed(ann, from: here, address: nil, now: start)
      if number == 0 { #expect(guarding.admit(ann, from: here, now: start) == .after(.milliseconds(100))) }
    }
    #expect(guarding.admit(ann, from: here, now: start + .seconds(1)) == .after(.zero))
    for _ in 0..<80 { _ = guarding.failed(ann, from: here, address: nil, now: start) }
    #expect(guarding.admit(ann, from: here, now: start + .seconds(1)) != .after(.zero))
  }

  @Test func `a success forgives what was mistyped, and nothing that was guessed at others`() {
    let guarding = SignInGuard()
    for _ in 0..<3 { _ = guarding.failed(ann, from: here, address: nil, now: start) }
    guarding.succeeded(ann, from: here, now: start)
    #expect(guarding.admit(bob, from: here, now: start) == .after(.zero))
    #expect(guarding.admit(ann, from: there, now: start) == .after(.zero))
    // With an account of one's own one can't make good for guesses at another.
    for _ in 0..<8 { _ = guarding.failed(bob, from: here, address: nil, now: start) }
    guarding.succeeded(ann, from: here, now: start)
    #expect(guarding.admit(bob, from: here, now: start) == .after(.seconds(10)))
  }

  @Test func `a source is recorded once a minute, with a count of everything since`() {
    let guarding = SignInGuard()
    let first = guarding.failed(ann, from: here, address: "192.0.2.1", now: start)
    #expect(first == SignInGuard.Report(source: here, address: "192.0.2.1", attempts: 1, accounts: [ann: 1]))
    #expect(guarding.failed(ann, from: here, address: nil, now: start + .seconds(1)) == nil)
    #expect(guarding.failedElse(from: here, address: "192.0.2.1", now: start + .seconds(2)) == nil)
    #expect(guarding.failedElse(from: there, address: nil, now: start + .seconds(2))?.attempts == 1)
    #expect(guarding.due(now: start + .seconds(59)).isEmpty)
    let due = guarding.due(now: start + .seconds(61))
    #expect(due == [SignInGuard.Report(source: here, address: "192.0.2.1", attempts: 2, accounts: [ann: 1])])
    #expect(guarding.due(now: start + .seconds(200)).isEmpty)
    #expect(guarding.failed(ann, from: here, address: nil, now: start + .seconds(200))?.attempts == 1)
    // Of so many accounts it is told apart how often they were tried.
    for number: UInt8 in 0..<40 {
      _ = guarding.failed([number, 9], from: here, address: nil, now: start + .seconds(210))
    }
    let many = guarding.due(now: start + .seconds(300))
    #expect(many.map(\.attempts) == [40])
    #expect(many.map(\.accounts.count) == [SignInGuard.maximumAccountsOfReport])
  }

  @Test func `however many strangers come, only so many are remembered, and who is known stays known`() {
    let guarding = SignInGuard(maximum: 100)
    guarding.succeeded(ann, from: here, now: start)
    let count = 200
    for number in 0..<count {
      let account = withUnsafeBytes(of: number) { Array($0) }
      let time = start + .nanoseconds(Int64(number))
      _ = guarding.failed(account, from: .v4(UInt32(number)), address: nil, now: time)
    }
    #expect(guarding.due(now: start, all: true).isEmpty, "all were recorded as they came")
    #expect(guarding.admit(bob, from: .v4(0), now: start) == .after(.zero), "the quietest are forgotten")
    #expect(guarding.admit(bob, from: .v4(UInt32(count - 1)), now: start) != .after(.zero))
    for _ in 0..<9 { _ = guarding.failed(bob, from: here, address: nil, now: start) }
    #expect(guarding.admit(ann, from: here, now: start) == .after(.zero))
  }

  @Test func `while others at its address guess, a key signs in at once, and so does who did before`() async throws {
    try await TestServer.run { test in
      let organization = try await test.organization("acme")
      let administrator = try await test.administrator()
      _ = try await administrator.call(
        "user.create",
        [
          "email": "ann@example.org", "password": "correct horse battery", "username": "ann", "role": "member",
          "organization_id": .string(organization),
        ])
      let key = try await test.apiKey(organization, ["*": ["read"]])
      let signIn = #"{"email":"ann@example.org","password":"correct horse battery"}"#
      #expect(try await Self.open(test, signIn)["result"] != nil)
      for attempt in 0..<12 {
        // Enough that whoever comes next waits for ten seconds, and four of them for longer than anybody may.
        _ = test.server.services.signInGuard.failed(
          [UInt8(attempt)], from: Source(address: "127.0.0.1"), address: nil)
      }
      let other = test.server.services.engine.signInAccount(email: "nobody@example.org")
      for _ in 0..<4 { _ = test.server.services.signInGuard.admit(other, from: Source(address: "127.0.0.1")) }
      #expect(try await Self.open(test, #"{"email":"nobody@example.org","password":"x"}"#).errorType == "overloaded")
      let clock = ContinuousClock()
      let began = clock.now
      #expect(try await Self.open(test, #"{"api_key":"\#(key.key)"}"#)["result"] != nil)
      #expect(try await Self.open(test, #"{"api_key":"dbk_wrong"}"#).errorType == "unauthenticated")
      #expect(try await Self.open(test, signIn)["result"] != nil)
      #expect(clock.now - began < .seconds(9), "nobody waited for a turn")
      try await administrator.close()
    }
  }

  private static func open(_ test: TestServer, _ params: String) async throws -> JSON {
    let client = try await test.raw("tcp")
    let answer = try await client.ask(#"{"jsonrpc":"2.0","id":1,"method":"session.open","params":\#(params)}"#)
    try await client.close()
    return answer
  }
}
