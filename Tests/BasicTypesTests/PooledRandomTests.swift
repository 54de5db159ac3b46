import BasicTypes
import Testing

@Suite struct PooledRandomTests {
  @Test func `no two draws are the same, whoever draws, also where the pool is filled again`() async {
    let draws = await withTaskGroup(of: [UInt64].self) { group in
      for _ in 0..<4 {
        group.addTask {
          var random = PooledRandom()
          return (0..<3000).map { _ in random.next() }
        }
      }
      return await group.reduce(into: [UInt64]()) { $0 += $1 }
    }
    #expect(Set(draws).count == 12_000)
    // Each bit is set about half the time: seven standard deviations are never seen by chance.
    for bit in 0..<64 {
      let count = draws.count { $0 >> UInt64(bit) & 1 == 1 }
      #expect(abs(count - 6000) < 390, "bit \(bit): \(count)")
    }
  }
}
