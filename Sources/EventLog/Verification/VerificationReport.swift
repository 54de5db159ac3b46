import LMDB

/// A part of what a verification looks at.
public enum VerifiedPart: String, Sendable, CaseIterable {
  /// The database file as a whole: its length, its pages.
  case file
  /// Headers and bodies: what nothing else can be made of again.
  case records
  /// The journal: the records that LMDB's pages don't have yet.
  case journal
  /// The signed heads, beside the log and in the vault.
  case head
  /// What a backup says of itself.
  case manifest
  /// The Merkle tree's stored nodes.
  case tree
  /// The index from a resource's versions to positions.
  case history
  /// The folded states.
  case states
  /// Who holds a unique key.
  case unique
  /// Who refers to whom.
  case links
  /// Which events are about a person.
  case subjects
  /// What was answered for a command id.
  case commands
  /// The stored head, the counters and the format mark.
  case meta

  /// Whether it is kept beside the records, so that ``EventLogReindexer`` makes it anew.
  public var isDerived: Bool {
    switch self {
    case .file, .records, .journal, .head, .manifest: false
    default: true
    }
  }
}

/// Something that contradicts the log's own promises.
public struct VerificationProblem: Sendable, Equatable {
  /// What it is found in.
  public let part: VerifiedPart
  /// The position it is about, where it is about one.
  public let position: UInt64?
  /// What is wrong, in a sentence that names no value.
  public let description: String
}

/// What a verification found.
public struct VerificationReport: Sendable {
  /// How many events were read and hashed.
  public internal(set) var events: UInt64 = 0
  /// How many states were folded again and compared.
  public internal(set) var states: UInt64 = 0
  /// How many index entries were checked.
  public internal(set) var indexEntries: UInt64 = 0
  /// The root over all headers, in base64.
  public internal(set) var root = ""
  /// The position that the newest signed head was signed for; nil where there is none.
  public internal(set) var signedPosition: UInt64?
  /// Whether no signed head is whole, so that nothing proves that its last events are there.
  public internal(set) var isTailUnproven = false
  /// What is wrong; at most ``maximumProblems`` are listed.
  public internal(set) var problems: [VerificationProblem] = []
  /// How many there are, listed or not.
  public internal(set) var problemCount = 0
  /// Where they are.
  public internal(set) var damagedParts: Set<VerifiedPart> = []
  /// Whether every record was read.
  public internal(set) var areRecordsRead = false
  /// The bodies that were dropped as an event of the log says, in the order of their positions, with that event; at
  /// most ``maximumProblems`` are listed.
  public internal(set) var drops: [(position: UInt64, by: UInt64)] = []
  /// How many there are, listed or not.
  public internal(set) var dropCount: UInt64 = 0

  /// How many problems are listed at most.
  public static let maximumProblems = 1000

  /// Whether nothing is wrong.
  public var isHealthy: Bool { problemCount == 0 }

  /// Whether the log contradicts itself nowhere, and only its end is unproven.
  public var isWholeInItself: Bool { problemCount == (isTailUnproven ? 1 : 0) }

  /// Whether every record is there as it was hashed, in the tree that was signed; whether the last ones are missing may
  /// be unproven (see ``isTailUnproven``).
  public var areRecordsWhole: Bool {
    areRecordsRead && damagedParts.isDisjoint(with: [.records, .journal, .head])
  }

  /// Whether something is damaged that ``EventLogReindexer`` makes anew, and nothing else.
  public var isReindexingEnough: Bool {
    areRecordsWhole && !isHealthy && !isWholeInItself && !damagedParts.contains(.manifest)
  }

  mutating func note(_ part: VerifiedPart, _ description: String, at position: UInt64? = nil) {
    problemCount += 1
    damagedParts.insert(part)
    if problems.count < VerificationReport.maximumProblems {
      problems.append(VerificationProblem(part: part, position: position, description: description))
    }
  }

  /// Notes that no signed head says where the log ends, which is no damage to it.
  mutating func noteUnprovenTail(_ description: String) {
    isTailUnproven = true
    problemCount += 1
    problems.append(VerificationProblem(part: .head, position: nil, description: description))
  }

  /// Notes what keeps a part from being read.
  /// - Throws: An error that says nothing of the log, such as a file that may not be read.
  mutating func note(_ part: VerifiedPart, unreadableBecauseOf error: any Error) throws {
    switch error {
    case let error as LMDBError: note(part, "LMDB can't read the file: \(error)")
    case let error as EventLogError where error.code != .unusable: note(part, error.message)
    default: throw error
    }
  }

  mutating func take(_ other: VerificationReport) {
    events += other.events
    states += other.states
    indexEntries += other.indexEntries
    problemCount += other.problemCount
    damagedParts.formUnion(other.damagedParts)
    areRecordsRead = areRecordsRead || other.areRecordsRead
    dropCount += other.dropCount
    drops.append(contentsOf: other.drops.prefix(VerificationReport.maximumProblems - drops.count))
    problems.append(contentsOf: other.problems.prefix(VerificationReport.maximumProblems - problems.count))
  }
}

/// How far a verification has come.
public struct VerificationProgress: Sendable {
  /// What is being checked: `records`, `states` or `indexes`.
  public let phase: String
  /// How many of it are done.
  public let done: UInt64
  /// How many there are.
  public let total: UInt64
}
