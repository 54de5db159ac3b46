import BasicTypes
import EventLog
import Refusals
import Vault

/// Under what the answers to command ids are kept. A command id is a text of the caller's, which may name somebody, in
/// an index that is never emptied: so none is kept that can be read.
extension CommandEngine {
  /// The name under which the answer to an actor's command id is kept: a UUID of version 4 or 7 in its usual form,
  /// which names nobody and keeps its order, as it is; anything else as a keyed hash.
  func storedCommandID(_ id: String, of actor: String) -> String {
    if CommandEngine.isRandomIdentifier(id) { return id }
    return CommandEngine.hashMark
      + Base64.encode(vault.lookupHash("command_id", Array(actor.utf8) + [0] + Array(id.utf8)))
  }

  /// What begins the name of a hashed id.
  private static let hashMark = "#"

  private static func isRandomIdentifier(_ id: String) -> Bool {
    guard id.utf8.count == 36, let identifier = Identifier(id), [4, 7].contains(identifier.version) else {
      return false
    }
    return identifier.text.utf8.elementsEqual(id.utf8)
  }

  /// Gives the answers that an earlier program kept under ids as they were sent the names of today, in pieces; to be
  /// called at start. A log of today is known by a mark and isn't looked through.
  /// - Returns: How many there were.
  /// - Throws: ``Refusal`` where the log can't be used; what was done stays done, and the next start goes on.
  @discardableResult
  public func hashCommandIDs() async throws -> Int {
    var renamed = 0
    var next: [UInt8]? = []
    while let start = next {
      let piece = try await log.commit { transaction -> (renamed: Int, next: [UInt8]?) in
        if try transaction.mark(CommandEngine.hashedMark) != nil { return (0, nil) }
        let (entries, next) = try transaction.commands(from: start, limit: 1000)
        var renamed = 0
        for entry in entries {
          // Those of reports are hashes already.
          if entry.id.hasPrefix(CommandEngine.hashMark) || entry.actor.hasPrefix("report:") { continue }
          let name = self.storedCommandID(entry.id, of: entry.actor)
          if name.utf8.elementsEqual(entry.id.utf8) { continue }
          try transaction.storeCommand(actor: entry.actor, id: name, entry.command)
          transaction.removeCommand(actor: entry.actor, id: entry.id)
          renamed += 1
        }
        if next == nil { transaction.setMark(CommandEngine.hashedMark, 1) }
        return (renamed, next)
      }.value
      renamed += piece.renamed
      next = piece.next
    }
    return renamed
  }

  private static let hashedMark = "commands/hashed"
}
