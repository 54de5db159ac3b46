import Refusals

/// The known words that a misspelled one was probably meant to be.
public enum Suggestion {
  /// The longest word, in bytes, that is compared with others: the cost of a comparison grows with both lengths, which
  /// strangers choose.
  public static let longestWord = 64
  /// How many words of one call are compared: a caller who has more faults than this mends the first ones first.
  public static let mostHints = 10
  /// The most edits between a word and what it was meant to be.
  private static let most = 4

  /// The candidate nearest to `word` by edit distance (insertions, deletions, replacements and swaps of neighbours), or
  /// nil where none is nearer than a third of the word's length, with at least one and at most four edits allowed.
  public static func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
    nearest(to: word, in: candidates, atMost: 1).first
  }

  /// Those candidates that come so near, and at most one edit less near than the nearest: the nearest first, equally
  /// near ones by their names.
  public static func nearest(to word: String, in candidates: some Sequence<String>, atMost count: Int) -> [String] {
    guard word.utf8.count <= longestWord else { return [] }
    let wanted = Array(word.unicodeScalars)
    let allowed = min(most, max(1, wanted.count / 3))
    var near: [(word: String, distance: Int)] = []
    for candidate in candidates where candidate.utf8.count <= longestWord {
      let distance = distance(wanted, Array(candidate.unicodeScalars))
      if distance <= allowed { near.append((candidate, distance)) }
    }
    let limit = 1 + (near.map(\.distance).min() ?? 0)
    return near.filter { $0.distance <= limit }.sorted { ($0.distance, $0.word) < ($1.distance, $1.word) }.prefix(count)
      .map(\.word)
  }

  /// ` (did you mean 'type'?)`, or nothing.
  static func hint(for word: String, in candidates: some Sequence<String>) -> String {
    nearest(to: word, in: candidates).map { " (did you mean '\($0)'?)" } ?? ""
  }

  /// The number of edits between two words, or more than any number allowed where their lengths alone say so.
  static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    if abs(left.count - right.count) > most { return .max }
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

extension Refusal {
  /// `method_not_found`, with those of the known methods that may have been meant.
  package static func methodNotFound(_ name: String, among methods: some Sequence<String>) -> Refusal {
    methodNotFound(name, suggestions: Suggestion.nearest(to: name, in: methods, atMost: 3))
  }
}
