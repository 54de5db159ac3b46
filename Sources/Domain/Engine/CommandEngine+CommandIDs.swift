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
    CommandEngine.storedCommandID(id, of: actor, by: vault)
  }

  static func storedCommandID(_ id: String, of actor: String, by vault: Vault) -> String {
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

  /// How an answer of a log of the first format is kept today: under a name that can't be read, without a fingerprint,
  /// which covered secrets and personal values. Those of reports have hashes for names, and need their fingerprints.
  static func currentCommand(
    _ actor: String, _ id: String, _ command: StoredCommand, by vault: Vault
  ) -> (id: String, StoredCommand) {
    if actor.hasPrefix("report:") { return (id, command) }
    let name = id.hasPrefix(CommandEngine.hashMark) ? id : storedCommandID(id, of: actor, by: vault)
    return (name, StoredCommand(fingerprint: RequestFingerprint.unknown, result: command.result))
  }
}
