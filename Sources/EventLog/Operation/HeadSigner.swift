import MerkleTree
import NIOConcurrencyHelpers

/// The one that signs heads of a log, and never two trees of one size.
///
/// Before it signs, it compares with what was signed last: a smaller size, or another root of that size, is refused.
/// What holds for how long:
///
/// - While the log is open, always: every signature of it is asked for here, and the last is remembered under a lock.
/// - Over a restart, from the newest statement that is valid in one of the three places where heads are kept
///   (``SignedHeads``). That is not every signature: they are written some milliseconds after LMDB's pages have an
///   event, and synced once a second, so that no command waits for it. It is enough, because an event is durable before
///   a head with it is signed: the log that starts again has every tree in it that was signed, unless another one was
///   put in its place, and ``HeadCheck`` refuses one that is shorter than, or another than, the newest statement. What
///   it can't tell is a log in its place that lacks only what came after that statement: the last second before a kill
///   or a power cut.
/// - Not over what an operator does openly: `daybook restore` and `--accept-missing-head` begin anew, and are recorded
///   as events that name the position.
final class HeadSigner: Sendable {
  private struct Signed: Sendable {
    let size: UInt64
    let root: Digest
    /// The note; nil where it was signed before this start.
    let note: String?
  }

  private let makeNote: @Sendable (UInt64, Digest) throws -> String
  private let last: NIOLockedValueBox<Signed?>

  /// - Parameter last: The newest statement that is kept; nil where there is none.
  init(after last: HeadStatement?, _ makeNote: @escaping @Sendable (UInt64, Digest) throws -> String) {
    self.makeNote = makeNote
    self.last = NIOLockedValueBox(last.map { Signed(size: $0.size, root: $0.root, note: nil) })
  }

  /// Signs the head that is the log's at that moment: nobody signs a later one meanwhile.
  /// - Throws: ``EventLogError`` `damaged` where it is older than what was signed last, or another one; what signing
  ///   throws.
  func newest(_ read: () -> LogHead) throws -> (head: LogHead, note: String) {
    try last.withLockedValue { last in
      let head = read()
      return (head, try sign(head, after: &last))
    }
  }

  /// Signs a head of the log's own that may be older than the last one: that which its pages have.
  func kept(_ head: LogHead) throws -> String { try sign(head, provenBy: head.root) }

  /// Signs a head that may be older than the last one, such as a copy's.
  /// - Parameter root: The root of the log's own tree at that size. What was signed last is in that tree, so this root
  ///   and no other was signed for that size, or would have been.
  /// - Throws: as ``newest(_:)``.
  func sign(_ head: LogHead, provenBy root: Digest) throws -> String {
    try last.withLockedValue { last in
      guard let signed = last, head.position < signed.size else { return try sign(head, after: &last) }
      guard head.root == root else { throw HeadSigner.refusal(of: head, after: signed) }
      return try makeNote(head.position, head.root)
    }
  }

  private func sign(_ head: LogHead, after last: inout Signed?) throws -> String {
    if let signed = last {
      guard head.position > signed.size || head.position == signed.size && head.root == signed.root else {
        throw HeadSigner.refusal(of: head, after: signed)
      }
      if head.position == signed.size, let note = signed.note { return note }
    }
    let note = try makeNote(head.position, head.root)
    last = Signed(size: head.position, root: head.root, note: note)
    return note
  }

  private static func refusal(of head: LogHead, after last: Signed) -> EventLogError {
    .damaged(
      "The log's key has signed the tree of \(last.size) events with the root \(last.root.base64), and is asked to sign "
        + "the tree of \(head.position) events with the root \(head.root.base64). It never signs two trees of one size, "
        + "so nothing was signed. Stop the server and run `daybook verify`.")
  }
}
