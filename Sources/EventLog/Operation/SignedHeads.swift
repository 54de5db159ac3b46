import MerkleTree

/// Everything that is signed of a log, in the places where it is kept: two files beside the log, and the vault.
struct SignedHeads: Sendable, Equatable {
  /// What one of them says, and the file that it stands in.
  typealias Statement = (file: String, statement: HeadStatement)

  /// What the two files beside the log say.
  let slots: [HeadSlots.Slot]
  /// What the records of the vault say; none where the log has no vault.
  let kept: [HeadSlots.Slot]
  private let files: [String]
  private let vaultFile: String

  /// Reads them all.
  /// - Parameter verify: Checks a note's signature; nil from it means not ours.
  /// - Throws: where a file is there and can't be read.
  init(headFile: String, vault: VaultHead?, _ verify: (String) -> HeadStatement?) throws {
    let beside = HeadSlots(file: headFile)
    files = beside.files
    vaultFile = vault?.file ?? ""
    slots = try beside.read(verify)
    kept = try vault.map { try $0.read().map { HeadSlots.Slot($0, verify) } } ?? []
  }

  /// Every valid statement, in no order.
  var statements: [Statement] {
    let beside = zip(files, slots).compactMap { file, slot in slot.statement.map { (file, $0) } }
    return beside + kept.compactMap { slot in slot.statement.map { (vaultFile, $0) } }
  }

  /// The newest valid statement, which decides; nil where there is none anywhere.
  var newest: Statement? { statements.max { $0.statement.size < $1.statement.size } }

  /// The files whose notes are torn or were signed by another key, and those that say nothing at all.
  var faults: (torn: [String], missing: [String]) {
    var torn: [String] = []
    var missing: [String] = []
    for (file, slot) in zip(files, slots) where slot.statement == nil {
      if slot == .blank { missing.append(file) } else { torn.append(file) }
    }
    if kept.contains(.unreadable) {
      torn.append(vaultFile)
    } else if !kept.isEmpty, kept.allSatisfy({ $0 == .blank }) {
      missing.append(vaultFile)
    }
    return (torn, missing)
  }
}
