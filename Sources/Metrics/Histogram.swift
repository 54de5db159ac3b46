import Synchronization

/// How long things took, counted in buckets. Any thread may record; that takes no lock and no memory.
public final class Histogram: Sendable {
  /// What was recorded by some moment.
  public struct Snapshot: Sendable, Hashable {
    /// The upper bounds of the buckets in nanoseconds, which belong to them.
    public let bounds: [UInt64]
    /// How many durations lie in each bucket; the last one is for those above every bound.
    public let counts: [UInt64]
    /// All durations together, in nanoseconds.
    public let nanoseconds: UInt64

    /// A snapshot of these figures.
    public init(bounds: [UInt64], counts: [UInt64], nanoseconds: UInt64) {
      self.bounds = bounds
      self.counts = counts
      self.nanoseconds = nanoseconds
    }

    /// How many durations were recorded.
    public var count: UInt64 { counts.reduce(0, &+) }
  }

  /// Bounds for calls, from ten microseconds to a hundred seconds: 1, 2, 5 of each power of ten.
  public static let callBounds = bounds(from: 10_000, through: 100_000_000_000, steps: [10, 20, 50])
  /// Bounds for what waits for a disk: close together from 0.1 to 50 ms, where a sync of an SSD or a hard disk ends.
  public static let diskBounds: [UInt64] =
    [50_000] + bounds(from: 100_000, through: 9_999_999, steps: [10, 15, 20, 30, 50, 70])
    + [10, 15, 20, 30, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000].map { $0 * 1_000_000 }

  /// The upper bounds of the buckets in nanoseconds, ascending. A duration that is equal to one lies below it.
  public let bounds: [UInt64]
  private let counts: AtomicCounters
  private let sum = Atomic<UInt64>(0)

  /// - Parameter bounds: Upper bounds in nanoseconds, ascending.
  public init(bounds: [UInt64]) {
    precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds must ascend")
    self.bounds = bounds
    counts = AtomicCounters(count: bounds.count + 1)
  }

  /// Counts a duration.
  public func record(nanoseconds: UInt64) {
    var low = 0
    var high = bounds.count
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] < nanoseconds { low = middle + 1 } else { high = middle }
    }
    counts.add(at: low)
    sum.wrappingAdd(nanoseconds, ordering: .relaxed)
  }

  /// What was recorded by now. What is recorded meanwhile may be in the sum and not yet in the counts, or the reverse.
  public var snapshot: Snapshot {
    Snapshot(
      bounds: bounds, counts: (0..<counts.count).map { counts[$0] }, nanoseconds: sum.load(ordering: .relaxed))
  }

  private static func bounds(from first: UInt64, through last: UInt64, steps: [UInt64]) -> [UInt64] {
    var found: [UInt64] = []
    var decade = first
    while decade <= last {
      found += steps.map { decade / 10 * $0 }.filter { $0 <= last }
      decade *= 10
    }
    return found
  }
}
