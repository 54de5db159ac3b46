/// A point in a change of stored data at which a test can make the change fail, or end the process.
///
/// Each is named for what has been done when it is reached. In what is released none is armed, and reaching one costs a
/// comparison with nil; see ``Failpoints``.
package enum Failpoint: String, CaseIterable, Sendable, Codable {
  /// One decision of a batch has been made; it is not yet among those that will be written.
  case logDecided = "log.decided"
  /// The events of a batch are made; what they change of states and indexes is not.
  case logPutting = "log.putting"
  /// The whole batch is made; the keys that it needs are only in memory.
  case logPut = "log.put"
  /// The keys that a batch needs are durable; the batch is not.
  case logKeysDurable = "log.keys-durable"
  /// There is room for the batch in the journal; it is not written.
  case journalReady = "journal.ready"
  /// A batch is durable; nobody has been answered, and readers don't know of it.
  case logCommitted = "log.committed"

  /// What the journal holds is going to be written to the log's pages.
  case flushBegun = "flush.begun"
  /// It is in LMDB's transaction, which is not committed.
  case flushPut = "flush.put"
  /// The pages have it; its place in the journal is not free yet.
  case flushCommitted = "flush.committed"

  /// The rows that several read models share have been copied into PostgreSQL's transaction.
  case postingStaged = "posting.staged"
  /// One read model has its rows of a chunk; the chunk's transaction goes on.
  case postingUnit = "posting.unit"
  /// The checkpoints of a chunk have moved inside its transaction.
  case postingCheckpoint = "posting.checkpoint"
  /// A chunk is committed; the projector doesn't know it yet.
  case postingCommitted = "posting.committed"

  /// New keys have been written behind the others of the key store, but not synced.
  case keysAppended = "keys.appended"
  /// New keys are durable; the vault doesn't know it yet.
  case keysSynced = "keys.synced"

  /// The key of the next epoch has a file.
  case destructionEpochKeyWritten = "destruction.epoch-key-written"
  /// The key store of the next epoch has a file of its own.
  case destructionStoreWritten = "destruction.store-written"
  /// The key store in force has a second name, under which it will be found for overwriting.
  case destructionStoreLinked = "destruction.store-linked"
  /// The next epoch's key store has the name of the one in force: the moment of commitment.
  case destructionStoreRenamed = "destruction.store-renamed"
  /// That is durable.
  case destructionRenameDurable = "destruction.rename-durable"
  /// The key of the old epoch has been overwritten.
  case destructionEpochKeyOverwritten = "destruction.epoch-key-overwritten"
  /// The key of the old epoch has been removed.
  case destructionEpochKeyRemoved = "destruction.epoch-key-removed"
  /// The old key store has been overwritten.
  case destructionStoreOverwritten = "destruction.store-overwritten"
  /// The old key store has been removed.
  case destructionStoreRemoved = "destruction.store-removed"

  /// The root key that is to take the place of the one in force has a file.
  case rotationRootKeyMade = "rotation.root-key-made"
  /// All keys are wrapped under it, and what was under the old one is overwritten.
  case rotationCommitted = "rotation.committed"
  /// It has the name of the one in force.
  case rotationRootKeyRenamed = "rotation.root-key-renamed"

  /// A person's erasure is durable in the log; their key is there.
  case erasureConfirmed = "erasure.confirmed"
  /// The person's key is destroyed; the read models may hold values of theirs.
  case erasureKeyDestroyed = "erasure.key-destroyed"
  /// The read models hold none any more; that the erasure is complete isn't recorded.
  case erasureReadModelsWritten = "erasure.read-models-written"

  /// A redaction is durable in the log; old bytes are in free pages, and the read models hold the values.
  case redactionRecorded = "redaction.recorded"
  /// The log's entries are in a new file, which is durable and not in use.
  case redactionFileWritten = "redaction.file-written"
  /// The new file has the log's name.
  case redactionFileRenamed = "redaction.file-renamed"
  /// The log's files hold the values no more; the read models do.
  case redactionLogWritten = "redaction.log-written"
  /// The read models don't either; that the redaction is complete isn't recorded.
  case redactionReadModelsWritten = "redaction.read-models-written"

  /// The records are in a new environment, and nothing else is.
  case reindexRecords = "reindex.records"
  /// The new environment is whole, verified and durable, under a name of its own.
  case reindexVerified = "reindex.verified"
  /// The new environment has the log's name; nothing else is done.
  case reindexRenamed = "reindex.renamed"

  /// A change of stored data, which its failpoints are the steps of.
  package enum Change: CaseIterable, Sendable {
    /// Commands become durable in the log.
    case commit
    /// What the journal holds is written to the log's pages.
    case flushing
    /// Events are posted to the read models in PostgreSQL.
    case posting
    /// New keys become durable.
    case newKeys
    /// Keys are destroyed.
    case destruction
    /// All keys are wrapped under another root key.
    case rotation
    /// A person is erased.
    case erasure
    /// Values are taken out of bodies.
    case redaction
    /// What is kept beside the records is made anew.
    case reindexing
  }

  /// The change that it is a step of.
  package var change: Change {
    switch self {
    case .logDecided, .logPutting, .logPut, .logKeysDurable, .journalReady, .logCommitted: .commit
    case .flushBegun, .flushPut, .flushCommitted: .flushing
    case .postingStaged, .postingUnit, .postingCheckpoint, .postingCommitted: .posting
    case .keysAppended, .keysSynced: .newKeys
    case .destructionEpochKeyWritten, .destructionStoreWritten, .destructionStoreLinked, .destructionStoreRenamed,
      .destructionRenameDurable, .destructionEpochKeyOverwritten, .destructionEpochKeyRemoved,
      .destructionStoreOverwritten, .destructionStoreRemoved:
      .destruction
    case .rotationRootKeyMade, .rotationCommitted, .rotationRootKeyRenamed: .rotation
    case .erasureConfirmed, .erasureKeyDestroyed, .erasureReadModelsWritten: .erasure
    case .redactionRecorded, .redactionFileWritten, .redactionFileRenamed, .redactionLogWritten,
      .redactionReadModelsWritten:
      .redaction
    case .reindexRecords, .reindexVerified, .reindexRenamed: .reindexing
    }
  }

  /// Whether the change can fail there. Where it is done and can't be undone, an error that is thrown is passed over.
  package var canFail: Bool { self != .logCommitted && self != .flushCommitted }

  /// The points of a change, in the order in which it reaches them.
  package static func of(_ change: Change) -> [Failpoint] { allCases.filter { $0.change == change } }
}
