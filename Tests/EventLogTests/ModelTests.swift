import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import TestBasics
import Testing

/// The log against a dictionary: what random decisions leave must be the same in both, also after a restart.
@Suite struct ModelTests {
  struct Model {
    var fields: [Identifier: JSONObject] = [:]
    var versions: [Identifier: Int64] = [:]
    var holders: [UInt8: Identifier] = [:]
    var links: Set<String> = []
    var positions: UInt64 = 0
  }

  @Test(.seeded) func `random decisions leave what a model says`() async throws {
    var random = try Seeded()
    let temporary = try TestLog()
    var log = try temporary.open()
    var model = Model()
    for _ in 0..<400 {
      if Int.random(in: 0..<100, using: &random) == 0 {
        log.close()
        log = try temporary.open()
      }
      let id = Identifier.numbered(UInt64.random(in: 0..<20, using: &random))
      let key = UInt8.random(in: 0..<10, using: &random)
      let target = Identifier.numbered(UInt64.random(in: 0..<20, using: &random))
      var set: JSONObject = [:]
      for name in ["a", "b", "é", "z\u{1}"] where Bool.random(using: &random) {
        if Int.random(in: 0..<4, using: &random) == 0 {
          set[name] = .null
        } else {
          set[name] = ["v": .integer(Int64.random(in: 0...9, using: &random)), "q": "\"\\\u{2028}"]
        }
      }
      let fails = Int.random(in: 0..<5, using: &random) == 0
      let unlinks = Bool.random(using: &random)
      let changes = set
      do {
        _ = try await log.commit { transaction in
          try transaction.record(id, set: changes)
          try transaction.claim(constraint: "k", key: [key], for: id)
          if unlinks {
            try transaction.unlink(id, type: "thing", from: target)
          } else {
            try transaction.link(id, type: "thing", to: target)
          }
          if fails { throw Refused() }
        }
        #expect(!fails)
        model.positions += 1
        model.versions[id, default: 0] += 1
        var fields = model.fields[id] ?? [:]
        for (name, value) in set { fields[name] = value.isNull ? .none : .some(value) }
        model.fields[id] = fields
        model.holders[key] = id
        let link = "\(id) \(target)"
        if unlinks { model.links.remove(link) } else { model.links.insert(link) }
      } catch is Refused {
        #expect(fails)
      }
    }
    try log.read { (snapshot: borrowing LogSnapshot) throws in
      #expect(snapshot.head.position == model.positions)
      for (id, fields) in model.fields {
        let state = try #require(try snapshot.state(id))
        #expect(state.fields == fields)
        #expect(state.version == model.versions[id])
        #expect(try snapshot.fold(id, through: snapshot.head.position) == state)
        #expect(try snapshot.history(of: id, versions: 1...Int64.max).count == Int(state.version))
      }
      for (key, id) in model.holders { #expect(try snapshot.holder(constraint: "k", key: [key]) == id) }
      var links: Set<String> = []
      for number in 0..<20 {
        for found in try snapshot.referrers(of: .numbered(UInt64(number)), limit: 1000) {
          links.insert("\(found.id) \(Identifier.numbered(UInt64(number)))")
        }
      }
      #expect(links == model.links)
    }
    log.close()
    let report = try temporary.verify()
    #expect(report.problems == [])
    #expect(report.events == model.positions)
  }
}
