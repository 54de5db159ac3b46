/// Something that contradicts the log's own promises.
public struct VerificationProblem: Sendable, Equatable {
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
  /// The position that the signed head beside the log was signed for; nil where there is none.
  public internal(set) var signedPosition: UInt64?
  /// Whether no signed head beside the log is whole, so that nothing proves that its last events are there.
  public internal(set) var isTailUnproven = false
  /// What is wrong; at most ``maximumProblems`` are listed.
  public internal(set) var problems: [VerificationProblem] = []
  /// How many there are, listed or not.
  public internal(set) var problemCount = 0

  /// How many problems are listed at most.
  public static let maximumProblems = 1000

  /// Whether nothing is wrong.
  public var isHealthy: Bool { problemCount == 0 }

  /// Whether the log contradicts itself nowhere, and only its end is unproven.
  public var isWholeInItself: Bool { problemCount == (isTailUnproven ? 1 : 0) }

  mutating func note(_ description: String, at position: UInt64? = nil) {
    problemCount += 1
    if problems.count < VerificationReport.maximumProblems {
      problems.append(VerificationProblem(position: position, description: description))
    }
  }

  mutating func take(_ other: VerificationReport) {
    events += other.events
    states += other.states
    indexEntries += other.indexEntries
    problemCount += other.problemCount
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
