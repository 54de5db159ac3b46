/// Values under keys, in the order of the keys; a value may say that what was under its key is deleted.
///
/// A copy costs one reference and is a fixed state: a change copies the nodes on its way that others refer to, and no
/// others. Keys are never removed.
struct ByteTree: Sendable {
  private var root = Node()
  /// How many keys there are.
  private(set) var count = 0

  /// How many entries a node has at most.
  private static let width = 64

  // Invariant behind @unchecked: a node that more than one tree refers to is never changed.
  /// A leaf with keys and their values, or a node above others with the least key of each. The first key above is never
  /// looked at: what is less than all belongs there too.
  fileprivate final class Node: @unchecked Sendable {
    var keys: [[UInt8]] = []
    var values: [[UInt8]?] = []
    var children: [Node] = []

    var isLeaf: Bool { children.isEmpty }

    func copied() -> Node {
      let copy = Node()
      copy.keys = keys
      copy.values = values
      copy.children = children
      return copy
    }

    /// The first entry whose key is not less than a key.
    func firstEntry(from key: [UInt8]) -> Int {
      var low = 0
      var high = keys.count
      // As a rule it comes behind all of them: positions only grow.
      if let last = keys.last, Key.precedes(last, key) { return high }
      while low < high {
        let middle = (low + high) / 2
        if Key.precedes(keys[middle], key) { low = middle + 1 } else { high = middle }
      }
      return low
    }

    /// The child that a key belongs to.
    func child(of key: [UInt8]) -> Int {
      var low = 1
      var high = keys.count
      if let last = keys.last, keys.count > 1, !Key.precedes(key, last) { return high - 1 }
      while low < high {
        let middle = (low + high) / 2
        if Key.precedes(key, keys[middle]) { high = middle } else { low = middle + 1 }
      }
      return low - 1
    }

    /// Sets a value below this node, which nobody else refers to. Answers the node that comes behind it, where it had
    /// to be cut in two, and whether the key is new.
    func set(_ key: [UInt8], _ value: [UInt8]?) -> (isNew: Bool, split: Node?) {
      if isLeaf {
        let index = firstEntry(from: key)
        if index < keys.count, keys[index] == key {
          values[index] = value
          return (false, nil)
        }
        keys.insert(key, at: index)
        values.insert(value, at: index)
        return (true, split(after: index))
      }
      let index = child(of: key)
      if !isKnownUniquelyReferenced(&children[index]) { children[index] = children[index].copied() }
      let outcome = children[index].set(key, value)
      guard let new = outcome.split else { return (outcome.isNew, nil) }
      children.insert(new, at: index + 1)
      keys.insert(new.keys[0], at: index + 1)
      return (outcome.isNew, split(after: index + 1))
    }

    /// Cuts a node that has become too wide; where the last entry came at its end, so that all before it stay together.
    private func split(after changed: Int) -> Node? {
      guard keys.count > ByteTree.width else { return nil }
      let middle = changed == keys.count - 1 ? changed : keys.count / 2
      let new = Node()
      new.keys = Array(keys[middle...])
      keys.removeSubrange(middle...)
      if isLeaf {
        new.values = Array(values[middle...])
        values.removeSubrange(middle...)
      } else {
        new.children = Array(children[middle...])
        children.removeSubrange(middle...)
      }
      return new
    }
  }

  /// Puts a value under a key, over what was there; nil says that it is deleted.
  mutating func set(_ key: [UInt8], _ value: [UInt8]?) {
    if !isKnownUniquelyReferenced(&root) { root = root.copied() }
    let outcome = root.set(key, value)
    if outcome.isNew { count += 1 }
    guard let new = outcome.split else { return }
    let above = Node()
    above.keys = [root.keys[0], new.keys[0]]
    above.children = [root, new]
    root = above
  }

  /// What is said of a key.
  enum Entry {
    /// Nothing.
    case unknown
    /// That it is deleted.
    case deleted
    /// That this is its value.
    case value([UInt8])
  }

  /// What is said of a key.
  func entry(_ key: [UInt8]) -> Entry {
    if count == 0 { return .unknown }
    var node = root
    while !node.isLeaf { node = node.children[node.child(of: key)] }
    let index = node.firstEntry(from: key)
    guard index < node.keys.count, node.keys[index] == key else { return .unknown }
    return node.values[index].map(Entry.value) ?? .deleted
  }

  /// A place in the order of a tree's keys.
  struct Cursor {
    private var path: [(node: Node, index: Int)] = []

    /// Stands at the first key that is not less than the given one.
    fileprivate init(_ root: Node, from key: [UInt8]) {
      var node = root
      while !node.isLeaf {
        let index = node.child(of: key)
        path.append((node, index))
        node = node.children[index]
      }
      path.append((node, node.firstEntry(from: key)))
      settle()
    }

    /// Whether there is an entry here.
    var isOnEntry: Bool { !path.isEmpty }
    /// Its key; there must be one.
    var key: [UInt8] { path[path.count - 1].node.keys[path[path.count - 1].index] }
    /// Its value, nil where it is deleted; there must be an entry.
    var value: [UInt8]? { path[path.count - 1].node.values[path[path.count - 1].index] }

    /// Goes to the next entry.
    mutating func next() {
      guard isOnEntry else { return }
      path[path.count - 1].index += 1
      settle()
    }

    /// Goes up and down again where a node is at its end.
    private mutating func settle() {
      while let last = path.last, last.index >= last.node.keys.count {
        path.removeLast()
        guard !path.isEmpty else { return }
        path[path.count - 1].index += 1
        guard path[path.count - 1].index < path[path.count - 1].node.children.count else { continue }
        var node = path[path.count - 1].node.children[path[path.count - 1].index]
        while !node.isLeaf {
          path.append((node, 0))
          node = node.children[0]
        }
        path.append((node, 0))
      }
    }
  }

  /// A cursor at the first key that is not less than the given one.
  func cursor(from key: [UInt8] = []) -> Cursor { Cursor(root, from: key) }
}
