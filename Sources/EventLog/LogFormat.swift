import LMDB

/// The layout of a log's databases, as `meta` names it under `format`: the mark, with `+journal` behind it while the
/// last events may be in the journal alone, which programs of before the journal don't know.
package enum LogFormat: String, Sendable, CaseIterable {
  /// Up to 2026-11-30: a node of the tree an entry, unique keys without their parent, requests' fingerprints over
  /// everything.
  case first = "daybook-log-1"
  /// The tree in tiles, unique keys under their parent, fingerprints without secrets and personal values.
  case second = "daybook-log-2"

  /// What this program writes. Logs of an earlier one are brought to it by ``EventLogUpgrade``.
  package static let current = LogFormat.second

  private static let journalSuffix = "+journal"

  /// The mark in `meta`.
  func mark(withJournal: Bool) -> [UInt8] { Array((rawValue + (withJournal ? Self.journalSuffix : "")).utf8) }

  /// What a mark says; nil where no program has written it.
  static func read(_ mark: [UInt8]) -> (format: LogFormat, withJournal: Bool)? {
    for format in allCases {
      for withJournal in [false, true] where format.mark(withJournal: withJournal) == mark {
        return (format, withJournal)
      }
    }
    return nil
  }

  /// The format of a log; nil where its mark is missing, or of no known one.
  static func of(_ store: borrowing ReadTransaction, _ meta: Database) throws(LMDBError) -> LogFormat? {
    try store.value(meta, Key.meta("format")).flatMap { LogFormat.read($0)?.format }
  }
}
