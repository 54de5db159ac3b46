import BasicTypes
import Testing

@testable import Server

/// Who gets a place where there are too few.
@Suite struct ConnectionPlacesTests {
  private let here = Source(address: "192.0.2.1")
  private let there = Source(address: "2001:db8:1:2::3")

  private func places(all: Int) -> ConnectionPlaces<Int> { ConnectionPlaces(limits: .init(all: all)) }

  @Test func `strangers never get the places of the Unix socket or of those who sign in`() {
    var places = places(all: 64)
    for id in 0..<1000 { _ = places.admit(id, from: .v4(UInt32(id))) }
    #expect(places.count == 16 && places.strangerCount == 16)
    // Strangers make room for newcomers, and whoever signs in keeps its place.
    for id in 1000..<1032 {
      #expect(places.admit(id, from: here) != .refused)
      #expect(places.identified(id, isKnown: true, of: nil) == nil)
    }
    #expect(places.count == 47 && places.strangerCount == 15)
    #expect((2000..<2017).allSatisfy { places.admitLocal($0) == .taken })
    #expect(places.admitLocal(3000) == .refused && places.count == 64)
  }

  @Test func `a stranger too many of a source takes the place of its first, and of nobody else's`() {
    var places = places(all: 64)
    #expect((0..<4).allSatisfy { places.admit($0, from: here) == .taken })
    #expect(places.admit(10, from: there) == .taken)
    #expect(places.admit(4, from: here) == .takenFrom(0))
    #expect(places.admit(5, from: here) == .takenFrom(1))
    #expect(places.admit(11, from: there) == .taken)
    // Who is about to sign in keeps its place.
    for id in 2...5 { places.signingIn(id, true) }
    #expect(places.admit(6, from: here) == .refused)
    places.signingIn(3, false)
    #expect(places.admit(6, from: here) == .takenFrom(3))
  }

  @Test func `where strangers of all sources are too many, the busiest source makes room`() {
    var places = places(all: 64)
    for source in 0..<4 {
      for id in 0..<(source == 2 ? 4 : 3) { _ = places.admit(10 * source + id, from: .v4(UInt32(source))) }
    }
    for id in 100..<103 { _ = places.admit(id, from: .v4(UInt32(id))) }
    #expect(places.strangerCount == 16)
    #expect(places.admit(200, from: here) == .takenFrom(20))
    #expect(places.admit(201, from: here) == .takenFrom(0), "of sources that have as many, the one that came first")
  }

  @Test func `whoever signs out is a stranger again, in its place`() {
    var places = places(all: 16)
    #expect(places.admit(1, from: here) == .taken)
    #expect(places.identified(1, isKnown: true, of: nil) == nil)
    #expect(places.admit(2, from: here) == .taken)
    #expect(places.identified(1, isKnown: false, of: nil) == 2)
    #expect(places.strangerCount == 1 && places.count == 1)
    places.remove(1)
    places.remove(1)
    #expect(places.count == 0 && places.strangerCount == 0)
  }

  @Test func `those who have signed in may have all places but those kept for the Unix socket`() {
    var places = places(all: 16)
    for id in 0..<12 {
      #expect(places.admit(id, from: here) == .taken)
      _ = places.identified(id, isKnown: true, of: nil)
    }
    #expect(places.admit(12, from: here) == .refused)
    #expect(places.admitLocal(13) == .taken)
    places.remove(0)
    #expect(places.admit(12, from: here) == .taken)
  }

  @Test func `an IPv6 network is one source, and an IPv4 address is one however it is written`() {
    #expect(Source(address: "2001:db8:1:2::3") == Source(address: "2001:db8:1:2:ffff:ffff:ffff:ffff"))
    #expect(Source(address: "2001:db8:1:2::3") != Source(address: "2001:db8:1:3::3"))
    #expect(Source(address: "::ffff:192.0.2.1") == here && here == .v4(0xC000_0201))
    #expect(Source(address: "::1") != Source(address: "127.0.0.1"))
    #expect(here.description == "192.0.2.1" && there.description == "2001:db8:1:2::/64")
    #expect(Source(address: "elsewhere") == .unknown)
  }

  @Test func `connections are fewer where descriptors are, and both listeners' fit beside what is kept`() {
    #expect(Descriptors.connections(wanted: 4096, limit: 1 << 20, queries: 8) == 4096)
    for limit in [1024, 4096, 8192] {
      let places = Descriptors.connections(wanted: 4096, limit: limit, queries: 8)
      #expect(places < 4096 && Descriptors.needed(connections: places, queries: 8) <= limit)
      #expect(Descriptors.needed(connections: places + 1, queries: 8) > limit)
    }
    let raised = Descriptors.raiseLimit()
    #expect(raised >= 1024 && Descriptors.raiseLimit() == raised)
  }

  @Test func `those who have signed in for one tenant can't have all places, and give them back`() {
    var places = places(all: 64)
    let (one, other) = (Identifier(high: 0x7000, low: 1), Identifier(high: 0x7000, low: 2))
    for id in 0..<32 {
      #expect(places.admit(id, from: .v4(UInt32(id))) != .refused)
      #expect(places.mayJoin(id, one))
      #expect(places.identified(id, isKnown: true, of: one) == nil)
    }
    #expect(places.admit(100, from: here) == .taken)
    #expect(!places.mayJoin(100, one) && places.mayJoin(100, other) && places.mayJoin(100, nil))
    #expect(places.mayJoin(3, one), "it has its place")
    // Who comes to speak for somebody else, who leaves and who signs out gives a place back.
    #expect(places.identified(0, isKnown: true, of: other) == nil)
    #expect(places.mayJoin(100, one))
    #expect(places.identified(100, isKnown: true, of: one) == nil)
    #expect(places.admit(101, from: here) == .taken)
    #expect(!places.mayJoin(101, one))
    places.remove(1)
    #expect(places.mayJoin(101, one))
    #expect(places.identified(101, isKnown: true, of: one) == nil)
    #expect(!places.mayJoin(0, one))
    #expect(places.identified(2, isKnown: false, of: nil) == nil)
    #expect(places.mayJoin(0, one))
    // The administrator of the Unix socket has a place of another kind.
    #expect(places.admitLocal(200) == .taken)
    #expect(places.mayJoin(200, one))
  }
}
