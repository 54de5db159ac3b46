/// What the journal holds and LMDB doesn't yet, in memory: the newest value of every key that was changed.
struct Generation: Sendable {
  private var trees = [ByteTree](repeating: ByteTree(), count: Databases.names.count)
  /// The head after the last of its batches; nil where it has none.
  private(set) var head: StoredHead?
  /// The position of its first event, where it has one.
  private(set) var firstPosition: UInt64 = 0
  /// Where the journal goes on behind it.
  private(set) var end: JournalPlace?
  /// Bytes of keys and values, each change counted.
  private(set) var bytes = 0

  var isEmpty: Bool { head == nil }

  /// What it says of one database, by its place in ``Databases/names``.
  func tree(_ database: Int) -> ByteTree { trees[database] }

  /// Takes a batch in, behind all before it.
  mutating func apply(_ batch: EncodedBatch, through end: JournalPlace?) {
    if isEmpty { firstPosition = batch.firstPosition }
    for change in batch.changes {
      trees[Int(change.database)].set(change.key, change.value)
      bytes += change.key.count + (change.value?.count ?? 0)
    }
    head = batch.head
    self.end = end
  }
}
