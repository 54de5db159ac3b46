import BasicTypes
import Files
import MerkleTree
import NIOConcurrencyHelpers

/// Cosigns checkpoints of the logs that it knows, never two trees of which one isn't the beginning of the other: a
/// second party who keeps a key and one checkpoint a log.
///
/// Safe from any thread. What was cosigned is durable before the answer; requests about all logs take turns, so that no
/// two race past each other.
public final class Witness: Sendable {
  private let signer: NoteSigner
  private let logs: [NoteVerifier]
  private let folder: String
  private let turn = NIOLockedValueBox(())

  /// A witness.
  /// - Parameters:
  ///   - signer: Its key, which cosigns.
  ///   - logs: The keys of the logs that it knows; each is named as its log's origin.
  ///   - folder: Where it keeps what it cosigned last, one file a log.
  /// - Throws: ``NoteError`` for a key that doesn't cosign; ``FileError``.
  public init(signer: NoteSigner, logs: [NoteVerifier], folder: String) throws {
    guard signer.verifier.algorithm == .cosignature else {
      throw NoteError.malformed("a witness has a key that cosigns, not one that signs checkpoints")
    }
    self.signer = signer
    self.logs = logs
    self.folder = FileSystem<FileError>.absolute(folder)
    try FileSystem<FileError>.makeDurableFolder(self.folder)
  }

  /// The key by which its cosignatures are checked.
  public var verifier: NoteVerifier { signer.verifier }

  /// Answers an `add-checkpoint`.
  /// - Parameter time: When, for the cosignature.
  /// - Throws: ``FileError`` where what it keeps can't be read or written: then nothing is cosigned.
  public func answer(_ body: some Collection<UInt8>, at time: Timestamp = .now) throws -> WitnessAnswer {
    let request: WitnessRequest
    let checkpoint: Checkpoint
    do {
      request = try WitnessRequest(parsing: body)
      checkpoint = try Checkpoint(text: request.note.text)
    } catch {
      return .malformed("\(error)")
    }
    let known = logs.filter { $0.name == checkpoint.origin }
    if known.isEmpty { return .unknownLog }
    guard known.contains(where: { $0.verifies(request.note) }) else { return .untrusted }
    guard request.oldSize <= checkpoint.size else { return .malformed("the old size is beyond the checkpoint's") }
    return try turn.withLockedValue { _ in
      let last = try self.last(of: checkpoint.origin)
      guard request.oldSize == last?.size ?? 0 else { return .conflict(size: last?.size ?? 0) }
      if let last {
        if last.size == checkpoint.size, last.root != checkpoint.root { return .conflict(size: last.size) }
        let isProven = MerkleProof.verifyConsistency(
          from: last.size, to: checkpoint.size, oldRoot: last.root, newRoot: checkpoint.root, proof: request.proof)
        guard isProven || last.size == 0 && request.proof.isEmpty else { return .unproven }
      } else if !request.proof.isEmpty {
        return .unproven
      }
      let signature = try signer.signature(over: request.note.text, at: time)
      try FileSystem<FileError>.replace(
        file(of: checkpoint.origin), with: Array(request.note.serialized.utf8), syncing: true)
      try FileSystem<FileError>.syncFolder(folder)
      return .cosigned(signature)
    }
  }

  /// The checkpoint of a log that was cosigned last; nil where there is none.
  /// - Throws: ``FileError``, ``NoteError`` where the file isn't what was written.
  public func last(of origin: String) throws -> Checkpoint? {
    guard let bytes = try FileSystem<FileError>.read(file(of: origin)) else { return nil }
    return try Checkpoint(text: try SignedNote(parsing: bytes).text)
  }

  /// The file of a log: named by a hash, since an origin may hold anything.
  private func file(of origin: String) -> String {
    let hash = Array(origin.utf8).withUnsafeBytes { RFC6962.sha256($0) }
    return "\(folder)/\(Hex.encode(hash.bytes)).note"
  }
}
