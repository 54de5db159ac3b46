import Synchronization

// Invariant behind @unchecked: `cells` is set once, and what it points to is atomic.
/// A row of counters that only grow. Any thread may add and read; neither takes a lock or memory.
public final class AtomicCounters: @unchecked Sendable {
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>
  /// How many there are.
  public let count: Int

  /// So many counters, all at zero.
  public init(count: Int) {
    self.count = count
    cells = .allocate(capacity: count)
    for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: count)
    cells.deallocate()
  }

  /// Adds to the counter of that index.
  public func add(_ amount: UInt64 = 1, at index: Int) {
    precondition(index >= 0 && index < count, "there is no counter of that index")
    cells[index].wrappingAdd(amount, ordering: .relaxed)
  }

  /// The counter of that index.
  public subscript(index: Int) -> UInt64 {
    precondition(index >= 0 && index < count, "there is no counter of that index")
    return cells[index].load(ordering: .relaxed)
  }
}
