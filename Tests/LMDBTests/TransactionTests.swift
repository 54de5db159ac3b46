import LMDB
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct TransactionTests {
  @Test func `what was committed is read back, also after opening again`() throws {
    let ground = try Ground()
    do {
      let environment = try ground.open()
      let things = try environment.things()
      try environment.put([("a", "one"), ("b", "")], in: things)
      #expect(try environment.text("a", in: things) == "one")
      environment.close()
    }
    let environment = try ground.open()
    let things = try environment.things()
    #expect(try environment.text("a", in: things) == "one")
    #expect(try environment.text("b", in: things) == "")
    #expect(try environment.text("c", in: things) == nil)
    #expect(try environment.read { try $0.value(things, [UInt8(ascii: "a")]) } == Array("one".utf8))
    #expect(try environment.read { try $0.statistics(things).entries } == 2)
  }

  @Test func `an aborted write leaves nothing`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    let transaction = try environment.beginWrite()
    try transaction.put(things, [1], [2])
    #expect(try transaction.contains(things, [1]))
    transaction.abort()
    #expect(try environment.read { try $0.value(things, [1]) } == nil)
  }

  @Test func `a write that is let go without a commit leaves nothing and blocks nobody`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    do {
      let transaction = try environment.beginWrite()
      try transaction.put(things, [1], [2])
    }
    try environment.put([("x", "y")], in: things)
    #expect(try environment.read { try $0.value(things, [1]) } == nil)
  }

  @Test func `a write transaction throws once it has ended`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    let transaction = try environment.beginWrite()
    try transaction.put(things, [1], [2])
    try transaction.commit()
    transaction.abort()
    #expect(throws: LMDBError.self) { try transaction.commit() }
    #expect(throws: LMDBError.self) { try transaction.put(things, [1], [3]) }
    #expect(throws: LMDBError.self) { try transaction.delete(things, [1]) }
    #expect(throws: LMDBError.self) { try transaction.value(things, [1]) }
    #expect(throws: LMDBError.self) { try transaction.statistics(things) }
    #expect(throws: LMDBError.self) { try transaction.withCursor(things) { try $0.first() } }
    #expect(try environment.read { try $0.value(things, [1]) } == [2])
  }

  @Test func `delete says whether the key was there`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    let transaction = try environment.beginWrite()
    #expect(try transaction.delete(things, Array("a".utf8)))
    #expect(try !transaction.delete(things, Array("a".utf8)))
    try transaction.commit()
    #expect(try environment.text("a", in: things) == nil)
  }

  @Test func `append takes ascending keys and refuses any other`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    let transaction = try environment.beginWrite()
    try transaction.append(things, [1], [1])
    try transaction.append(things, [3], [3])
    #expect(throws: LMDBError.self) { try transaction.append(things, [2], [2]) }
    try transaction.commit()
    #expect(try environment.read { try $0.statistics(things).entries } == 2)
  }

  @Test func `a read keeps the state of its beginning while others write`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("a", "before")], in: things)
    try environment.read { old in
      try environment.put([("a", "after!"), ("b", "new")], in: things)
      let text = try old.withValue(things, Array("a".utf8)) { $0.text }
      let new = try old.value(things, Array("b".utf8))
      #expect(text == "before" && new == nil)
      #expect(try environment.text("a", in: things) == "after!")
    }
    #expect(try environment.text("b", in: things) == "new")
  }

  @Test func `a lent value stays as it is for the whole closure, however much is written meanwhile`() throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 24)
    let things = try environment.things()
    let large = String(repeating: "x", count: 20_000)
    try environment.put([("a", large), ("b", "small")], in: things)
    try environment.read { reading in
      _ = try reading.withValue(things, Array("a".utf8)) { value in
        // Enough commits to use every page again that is not pinned by this read.
        for round in 0..<50 {
          let text = String(repeating: "\(round % 10)", count: 20_000)
          try environment.put([("a", text), ("b", text)], in: things)
        }
        let text = value.text
        #expect(text == large)
      }
      let text = try reading.withValue(things, Array("b".utf8)) { $0.text }
      #expect(text == "small")
    }
  }

  @Test func `a read that its owner keeps ends when the owner lets it go`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    do {
      let reading = try environment.beginRead()
      let value = try reading.value(things, Array("a".utf8))
      #expect(value == Array("one".utf8))
    }
    // Growing takes the map alone: it would wait for ever were the read still there.
    try environment.resize(to: 1 << 21)
    #expect(try environment.text("a", in: things) == "one")
  }

  @Test func `an error that the closure throws passes, and the read ends`() throws {
    struct Refusal: Error {}
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    #expect(throws: Refusal.self) { try environment.read { _ in throw Refusal() } }
    #expect(throws: Refusal.self) {
      try environment.read { try $0.withValue(things, Array("a".utf8)) { _ in throw Refusal() } }
    }
    try environment.resize(to: 1 << 21)
  }
}
