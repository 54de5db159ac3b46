import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The kernel's random numbers, fetched 256 bytes at a time for all that ask: as unpredictable as
/// `SystemRandomNumberGenerator`, without a system call for each eight bytes. For ids and salts, of which each event
/// takes several; keys and tokens come straight from the kernel. Safe to use from any thread.
///
/// What was handed out is not kept.
public struct PooledRandom: RandomNumberGenerator, Sendable {
  private struct Pool {
    var words = [UInt64](repeating: 0, count: 32)
    /// Those before it are used up.
    var next = 32

    mutating func take() -> UInt64 {
      if next == words.count { fill() }
      defer {
        words[next] = 0
        next += 1
      }
      return words[next]
    }

    private mutating func fill() {
      next = 0
      // As many bytes as getentropy gives at once.
      if words.withUnsafeMutableBytes({ getentropy($0.baseAddress, $0.count) }) == 0 { return }
      var kernel = SystemRandomNumberGenerator()
      for index in words.indices { words[index] = kernel.next() }
    }
  }

  private static let pool = Mutex(Pool())

  /// The one source.
  public init() {}

  /// The next 64 bits.
  public mutating func next() -> UInt64 { PooledRandom.pool.withLock { $0.take() } }
}
