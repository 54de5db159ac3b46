import LMDB
import Testing

@Suite struct CursorTests {
  private static let texts = ["b", "a", "ab", "c", "B", "\u{00e9}", "aa"]
  private static let sorted = ["B", "a", "aa", "ab", "b", "c", "\u{00e9}"]

  private func filled(_ ground: Ground) throws -> (Environment, Database) {
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put(Self.texts.map { ($0, "value of \($0)") }, in: things)
    return (environment, things)
  }

  @Test func `entries come in the order of their keys' bytes, whatever order they were put in`() throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    let found = try environment.read { reading in
      try reading.withCursor(things) { cursor in
        var found: [String] = []
        var isThere = try cursor.first()
        while isThere {
          try cursor.withEntry { key, value in
            let (key, value) = (key.text, value.text)
            try #require(value == "value of \(key)")
            found.append(key)
          }
          isThere = try cursor.next()
        }
        return found
      }
    }
    #expect(found == Self.sorted)
  }

  @Test func `last and previous go the other way`() throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    let found = try environment.read { reading in
      try reading.withCursor(things) { cursor in
        var found: [String] = []
        var isThere = try cursor.last()
        while isThere {
          cursor.withEntry { key, _ in found.append(key.text) }
          isThere = try cursor.previous()
        }
        return found
      }
    }
    #expect(found == Self.sorted.reversed())
  }

  @Test(arguments: [("", "B"), ("a", "a"), ("a0", "aa"), ("aab", "ab"), ("d", "\u{00e9}")])
  func `seek finds the least key that is not less`(_ wanted: String, _ expected: String) throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    let found = try environment.read { reading in
      try reading.withCursor(things) { cursor in
        try cursor.seek(wanted.isEmpty ? [0] : Array(wanted.utf8))
        return cursor.withEntry { key, _ in key.text }
      }
    }
    #expect(found == expected)
  }

  @Test func `beyond the last entry there is none to lend`() throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    try environment.read { reading in
      try reading.withCursor(things) { cursor in
        let beforeAnyMove = cursor.withEntry { _, _ in 1 }
        #expect(beforeAnyMove == nil)
        let isFound = try cursor.seek([0xFF])
        let isOnEntry = cursor.isOnEntry
        let beyond = cursor.withEntry { _, _ in 1 }
        #expect(!isFound && !isOnEntry && beyond == nil)
        let hasLast = try cursor.last()
        let hasMore = try cursor.next()
        #expect(hasLast && !hasMore)
      }
    }
  }

  @Test func `scan begins where it is told, and ends when the visitor says so`() throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    var found: [String] = []
    try environment.read { reading in
      try reading.withCursor(things) { cursor in
        try cursor.scan(from: Array("aa".utf8)) { key, _ in
          found.append(key.text)
          return found.count < 3
        }
      }
    }
    #expect(found == ["aa", "ab", "b"])
    found = []
    try environment.read { reading in
      try reading.withCursor(things) { cursor in
        try cursor.scan { key, _ in
          found.append(key.text)
          return true
        }
      }
    }
    #expect(found == Self.sorted)
  }

  @Test func `a cursor of a write sees what the write has put`() throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    let transaction = try environment.beginWrite()
    try transaction.put(things, Array("aaa".utf8), [])
    let found = try transaction.withCursor(things) { cursor in
      try cursor.seek(Array("aaa".utf8))
      return cursor.withEntry { key, _ in key.text }
    }
    #expect(found == "aaa")
    transaction.abort()
  }

  @Test func `bytes compare with arrays of bytes`() throws {
    let ground = try Ground()
    let (environment, things) = try filled(ground)
    let answers = try environment.read { reading in
      try reading.withValue(things, [UInt8(ascii: "c")]) { value in
        [
          value.elementsEqual(Array("value of c".utf8)), value.elementsEqual(Array("value of ".utf8)),
          value.elementsEqual(Array("value of d".utf8)), value.starts(with: Array("value".utf8)),
          value.starts(with: []), value.starts(with: Array("value of cc".utf8)),
        ]
      }
    }
    #expect(answers == [true, false, false, true, true, false])
  }
}
