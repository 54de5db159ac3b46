import TestBasics
import Testing

@testable import EventLog

/// The sorted tree that holds what the journal has and LMDB's pages don't, against a dictionary.
@Suite struct ByteTreeTests {
  private static func key(_ random: inout Seeded) -> [UInt8] {
    let length = Int.random(in: 0...3, using: &random)
    return (0..<length).map { _ in UInt8.random(in: 0...9, using: &random) }
  }

  private static func entries(_ tree: ByteTree, from key: [UInt8] = []) -> [([UInt8], [UInt8]?)] {
    var entries: [([UInt8], [UInt8]?)] = []
    var cursor = tree.cursor(from: key)
    while cursor.isOnEntry {
      entries.append((cursor.key, cursor.value))
      cursor.next()
    }
    return entries
  }

  private static func expect(_ tree: ByteTree, is model: [[UInt8]: [UInt8]?]) {
    let sorted = model.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    let found = entries(tree)
    #expect(tree.count == model.count)
    #expect(found.map(\.0) == sorted.map(\.key))
    #expect(found.map(\.1) == sorted.map(\.value))
  }

  @Test(arguments: 0..<20)
  func `it holds what a dictionary does, and copies stay as they were`(_ seed: UInt64) {
    var random = Seeded(seed: seed)
    var tree = ByteTree()
    var model: [[UInt8]: [UInt8]?] = [:]
    var kept: [(ByteTree, [[UInt8]: [UInt8]?])] = []
    for step in 0..<3000 {
      let key = Self.key(&random)
      let value: [UInt8]? = Bool.random(using: &random) ? [UInt8(truncatingIfNeeded: step)] : nil
      tree.set(key, value)
      model[key] = .some(value)
      if step % 500 == 77 { kept.append((tree, model)) }
      let other = Self.key(&random)
      switch (tree.entry(other), model[other]) {
      case (.unknown, nil), (.deleted, .some(nil)): break
      case (.value(let one), .some(.some(let two))): #expect(one == two)
      default: Issue.record("another entry under \(other)")
      }
    }
    Self.expect(tree, is: model)
    for (tree, model) in kept { Self.expect(tree, is: model) }
    for _ in 0..<200 {
      let start = Self.key(&random)
      let expected = model.keys.filter { !$0.lexicographicallyPrecedes(start) }.count
      #expect(Self.entries(tree, from: start).count == expected)
    }
  }

  @Test func `keys that only grow fill it in order`() {
    var tree = ByteTree()
    for number in 0..<10_000 { tree.set(Key.position(UInt64(number)), [1]) }
    #expect(tree.count == 10_000)
    #expect(Self.entries(tree).map(\.0) == (0..<10_000).map { Key.position(UInt64($0)) })
    #expect(Self.entries(tree, from: Key.position(9_990)).count == 10)
    #expect(Self.entries(tree, from: Key.position(10_000)).isEmpty)
  }
}
