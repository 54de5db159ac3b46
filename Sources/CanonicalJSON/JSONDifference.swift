/// One place where two JSON values differ.
public struct JSONDifference: Sendable {
  /// Where, as a JSON Pointer (RFC 6901); empty where the values differ as a whole.
  public let pointer: String

  /// What the first value has there, or nil where it has nothing. `null` is something.
  public let from: JSON?

  /// What the second value has there, or nil where it has nothing. `null` is something.
  public let to: JSON?

  /// A difference at a place.
  public init(pointer: String, from: JSON?, to: JSON?) {
    self.pointer = pointer
    self.from = from
    self.to = to
  }

  /// All places where `from` and `to` differ, as deep inside as they are of one kind, in the order of the canonical
  /// text; none for equal values.
  ///
  /// Objects are compared key by key, arrays index by index: an element inserted at the front of an array makes every
  /// later index differ.
  public static func compare(_ from: JSON, _ to: JSON) -> [JSONDifference] {
    var comparison = JSONComparison()
    comparison.compare(from, to)
    return comparison.differences
  }
}

extension JSONDifference: Equatable {
  /// Whether place and values are the same, by bytes.
  public static func == (left: JSONDifference, right: JSONDifference) -> Bool {
    UTF8Bytes.areEqual(left.pointer, right.pointer) && left.from == right.from && left.to == right.to
  }
}

/// A walk through two values side by side, with the places still to visit on a stack of its own: values may be as deep
/// as they like.
private struct JSONComparison {
  /// A place to visit: what both values have there, and how its pointer goes on from that of the container around it.
  private struct Place {
    let containerPath: Int
    let token: Token
    let from: JSON?
    let to: JSON?
  }

  private enum Token {
    case key(String)
    case index(Int)
  }

  private(set) var differences: [JSONDifference] = []
  /// The places to visit, the next one last.
  private var places: [Place] = []
  /// The pointer to where the walk is, as UTF-8.
  private var path: [UInt8] = []

  mutating func compare(_ from: JSON, _ to: JSON) {
    visit(from, to)
    while let place = places.popLast() {
      path.removeSubrange(place.containerPath...)
      path.append(ASCII.slash)
      switch place.token {
      case .key(let key): JSONPointer.writeEscaped(key, into: &path)
      case .index(let index): JSONText.writeInteger(Int64(index), into: &path)
      }
      visit(place.from, place.to)
    }
  }

  private mutating func visit(_ from: JSON?, _ to: JSON?) {
    let first = places.count
    switch (from, to) {
    case (.object(let from), .object(let to)): add(from, to)
    case (.array(let from), .array(let to)): add(from, to)
    default:
      if from != to {
        differences.append(JSONDifference(pointer: String(decoding: path, as: UTF8.self), from: from, to: to))
      }
    }
    places[first...].reverse()
  }

  private mutating func add(_ from: JSONObject, _ to: JSONObject) {
    var left = from.makeIterator()
    var right = to.makeIterator()
    var old = left.next()
    var new = right.next()
    while let key = firstKey(old, new) {
      let before = value(of: key, in: old)
      let after = value(of: key, in: new)
      places.append(Place(containerPath: path.count, token: .key(key), from: before, to: after))
      if before != nil { old = left.next() }
      if after != nil { new = right.next() }
    }
  }

  private mutating func add(_ from: [JSON], _ to: [JSON]) {
    for index in 0..<max(from.count, to.count) {
      let before: JSON? = index < from.count ? .some(from[index]) : .none
      let after: JSON? = index < to.count ? .some(to[index]) : .none
      places.append(Place(containerPath: path.count, token: .index(index), from: before, to: after))
    }
  }

  private func value(of key: String, in member: JSONObject.Element?) -> JSON? {
    guard let member, UTF8Bytes.areEqual(member.key, key) else { return Optional<JSON>.none }
    return member.value
  }

  private func firstKey(_ old: JSONObject.Element?, _ new: JSONObject.Element?) -> String? {
    guard let old else { return new?.key }
    guard let new else { return old.key }
    return UTF8Bytes.order(old.key, new.key) <= 0 ? old.key : new.key
  }
}
