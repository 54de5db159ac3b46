import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Vault

/// Which values are taken out of a resource's events, and how.
struct Redaction {
  /// Into the fields of the resource; a step `*` goes to every member and element.
  let pointers: [JSONPointer]
  /// Into the facts of its events.
  let facts: [JSONPointer]
  /// What the resource holds now and keeps; nil where that goes too.
  let kept: JSONObject?
  /// Whether only values go that stand in the clear, and sealed ones stay.
  let isOfPlain: Bool

  /// The bodies that are dropped, in the order of their positions.
  private(set) var drops: [DroppedBody] = []
  /// How many values are taken out, by the pointer that leads to them.
  private(set) var counts: [Int]

  init(pointers: [JSONPointer], facts: [JSONPointer], kept: JSONObject?, isOfPlain: Bool = false) {
    self.isOfPlain = isOfPlain
    self.pointers = pointers
    self.facts = facts
    self.kept = kept
    counts = Array(repeating: 0, count: pointers.count + facts.count)
  }

  /// Takes the values out of one record.
  mutating func take(_ record: LogRecord) throws {
    let body = try record.parsedBody()
    let set = without(body.set, kept)
    let was = without(body.was, kept)
    var data = body.data
    var found = set.found + was.found
    for (index, pointer) in facts.enumerated() {
      var count = 0
      data = redacted(.object(data), pointer.tokens[...], keeping: nil, &count).objectValue ?? data
      counts[pointers.count + index] += count
      found += count
    }
    guard found > 0 else { return }
    drops.append(try DroppedBody(record, set: set.values, was: was.values, data: data))
  }

  private mutating func without(_ values: JSONObject, _ kept: JSONObject?) -> (values: JSONObject, found: Int) {
    var value = JSON.object(values)
    var found = 0
    for (index, pointer) in pointers.enumerated() {
      var count = 0
      value = redacted(value, pointer.tokens[...], keeping: kept.map(JSON.object), &count)
      counts[index] += count
      found += count
    }
    return (value.objectValue ?? values, found)
  }

  /// The token that goes to every member and element.
  static let everywhere = "*"

  /// A value with what a way leads to replaced by the mark. Null, that there is none, stays, and what was replaced
  /// before.
  /// - Parameter kept: What stands at the same place and may stay; nil where nothing may.
  private func redacted(
    _ value: JSON, _ way: ArraySlice<String>, keeping kept: JSON?, _ count: inout Int
  ) -> JSON {
    guard let token = way.first else {
      if value.isNull || value == Redactions.mark || value == kept || isOfPlain && Vault.isSealed(value) {
        return value
      }
      count += 1
      return Redactions.mark
    }
    let rest = way.dropFirst()
    switch value {
    case .object(var object):
      let names = object.contains(token) ? [token] : token == Redaction.everywhere ? Array(object.keys) : []
      for name in names {
        guard let member = object[name] else { continue }
        object[name] = redacted(member, rest, keeping: kept?[name], &count)
      }
      return .object(object)
    case .array(var elements):
      let indexes =
        token == Redaction.everywhere
        ? Array(elements.indices) : Int(token).map { elements.indices.contains($0) ? [$0] : [] } ?? []
      let present = kept?.arrayValue ?? []
      for index in indexes {
        // What an element was moved from counts as what stays of it.
        let same = present.indices.contains(index) ? present[index] : nil
        elements[index] = redacted(elements[index], rest, keeping: same, &count)
      }
      return .array(elements)
    default:
      return value
    }
  }
}
