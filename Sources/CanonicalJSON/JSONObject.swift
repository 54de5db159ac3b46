/// The members of a JSON object, always sorted by key in the order of RFC 8785 §3.2.3 (UTF-16 code units) and unique by
/// the keys' bytes.
///
/// A value type over one contiguous array: a look-up is a search in it, and adding a key behind all others is an
/// append.
public struct JSONObject: Sendable {
  /// A key and its value.
  public typealias Element = (key: String, value: JSON)

  private var members: [Element]

  /// No members.
  public init() {
    members = []
  }

  /// No members, and room for `minimumCapacity` of them without another allocation.
  public init(minimumCapacity: Int) {
    members = []
    members.reserveCapacity(minimumCapacity)
  }

  /// The given members, sorted once; of several with the same key the last one stays.
  public init(members given: [(key: String, value: JSON)]) {
    self.init(minimumCapacity: given.count)
    let isAscending = given.indices.dropFirst().allSatisfy { UTF8Bytes.order(given[$0 - 1].key, given[$0].key) < 0 }
    if isAscending {
      members = given
      return
    }
    let arrival = given.indices.sorted { left, right in
      let order = UTF8Bytes.order(given[left].key, given[right].key)
      return order == 0 ? left < right : order < 0
    }
    for index in arrival {
      if let last = members.last, UTF8Bytes.areEqual(last.key, given[index].key) {
        members[members.count - 1].value = given[index].value
      } else {
        members.append(given[index])
      }
    }
  }

  /// Takes members that are sorted and unique already.
  init(sortedMembers: [Element]) {
    members = sortedMembers
  }

  /// How many members there are.
  public var count: Int { members.count }

  /// Whether there are none.
  public var isEmpty: Bool { members.isEmpty }

  /// All keys, in order.
  public var keys: [String] { members.map(\.key) }

  /// All values, in the order of their keys.
  public var values: [JSON] { members.map(\.value) }

  /// The value of a key, or nil where there is none; setting nil removes the member. A `null` is a value: set
  /// `.some(.null)` or `JSON.null`.
  public subscript(key: String) -> JSON? {
    get {
      find(key).map { members[$0].value }
    }
    set {
      if let newValue {
        append(key: key, value: newValue)
      } else {
        removeValue(forKey: key)
      }
    }
  }

  /// Sets a member: amortized constant time where its key comes after all present ones, else a search and an insertion.
  public mutating func append(key: String, value: JSON) {
    guard let last = members.last else {
      members.append((key, value))
      return
    }
    if UTF8Bytes.order(last.key, key) < 0 {
      members.append((key, value))
      return
    }
    let index = lowerBound(key)
    if index < members.count, UTF8Bytes.areEqual(members[index].key, key) {
      members[index].value = value
    } else {
      members.insert((key, value), at: index)
    }
  }

  /// Removes a member and returns its value, or nil where there was none.
  @discardableResult
  public mutating func removeValue(forKey key: String) -> JSON? {
    find(key).map { members.remove(at: $0).value }
  }

  /// Whether there is a member of that key, be its value null or not.
  public func contains(_ key: String) -> Bool {
    find(key) != nil
  }

  /// The same keys, each with what `transform` makes of its value.
  public func mapValues(_ transform: (JSON) throws -> JSON) rethrows -> JSONObject {
    JSONObject(sortedMembers: try members.map { (key: $0.key, value: try transform($0.value)) })
  }

  /// The members that `isIncluded` accepts.
  public func filter(_ isIncluded: (Element) throws -> Bool) rethrows -> JSONObject {
    JSONObject(sortedMembers: try members.filter(isIncluded))
  }

  /// The members of both; where both have a key, the value of `other`.
  public func merging(_ other: JSONObject) -> JSONObject {
    if other.isEmpty { return self }
    if isEmpty { return other }
    var merged: [Element] = []
    merged.reserveCapacity(count + other.count)
    var mine = 0
    var theirs = 0
    while mine < members.count, theirs < other.members.count {
      let order = UTF8Bytes.order(members[mine].key, other.members[theirs].key)
      if order < 0 {
        merged.append(members[mine])
      } else {
        merged.append(other.members[theirs])
        theirs += 1
      }
      if order <= 0 { mine += 1 }
    }
    merged.append(contentsOf: members[mine...])
    merged.append(contentsOf: other.members[theirs...])
    return JSONObject(sortedMembers: merged)
  }

  /// Up to this many members a look-up compares them one by one: lengths differ mostly, so that is quicker than
  /// halving.
  private static let linearSearchLimit = 12

  private func find(_ key: String) -> Int? {
    if members.count <= Self.linearSearchLimit {
      return members.firstIndex { UTF8Bytes.areEqual($0.key, key) }
    }
    let index = lowerBound(key)
    return index < members.count && UTF8Bytes.areEqual(members[index].key, key) ? index : nil
  }

  /// The index of the first member whose key doesn't come before `key`.
  private func lowerBound(_ key: String) -> Int {
    var low = 0
    var high = members.count
    while low < high {
      let middle = (low + high) / 2
      if UTF8Bytes.order(members[middle].key, key) < 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}

extension JSONObject: Sequence {
  /// The number of members, exactly.
  public var underestimatedCount: Int { members.count }

  /// The members in order.
  public func makeIterator() -> IndexingIterator<[Element]> {
    members.makeIterator()
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// The given members, sorted; of several with the same key the last one stays.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self.init(members: elements)
  }
}

extension JSONObject: Hashable {
  /// Whether both have the same canonical bytes.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    guard left.members.count == right.members.count else { return false }
    for index in left.members.indices {
      guard UTF8Bytes.areEqual(left.members[index].key, right.members[index].key),
        left.members[index].value == right.members[index].value
      else { return false }
    }
    return true
  }

  /// Feeds what equality compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(members.count)
    for member in members {
      UTF8Bytes.hash(member.key, into: &hasher)
      member.value.hash(into: &hasher)
    }
  }
}
