import MerkleTree

/// What a witness answers, as C2SP `tlog-witness` says.
public enum WitnessAnswer: Sendable, Equatable {
  /// The checkpoint continues what was cosigned before: the cosignature.
  case cosigned(NoteSignature)
  /// The request is none, or is older than itself.
  case malformed(String)
  /// None of the signatures is by a key of the log that this witness trusts.
  case untrusted
  /// The witness doesn't know this log.
  case unknownLog
  /// Another size was cosigned last, or another tree of this size: the size that was cosigned last.
  case conflict(size: UInt64)
  /// The proof doesn't show that the tree continues the one before.
  case unproven

  /// The HTTP status.
  public var status: Int {
    switch self {
    case .cosigned: 200
    case .malformed: 400
    case .untrusted: 403
    case .unknownLog: 404
    case .conflict: 409
    case .unproven: 422
    }
  }

  /// The media type of ``body``.
  public var contentType: String {
    if case .conflict = self { return "text/x.tlog.size" }
    return "text/plain; charset=utf-8"
  }

  /// What is sent.
  public var body: String {
    switch self {
    case .cosigned(let signature): "\(signature.line)\n"
    case .malformed(let sentence): "\(sentence)\n"
    case .untrusted: "No signature of the checkpoint is by a key that this witness trusts.\n"
    case .unknownLog: "This witness does not know a log of this origin.\n"
    case .conflict(let size): "\(size)\n"
    case .unproven: "The proof does not show that this tree continues the one that was cosigned last.\n"
    }
  }
}
