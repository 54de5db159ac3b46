import Access
import BasicTypes
import CanonicalJSON
import NIOConcurrencyHelpers
import Refusals
import Testing

@testable import Domain

/// How reads and refused calls are counted before they are recorded.
@Suite struct AccessLedgerTests {
  private static let hour: Int64 = 3600

  /// A ledger with a clock of its own, and some callers.
  private final class World: Sendable {
    let clock = NIOLockedValueBox(Timestamp(microseconds: 1_780_000_000_000_000 / 3_600_000_000 * 3_600_000_000))
    let ledger: AccessLedger

    init(_ limits: AccessLedger.Limits = AccessLedger.Limits()) {
      ledger = AccessLedger(limits: limits) { [clock] in clock.withLockedValue { $0 } }
    }

    func move(_ seconds: Int64) { clock.withLockedValue { $0 = $0.adding(seconds: seconds) } }

    func read(_ persons: [Identifier], _ purpose: ReadNote.Purpose = .profile, by reader: Principal) {
      ledger.note(.persons(persons, purpose), by: reader, from: Origin())
    }

    func refuse(_ method: String, id: Identifier? = nil, to caller: Principal) throws {
      let call = try #require(
        RefusedCall(
          method: method, params: id.map { ["id": .string($0.text)] } ?? [:],
          refusal: .forbidden(permission: "users:admin")))
      ledger.note(call, by: caller, from: Origin())
    }

    /// What is due, as the reads of each person by event.
    func reads(all: Bool = false) -> [[Identifier: Int]] {
      ledger.take(all: all).compactMap { noted in
        guard case .reads(_, let persons, _) = noted.content else { return nil }
        return Dictionary(persons.map { ($0.id, $0.reads) }) { $0 + $1 }
      }
    }
  }

  private func ids(_ count: Int) -> [Identifier] { (0..<count).map { _ in Identifier.version7(at: .now) } }

  private func person() -> Principal { Principal(kind: .user(Identifier.version7(at: .now))) }

  @Test func `the first read of an hour is due at once, the others when it is over, and none is lost`() {
    let world = World()
    let (reader, ann) = (person(), Identifier.version7(at: .now))
    world.read([ann], by: reader)
    #expect(world.reads() == [[ann: 1]])
    for _ in 0..<41 { world.read([ann], by: reader) }
    #expect(world.reads().isEmpty)
    world.move(Self.hour - 1)
    #expect(world.reads().isEmpty)
    world.move(1)
    #expect(world.reads() == [[ann: 41]])
    #expect(world.reads().isEmpty)
    world.read([ann], by: reader)
    #expect(world.reads() == [[ann: 1]], "another hour has a first read of its own")
  }

  @Test func `purposes and readers are told apart`() {
    let world = World()
    let ann = Identifier.version7(at: .now)
    let (one, two) = (person(), person())
    world.read([ann], .profile, by: one)
    world.read([ann], .list, by: one)
    world.read([ann], .profile, by: two)
    #expect(world.reads().count == 3)
    #expect(world.reads(all: true).isEmpty)
  }

  @Test func `who looks at one person after the other makes few records, with every read in them`() {
    let world = World()
    let reader = person()
    var told = 0
    var records = 0
    func take(all: Bool = false) {
      for event in world.reads(all: all) {
        records += 1
        told += event.values.reduce(0, +)
      }
    }
    for person in ids(3000) {
      world.read([person], by: reader)
      world.move(1)
      take()
    }
    take(all: true)
    #expect(told == 3000)
    #expect(records <= 10 + 60 + 1, "\(records)")
  }

  @Test func `memory is bounded, and what isn't told apart is counted`() throws {
    var limits = AccessLedger.Limits()
    (limits.persons, limits.personsOfReader, limits.readers) = (1000, 600, 3)
    (limits.refusals, limits.refusalsOfCaller) = (50, 20)
    let world = World(limits)
    let readers = (0..<5).map { _ in person() }
    for reader in readers { for _ in 0..<4 { world.read(ids(250), .list, by: reader) } }
    #expect(world.ledger.size.persons == 1000)
    #expect(world.ledger.size.readers == 3)
    for caller in readers { for id in ids(40) { try world.refuse("user.edit", id: id, to: caller) } }
    #expect(world.ledger.size.refusals == 50)

    var (named, unnamed, refused) = (0, 0, 0)
    func take(all: Bool) {
      for noted in world.ledger.take(all: all) {
        switch noted.content {
        case .reads(_, let persons, let others):
          named += persons.reduce(0) { $0 + $1.reads }
          unnamed += others
        case .refusals(_, let count): refused += count
        case .log: break
        }
      }
    }
    take(all: false)
    take(all: true)
    #expect(named == 1000)
    #expect(named + unnamed == 5 * 4 * 250)
    #expect(refused == 5 * 40)
    #expect(world.ledger.size == (0, 0, 0))
  }

  @Test func `one organization's callers leave room for those of others`() throws {
    var limits = AccessLedger.Limits()
    (limits.persons, limits.readers, limits.refusals) = (400, 40, 40)
    let world = World(limits)
    let (acme, other) = (Identifier.version7(at: .now), Identifier.version7(at: .now))
    func member(of organization: Identifier) -> Principal {
      Principal(kind: .user(Identifier.version7(at: .now)), organizations: [organization: "member"])
    }
    for _ in 0..<50 {
      let caller = member(of: acme)
      world.read(ids(20), .list, by: caller)
      try world.refuse("user.edit", to: caller)
    }
    #expect(world.ledger.size == (100, 10, 10))
    let person = Identifier.version7(at: .now)
    let reader = member(of: other)
    world.read([person], by: reader)
    #expect(world.reads().contains([person: 1]))
    let unnamed = world.ledger.take(all: true).filter { $0.principal == nil }
    #expect(unnamed.count == 2 && unnamed.allSatisfy { $0.organization == acme })
  }

  @Test func `what can't be recorded for hours is still counted, and doesn't grow`() {
    var limits = AccessLedger.Limits()
    (limits.persons, limits.readers, limits.refusals) = (100, 5, 5)
    let world = World(limits)
    let reader = person()
    for _ in 0..<24 {
      world.read(ids(100), .list, by: reader)
      world.move(Self.hour)
    }
    let noted = world.ledger.take(all: true)
    #expect(noted.count <= 12)
    let count = noted.reduce(0) { sum, noted in
      guard case .reads(_, let persons, let others) = noted.content else { return sum }
      return persons.reduce(sum + others) { $0 + $1.reads }
    }
    #expect(count == 2400)
  }

  @Test func `the server's own reads, and refusals that tell of others, are none`() {
    let world = World()
    world.read(ids(1), by: .server)
    #expect(world.reads(all: true).isEmpty)
    for refusal in [Refusal.notFound(type: "user", id: ""), .unauthenticated(), .hiddenConflict] {
      #expect(RefusedCall(method: "user.get", params: [:], refusal: refusal) == nil)
    }
  }

  @Test func `of a batch the command is named that was refused`() throws {
    let id = Identifier.version7(at: .now)
    let refused = try #require(
      RefusedCall(
        method: "batch.apply",
        params: [
          "commands": [["method": "run.create"], ["method": "user.delete", "params": ["id": .string(id.text)]]]
        ],
        refusal: Refusal.forbidden(permission: "users:admin").atIndex(1)))
    #expect(refused.method == "user.delete")
    #expect(refused.resource == id)
    #expect(refused.permission == "users:admin")
  }
}
