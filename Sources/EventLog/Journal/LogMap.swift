import LMDB
import Logging

enum LogMap {
  /// Makes the map larger: twice as large, or else by a quarter. Waits for the reads under way. Answers why it can't.
  static func grow(_ environment: Environment, after error: LMDBError, _ logger: Logger) -> EventLogError? {
    let before = environment.mapSize
    var failure: LMDBError?
    for size in error.isMapResized ? [0] : [before * 2, before + before / 4] {
      do {
        try environment.resize(to: size)
        logger.info("the log's map has grown", metadata: ["bytes": "\(environment.mapSize)"])
        return nil
      } catch {
        failure = error
      }
    }
    let cause = failure.map { "\($0)" } ?? "no cause is known"
    return EventLogError(
      .storage,
      "The log's map of \(before) bytes is full and can't grow: \(cause). Reads go on; raise the limit on address space.",
      underlying: failure?.code ?? 0)
  }
}
