import BasicTypes

/// How many events fell into each of some equal spans of time, found out in one pass: the spans double whenever time
/// runs beyond the last one.
struct Timeline {
  /// The most spans.
  static let width = 64

  private(set) var counts: [Int] = []
  /// The length of a span in microseconds.
  private(set) var span: Int64 = 1_000_000
  private(set) var start: Timestamp?

  mutating func add(_ time: Timestamp) {
    let start = start ?? time
    self.start = start
    // Times never go back in a log; those of an early program may stand still.
    var index = max(0, (time.microseconds - start.microseconds) / span)
    while index >= Timeline.width {
      counts = stride(from: 0, to: counts.count, by: 2).map {
        counts[$0] + ($0 + 1 < counts.count ? counts[$0 + 1] : 0)
      }
      span *= 2
      index /= 2
    }
    while counts.count <= Int(index) { counts.append(0) }
    counts[Int(index)] += 1
  }

  /// When a span begins.
  func time(of index: Int) -> Timestamp {
    Timestamp(microseconds: (start?.microseconds ?? 0) + Int64(index) * span)
  }
}
