import LMDB
import NIOConcurrencyHelpers

/// What is durable in the journal and not yet in LMDB's pages, in two generations: one that is being written to the
/// pages, and one that takes what is recorded meanwhile.
final class UnflushedChanges: Sendable {
  private struct Generations: Sendable {
    var older: Generation?
    var newer = Generation()
  }

  private let generations: NIOLockedValueBox<Generations>
  /// Held while a batch is taken in or a generation is frozen, which may take longer than readers should wait.
  private let changing = NIOLock()

  /// How many changes are taken in while readers wait; more are taken into a copy.
  private static let fewChanges = 4096

  /// - Parameter recovered: What the journal had when the log was opened.
  init(_ recovered: Generation) {
    generations = NIOLockedValueBox(Generations(older: nil, newer: recovered))
  }

  /// What the log stores now.
  func view(_ environment: Environment, _ databases: Databases) throws -> LogView {
    // The read begins under the lock: so the pages have nothing newer than the generations, and nothing is in neither.
    try generations.withLockedValue { generations in
      LogView(
        try environment.beginRead(), databases, older: generations.older,
        newer: generations.newer.isEmpty ? nil : generations.newer)
    }
  }

  /// Takes a durable batch in: whoever reads from now on sees it. Answers how many bytes wait for the next flush.
  func apply(_ batch: EncodedBatch, through end: JournalPlace) -> Int {
    changing.withLock {
      if batch.changes.count <= UnflushedChanges.fewChanges {
        return generations.withLockedValue {
          $0.newer.apply(batch, through: end)
          return $0.newer.bytes
        }
      }
      var next = generations.withLockedValue { $0.newer }
      next.apply(batch, through: end)
      generations.withLockedValue { $0.newer = next }
      return next.bytes
    }
  }

  /// What is to be written to the pages: the generation that was frozen before and isn't written yet, or else the newer
  /// one, frozen now; nil where there is nothing.
  func freeze() -> (generation: Generation, isNew: Bool)? {
    changing.withLock {
      generations.withLockedValue { generations in
        if let older = generations.older { return (older, false) }
        guard !generations.newer.isEmpty else { return nil }
        let frozen = generations.newer
        generations.older = frozen
        generations.newer = Generation()
        return (frozen, true)
      }
    }
  }

  /// Lets the frozen generation go: the pages have it.
  func drop() {
    // Freed outside of the lock: it may be large.
    let dropped = generations.withLockedValue { generations in
      defer { generations.older = nil }
      return generations.older
    }
    withExtendedLifetime(dropped) {}
  }
}
