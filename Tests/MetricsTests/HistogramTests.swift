import Metrics
import Testing

@Suite struct HistogramTests {
  @Test func `a duration lies in the first bucket whose bound is no less, and above all of them in the last`() {
    let histogram = Histogram(bounds: [10, 20, 50])
    for nanoseconds: UInt64 in [0, 10, 11, 20, 50, 51, 1_000_000] { histogram.record(nanoseconds: nanoseconds) }
    let taken = histogram.snapshot
    #expect(taken.counts == [2, 2, 1, 2])
    #expect(taken.count == 7)
    #expect(taken.nanoseconds == 1_000_142)
  }

  @Test func `what many threads record is all counted`() async {
    let histogram = Histogram(bounds: Histogram.callBounds)
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask { for step in 0..<10_000 { histogram.record(nanoseconds: UInt64(task * 10_000 + step)) } }
      }
    }
    #expect(histogram.snapshot.count == 80_000)
    #expect(histogram.snapshot.nanoseconds == UInt64(80_000 * 79_999 / 2))
  }

  @Test func `the bounds for disks lie close where a sync ends, from a tenth of a millisecond to fifty`() {
    let bounds = Histogram.diskBounds
    #expect(bounds == bounds.sorted() && Set(bounds).count == bounds.count)
    let inside = bounds.filter { (100_000...50_000_000).contains($0) }
    #expect(inside.first == 100_000 && inside.last == 50_000_000)
    #expect(inside.count >= 15)
    for (low, high) in zip(inside, inside.dropFirst()) { #expect(high <= 2 * low, "\(low) \(high)") }
    #expect((bounds.first ?? 0) < 100_000 && (bounds.last ?? 0) >= 10_000_000_000)
    let calls = Histogram.callBounds
    #expect(calls == calls.sorted() && calls.first == 10_000 && calls.last == 100_000_000_000)
  }

  @Test func `counters are added up each for itself`() {
    let counters = AtomicCounters(count: 3)
    counters.add(at: 1)
    counters.add(5, at: 2)
    counters.add(at: 1)
    #expect((0..<counters.count).map { counters[$0] } == [0, 2, 5])
  }
}
