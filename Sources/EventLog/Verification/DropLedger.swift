import CanonicalJSON
import MerkleTree

/// What a log's bodies say of having been dropped, and what its events name as dropped: both must agree.
struct DropLedger {
  /// Of each position whose body its header doesn't commit to: the event that is said to have dropped it, and the hash
  /// of what stands there.
  private var claims: [UInt64: (event: UInt64, hash: Digest)] = [:]
  /// By event and position, the hash of what shall stand there.
  private var names: [UInt64: [UInt64: Digest]] = [:]

  /// Takes a body that says of itself that it stands for a dropped one.
  mutating func take(claimOf body: UnsafeRawBufferPointer, _ hash: Digest, at position: UInt64) {
    claims[position] = (DroppedBody.event(claimedBy: body) ?? 0, hash)
  }

  /// Takes what a body that its header commits to names as dropped.
  mutating func take(namesIn body: UnsafeRawBufferPointer, at event: UInt64, _ report: inout VerificationReport) {
    guard let written = DroppedBody.names(in: body) else { return }
    guard let entries = (try? JSON.parse(Array(written)))?.arrayValue, !entries.isEmpty else {
      return report.note(.records, "what the event says that it dropped can't be read", at: event)
    }
    for entry in entries {
      guard let position = entry["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }), position > 0,
        position < event, let hash = entry["body"]?.stringValue.flatMap({ Digest(base64: $0) })
      else {
        report.note(.records, "what the event says that it dropped can't be read", at: event)
        continue
      }
      names[event, default: [:]][position] = hash
    }
  }

  /// Compares both sides, once everything is read.
  func settle(_ report: inout VerificationReport, part: VerifiedPart = .records) {
    for (position, claim) in claims.sorted(by: { $0.key < $1.key }) {
      guard claim.event > position, names[claim.event]?[position] == claim.hash else {
        report.note(part, "the body was taken away, and no event says so", at: position)
        continue
      }
      report.dropCount += 1
      if report.drops.count < VerificationReport.maximumProblems { report.drops.append((position, claim.event)) }
    }
    for (event, positions) in names.sorted(by: { $0.key < $1.key }) {
      // What was dropped again later names the later event.
      for position in positions.keys.sorted() where claims[position].map({ $0.event < event }) ?? true {
        report.note(part, "event \(event) says that it dropped this body, and another one is there", at: position)
      }
    }
  }
}
