/// A stack of values that are read but not yet in their array or object, with the keys of those that have one.
///
/// Its owner remembers where each open container's values start. Memory is managed by hand so that values move,
/// uncopied, into an array of exactly their number; all elements below ``count`` are initialized, none above.
struct PendingMembers: ~Copyable {
  private struct Member {
    var key: String
    var keyOffset: Int
    var value: JSON
  }

  /// Up to this many members are sorted in place, without an allocation.
  private static let insertionSortLimit = 24

  private(set) var count = 0
  private var capacity = 16
  private var storage: UnsafeMutablePointer<Member>

  init() {
    storage = .allocate(capacity: capacity)
  }

  deinit {
    storage.deinitialize(count: count)
    storage.deallocate()
  }

  /// Puts a value on top.
  @inline(__always)
  mutating func push(key: String, keyOffset: Int, value: JSON) {
    if count == capacity { grow() }
    (storage + count).initialize(to: Member(key: key, keyOffset: keyOffset, value: value))
    count += 1
  }

  /// Takes off all values from `base` on.
  mutating func popArray(from base: Int) -> [JSON] {
    let first = storage + base
    let total = count - base
    count = base
    return [JSON](unsafeUninitializedCapacity: total) { buffer, initialized in
      for index in 0..<total {
        let member = (first + index).move()
        buffer.initializeElement(at: index, to: member.value)
      }
      initialized = total
    }
  }

  /// Takes off all members from `base` on, sorted by key (RFC 8785 §3.2.3); of several with the same key the last one
  /// pushed stays.
  /// - Throws: `duplicateKey` at the first key that is there already, where `duplicateKeys` says so.
  mutating func popObject(
    from base: Int, _ duplicateKeys: JSONParseOptions.DuplicateKeys
  ) throws(JSONParseError) -> [JSONObject.Element] {
    let members = UnsafeMutableBufferPointer(start: storage + base, count: count - base)
    if !isStrictlyAscending(members) {
      sort(members)
      if duplicateKeys == .reject, let offset = firstRepeatedKey(members) {
        throw JSONParseError(code: .duplicateKey, offset: offset)
      }
      if duplicateKeys == .lastWins { return popMergingRepeatedKeys(members) }
    }
    count = base
    return [JSONObject.Element](unsafeUninitializedCapacity: members.count) { buffer, initialized in
      for index in 0..<members.count {
        let member = members.moveElement(from: index)
        buffer.initializeElement(at: index, to: (key: member.key, value: member.value))
      }
      initialized = members.count
    }
  }

  private mutating func popMergingRepeatedKeys(_ members: UnsafeMutableBufferPointer<Member>) -> [JSONObject.Element] {
    count -= members.count
    var merged: [JSONObject.Element] = []
    for index in 0..<members.count {
      let member = members.moveElement(from: index)
      if let last = merged.last, UTF8Bytes.areEqual(last.key, member.key) {
        merged[merged.count - 1].value = member.value
      } else {
        merged.append((member.key, member.value))
      }
    }
    return merged
  }

  private func isStrictlyAscending(_ members: UnsafeMutableBufferPointer<Member>) -> Bool {
    for index in 1..<max(members.count, 1) where UTF8Bytes.order(members[index - 1].key, members[index].key) >= 0 {
      return false
    }
    return true
  }

  /// Sorts by key, and equal keys by arrival.
  private func sort(_ members: UnsafeMutableBufferPointer<Member>) {
    guard members.count <= Self.insertionSortLimit else {
      var members = members
      members.sort { left, right in
        let order = UTF8Bytes.order(left.key, right.key)
        return order == 0 ? left.keyOffset < right.keyOffset : order < 0
      }
      return
    }
    for index in 1..<members.count {
      var place = index
      while place > 0, UTF8Bytes.order(members[place - 1].key, members[index].key) > 0 { place -= 1 }
      guard place < index, let start = members.baseAddress else { continue }
      let member = members.moveElement(from: index)
      (start + place + 1).moveInitialize(from: start + place, count: index - place)
      members.initializeElement(at: place, to: member)
    }
  }

  /// Where the first key stands that came a second time; `members` must be sorted.
  private func firstRepeatedKey(_ members: UnsafeMutableBufferPointer<Member>) -> Int? {
    var first: Int?
    for index in 1..<max(members.count, 1)
    where UTF8Bytes.areEqual(members[index - 1].key, members[index].key) {
      first = min(first ?? .max, members[index].keyOffset)
    }
    return first
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Member>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: storage, count: count)
    storage.deallocate()
    storage = larger
    capacity *= 2
  }
}
