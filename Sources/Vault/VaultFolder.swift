import Failpoints
import Files

/// The files of a vault by name.
///
/// `keys` says which epoch is in force; every other file that holds keys is either that epoch's key or left over from a
/// change that was cut short, and then goes.
struct VaultFolder: Sendable {
  /// The folder's path from the root.
  let path: String

  var keys: String { path + "/keys" }
  var newKeys: String { path + "/keys.new" }
  var oldKeys: String { path + "/keys.old" }
  var lock: String { path + "/lock" }
  /// What ``KeptHead`` keeps.
  var head: String { path + "/head" }
  var lastExport: String { path + "/last-export" }
  var newLastExport: String { path + "/last-export.new" }
  /// Where a new vault is made, to appear whole or not at all.
  var unborn: VaultFolder { VaultFolder(path: path + ".new") }

  func epochKey(_ epoch: UInt64) -> String { "\(path)/epoch-\(epoch).key" }

  /// Whether nothing is here, so that a vault can be made.
  func isAbsentOrEmpty() throws(VaultError) -> Bool {
    try FileSystem.names(in: path)?.isEmpty ?? true
  }

  /// Overwrites and removes what does not belong to the epoch in force: the keys of other epochs, the store of the one
  /// before, and what an interrupted change had begun. Only what is durable may be relied on before this, so it syncs
  /// first.
  func shredLeftovers(epoch: UInt64, _ failpoints: Failpoints = .none) throws {
    try FileSystem.syncFolder(path)
    try failpoints.reached(.destructionRenameDurable)
    let current = try FileSystem.identity(keys)
    for name in try FileSystem.names(in: path) ?? [] {
      let file = "\(path)/\(name)"
      let isEpochKey = name.hasPrefix("epoch-") && name.hasSuffix(".key")
      guard isEpochKey && file != epochKey(epoch) || file == newKeys || file == oldKeys else { continue }
      // Before the rename, the second name of the store in force is only a name.
      if let current, let identity = try FileSystem.identity(file), !identity.isSameFile(as: current) {
        try FileSystem.erase(file)
        try failpoints.reached(isEpochKey ? .destructionEpochKeyOverwritten : .destructionStoreOverwritten)
      }
      try FileSystem.remove(file)
      try failpoints.reached(isEpochKey ? .destructionEpochKeyRemoved : .destructionStoreRemoved)
    }
    try FileSystem.syncFolder(path)
  }
}
