import Foundation
import Testing

/// A reproducible stream of random numbers (SplitMix64, Steele, Lea and Flood
/// 2014): the same seed gives the same values everywhere.
package struct Seeded: RandomNumberGenerator, Sendable {
  /// What gives the same stream again.
  package let seed: UInt64
  private var state: UInt64

  /// A stream that follows from a seed.
  package init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// The stream of the running test, whose seed is a new one in each run, or what `DAYBOOK_TEST_SEED` says.
  /// - Throws: Where the test lacks the trait `.seeded`, which says the seed when the test fails.
  package init() throws {
    guard let seed = SeededTrait.seed else { throw HarnessError("mark the test with the trait .seeded") }
    self.init(seed: seed)
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Gives a test, or each test of a suite, a seed, and adds to each of its failures
/// how to run it with the same one again.
package struct SeededTrait: TestTrait, SuiteTrait, TestScoping {
  @TaskLocal static var seed: UInt64?
  package let isRecursive = true

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let given = ProcessInfo.processInfo.environment["DAYBOOK_TEST_SEED"]
    let seed = given.flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
    if let given, UInt64(given) == nil { throw HarnessError("DAYBOOK_TEST_SEED is no number: \(given)") }
    let saying = IssueHandlingTrait.compactMapIssues { issue in
      var issue = issue
      issue.comments.append("the same again: DAYBOOK_TEST_SEED=\(seed)")
      return issue
    }
    try await SeededTrait.$seed.withValue(seed) {
      try await saying.provideScope(for: test, testCase: testCase, performing: function)
    }
  }
}

extension Trait where Self == SeededTrait {
  /// Gives the test a seed for ``Seeded/init()``, which its failures say.
  package static var seeded: Self { SeededTrait() }
}
