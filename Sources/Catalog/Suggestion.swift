/// The known word that a misspelled one was probably meant to be.
public enum Suggestion {
  /// The longest word, in bytes, that is compared with others.
  public static let longestWord = 64

  /// The candidate nearest to `word` by edit distance (insertions, deletions, replacements and swaps of neighbours), or nil where none is
  /// nearer than a third of the word's length, with at least one and at most three edits allowed. Nothing is looked for where `word` has more
  /// than ``longestWord`` bytes, and no such candidate is looked at: the cost of a comparison grows with both lengths, which strangers choose.
  public static func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
    guard word.utf8.count <= longestWord else { return nil }
    let allowed = min(3, max(1, word.unicodeScalars.count / 3))
    var best: (word: String, distance: Int)?
    for candidate in candidates where candidate.utf8.count <= longestWord {
      let distance = distance(Array(word.unicodeScalars), Array(candidate.unicodeScalars))
      guard distance <= allowed else { continue }
      if let best, (best.distance, best.word) <= (distance, candidate) { continue }
      best = (candidate, distance)
    }
    return best?.word
  }

  /// ` (did you mean 'type'?)`, or nothing.
  static func hint(for word: String, in candidates: some Sequence<String>) -> String {
    nearest(to: word, in: candidates).map { " (did you mean '\($0)'?)" } ?? ""
  }

  private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    if abs(left.count - right.count) > 3 { return .max }
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for row in left.indices {
      var current = [row + 1]
      for column in right.indices {
        var cost = min(last[column + 1] + 1, current[column] + 1)
        cost = min(cost, last[column] + (left[row] == right[column] ? 0 : 1))
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current.append(cost)
      }
      beforeLast = last
      last = current
    }
    return last[right.count]
  }
}
