import BasicTypes
import Logging
import MerkleTree

/// What a log must be to be opened: one that contains everything that was signed of it.
struct HeadCheck {
  let configuration: EventLogConfiguration
  /// The log's head, with what its journal has.
  let stored: StoredHead
  /// The root of the tree over the first so many headers.
  let root: (_ size: UInt64) throws -> Digest

  private var end: UInt64 { stored.frontier.size }

  /// Refuses a log that is shorter than, or another than, what was signed, and one that has events while nothing signed
  /// says where it ends, unless that is accepted. The newest valid statement decides; where one is missing or torn,
  /// that is only said.
  /// - Returns: What is signed of it; nil where no head of this log is kept.
  func run() throws -> SignedHeads? {
    guard let headFile = configuration.headFile, let verify = configuration.verifyHead else { return nil }
    let heads = try SignedHeads(headFile: headFile, vault: configuration.vaultHead, verify)
    guard let newest = heads.newest else {
      if end > 0 { try accept(heads) }
      return heads
    }
    guard newest.statement.size <= end else {
      throw EventLogError.damaged(
        "The log ends at position \(end), but \(newest.file) was signed for position \(newest.statement.size): the tail "
          + "is lost, or this is an older copy of the log. What is there may be whole in itself; `daybook verify` says "
          + "so. Nothing was changed. Put the newer log/data.mdb back if there is one; if it is lost for good, keep a "
          + "copy of the folder and restore the last good backup.")
    }
    for (file, statement) in heads.statements {
      guard try root(statement.size) == statement.root else {
        throw EventLogError.damaged(
          "The log is not the one whose head was signed in \(file) at position \(statement.size): it was forked or "
            + "changed. Which of the two is the right one isn't known here. Nothing was changed. Run `daybook verify`, "
            + "and put the log/data.mdb back that this head was signed for; if it is lost for good, keep a copy of the "
            + "folder and restore the last good backup.")
      }
    }
    tell(heads)
    return heads
  }

  /// Goes on with a log of which nothing says where it ends, where somebody has said that this is right.
  private func accept(_ heads: SignedHeads) throws {
    let faults = heads.faults
    let findings = [
      HeadCheck.finding(faults.missing, "missing or empty"),
      HeadCheck.finding(faults.torn, "torn, or not signed by this log's key"),
    ].compactMap { $0 }.joined(separator: "; ")
    guard let acceptance = configuration.missingHeadAcceptance else {
      throw EventLogError(
        .headMissing,
        "The log ends at position \(end), and nothing signed says whether that is its end: \(findings). So whether later "
          + "events are missing isn't known; what is there may be whole, and `daybook verify` says so. Nothing was "
          + "changed. Put one of these files back; or compare position \(end) with the last one that was acknowledged "
          + "to you, and if the log is right, start it once with `daybook serve --accept-missing-head`, which is "
          + "recorded as an event.")
    }
    let note = InstallationNote(acceptedEnd: end, root: stored.frontier.root(), at: .now, acceptance.facts)
    try note.write(to: acceptance.noteFile)
    configuration.logger.warning(
      "nothing signed says whether this is the log's end, and it is accepted as it is",
      metadata: ["position": "\(end)", "cause": "\(findings)"])
  }

  private static func finding(_ files: [String], _ what: String) -> String? {
    guard !files.isEmpty else { return nil }
    return "\(files.joined(separator: ", ")) \(files.count == 1 ? "is" : "are") \(what)"
  }

  /// Says which places of the signed head don't hold one, though another does.
  private func tell(_ heads: SignedHeads) {
    if configuration.missingHeadAcceptance != nil {
      configuration.logger.notice("a signed head says where the log ends, so there is nothing to accept")
    }
    let faults = heads.faults
    for file in faults.torn {
      configuration.logger.warning(
        "a signed head is torn or not signed by the log's key: it states nothing, and is made anew",
        metadata: ["file": "\(file)"])
    }
    for file in faults.missing {
      // Logs of earlier versions have none in the vault, and only some have a second file.
      configuration.logger.notice("a signed head is missing, and is made anew", metadata: ["file": "\(file)"])
    }
  }
}
