import Foundation
import FuzzTargets
import TestBasics
import Testing

/// A sample of what tools/fuzz does.
@Suite struct SampleTests {
  @Test(.seeded, arguments: FuzzTarget.Kind.allCases)
  func `what is promised holds for a second of random inputs`(_ kind: FuzzTarget.Kind) throws {
    let target = try FuzzTarget.make(kind, repository: Repository.root)
    // In every run the same inputs, so that what fails has been broken by the change at hand; new ones are looked for
    // by tools/fuzz, by --thorough, and with a seed of one's own.
    let isGiven = ProcessInfo.processInfo.environment["DAYBOOK_TEST_SEED"] != nil
    let generator = isThorough || isGiven ? try Seeded() : Seeded(seed: 1)
    // A trap ends the process before a failure could say it.
    print("inputs of \(kind): DAYBOOK_TEST_SEED=\(generator.seed)")
    var inputs = Mutations(of: target, generator)
    let end = ContinuousClock.now + .seconds(isThorough ? 60 : 1)
    var left = isThorough || isGiven ? Int.max : 20_000
    repeat {
      left -= 1
      let input = inputs.next()
      do {
        _ = try target.check(input)
      } catch {
        Issue.record("\(error); the input: \(String(decoding: input, as: UTF8.self).debugDescription), \(input)")
        return
      }
    } while left > 0 && ContinuousClock.now < end
  }

  @Test(arguments: FuzzTarget.Kind.allCases)
  func `every seed is well formed, and keeps all promises`(_ kind: FuzzTarget.Kind) throws {
    let target = try FuzzTarget.make(kind, repository: Repository.root)
    #expect(target.seeds.count >= 3)
    for seed in target.seeds {
      let isWellFormed = try target.check(seed)
      #expect(isWellFormed, "\(String(decoding: seed.prefix(200), as: UTF8.self))")
    }
  }

  @Test func `tools/fuzz knows every target`() throws {
    let lines = TestFiles.text(Repository.root + "/tools/fuzz").split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix("targets=(") })
    let names = line.dropFirst("targets=(".count).prefix { $0 != ")" }.split(separator: " ").map(String.init)
    #expect(names == FuzzTarget.Kind.allCases.map(\.rawValue))
  }
}
