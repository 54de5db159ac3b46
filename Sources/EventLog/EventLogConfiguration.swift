import BasicTypes
import CanonicalJSON
import Failpoints
import Logging
import MerkleTree

/// What a log is opened with.
public struct EventLogConfiguration: Sendable {
  /// The folder of the LMDB environment; made when missing.
  public var folder: String
  /// The first of the two files that keep the signed head in turn, beside the folder; the other is named like it with
  /// `-2` at its end. Nil keeps none.
  public var headFile: String?
  /// The third place of the signed head, apart from those two files. Nil keeps it in these alone.
  public var vaultHead: VaultHead?
  /// Opens a log that has events, but of which nothing signed says any more where it ends. Nil refuses it.
  public var missingHeadAcceptance: MissingHeadAcceptance?
  /// The file whose lock says which process has the log; nil takes no lock.
  public var lockFile: String?
  /// Bytes of address space to begin with; doubled whenever it is full.
  public var mapSize: Int = 1 << 30
  /// Bytes of the journal's file, a multiple of 4,096 and at least 65,536. A batch of more than a quarter of it is
  /// committed to LMDB's pages at once, which takes longer.
  public var journalSize: Int = 32 << 20
  /// How many bytes of changes gather in memory before they are written to LMDB's pages.
  public var flushBytes: Int = 8 << 20
  /// How long changes wait for that at most, in nanoseconds after the first of them.
  public var flushAge: UInt64 = 500_000_000
  /// The same after the last of them: a log that nobody writes to has all in its pages.
  public var flushIdle: UInt64 = 30_000_000
  /// How many decisions may wait; more are refused as overloaded.
  public var inboxLimit: Int = 16_384
  /// How many decisions share one commit at most.
  public var batchLimit: Int = 2048
  /// After so many nanoseconds of deciding nothing more joins a batch, whose callers wait for it.
  public var decidingLimit: UInt64 = 25_000_000
  /// The clock. Tests put their own here, which is watched for jumps only where they give an ``uptime`` too.
  public var clock: @Sendable () -> Timestamp = { .now } {
    didSet { uptime = { nil } }
  }
  /// Microseconds since the machine's start, whatever the clock is set to: what a jump of the clock is told by. While
  /// it is nil none is watched for.
  public var uptime: @Sendable () -> Int64? = systemUptime
  /// Microseconds since the machine's start, suspended or not.
  public static let systemUptime: @Sendable () -> Int64? = { ClockWatch.uptime }
  /// A story that is told, whose time events get as long as it is; nil where none ever is.
  public var story: StoryClock?
  /// How far the clock may be behind the last event before writes are refused, in seconds.
  public var clockTolerance: Int64 = 300
  /// Runs on the writer's thread before each commit that has events: what must be durable before them (new keys).
  public var beforeCommit: @Sendable () throws -> Void = {}
  /// Runs on the writer's thread before each decision.
  public var beforeDecision: @Sendable () -> Void = {}
  /// Runs on the writer's thread after a decision of which nothing is recorded: one that was refused, was a dry run, or
  /// had no event. What was made for it since ``beforeDecision`` is needed by nobody.
  public var afterNothing: @Sendable () -> Void = {}
  /// Signs a head as a C2SP checkpoint note, whatever was signed before: ask ``EventLog/signedHead()`` for a note.
  public var signHead: (@Sendable (_ size: UInt64, _ root: Digest) throws -> String)?
  /// Checks the note's signature and answers what it says; nil where it isn't ours.
  public var verifyHead: (@Sendable (_ note: String) -> (size: UInt64, root: Digest)?)?
  /// Where tests make a commit fail, or end the process.
  package var failpoints = Failpoints.none
  /// Where the log tells what operators should know.
  public var logger = Logger(label: "daybook.log")

  /// A configuration for a folder, with the defaults.
  public init(folder: String) {
    self.folder = folder
  }
}

/// A third place for a log's signed head, apart from the two files beside the log: so that removing these, with the
/// newest part of the log, is noticed.
public struct VaultHead: Sendable {
  /// The file that messages name.
  public var file: String
  /// The bytes of each of its records, of which one at least is whole at any moment.
  public var read: @Sendable () throws -> [[UInt8]]
  /// Writes a note over one record and syncs it.
  public var write: @Sendable (_ note: String, _ index: Int) throws -> Void

  /// A place that is read and written so.
  public init(
    file: String, read: @escaping @Sendable () throws -> [[UInt8]],
    write: @escaping @Sendable (_ note: String, _ index: Int) throws -> Void
  ) {
    self.file = file
    self.read = read
    self.write = write
  }
}

/// That somebody opens a log of which no signed head is left, and where that is noted to be recorded as an event.
public struct MissingHeadAcceptance: Sendable {
  /// The file that gets an ``InstallationNote``, before a head is signed anew.
  public var noteFile: String
  /// What is to be recorded besides the position and the root.
  public var facts: JSONObject

  /// An acceptance that is noted in a file, with facts besides.
  public init(noteFile: String, facts: JSONObject = [:]) {
    self.noteFile = noteFile
    self.facts = facts
  }
}

/// The end of the log as it was after a commit.
public struct LogHead: Sendable, Equatable {
  /// The last position; 0 while the log is empty. It is also the tree's size.
  public let position: UInt64
  /// The time of the last event.
  public let at: Timestamp?
  /// The root of the RFC 6962 tree over all headers.
  public let root: Digest
}
