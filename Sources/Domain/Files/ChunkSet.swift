import CanonicalJSON

/// Which chunks of an upload are there: ranges of indexes in order, none touching
/// another, so that an upload in order is one range.
struct ChunkSet {
  /// The most ranges: chunks that come in another order leave gaps, and each gap costs room in the state.
  static let maximumRanges = 256

  private(set) var ranges: [ClosedRange<Int64>]

  /// The set that a field holds; a field without a value is the empty set.
  init(_ json: JSON?) {
    ranges = (json?.arrayValue ?? []).compactMap { pair in
      guard let first = pair.arrayValue?.first?.integerValue, let last = pair.arrayValue?.last?.integerValue,
        first <= last
      else { return nil }
      return first...last
    }
  }

  var json: JSON { .array(ranges.map { [.integer($0.lowerBound), .integer($0.upperBound)] }) }

  var count: Int64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound + 1) } }

  func contains(_ index: Int64) -> Bool { ranges.contains { $0.contains(index) } }

  /// What of `0..<total` is not there.
  func missing(of total: Int64) -> ChunkSet {
    var missing = ChunkSet(nil)
    var next: Int64 = 0
    for range in ranges {
      if range.lowerBound > next { missing.ranges.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next < total { missing.ranges.append(next...(total - 1)) }
    return missing
  }

  /// Adds a chunk; one that is there already changes nothing.
  mutating func insert(_ index: Int64) {
    guard !contains(index) else { return }
    let place = ranges.firstIndex { $0.lowerBound > index } ?? ranges.count
    var range = index...index
    var replaced = place..<place
    if place < ranges.count, ranges[place].lowerBound == index + 1 {
      range = index...ranges[place].upperBound
      replaced = place..<(place + 1)
    }
    if place > 0, ranges[place - 1].upperBound == index - 1 {
      range = ranges[place - 1].lowerBound...range.upperBound
      replaced = (place - 1)..<replaced.upperBound
    }
    ranges.replaceSubrange(replaced, with: [range])
  }
}
