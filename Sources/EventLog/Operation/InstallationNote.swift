import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// What was done to a log by an operator while nothing could be recorded in it, left beside it to be recorded as an
/// event: that it was put back from a backup, or opened though no signed head said where it ends.
public struct InstallationNote: Sendable, Equatable {
  /// Where the log ended.
  public let position: UInt64
  /// The root of its tree there, in base64.
  public let root: String
  /// What is to be recorded.
  public let facts: JSONObject

  /// A note about a restored backup.
  /// - Parameters:
  ///   - at: When it was restored.
  ///   - more: What else is to be recorded.
  public init(restored manifest: BackupManifest, at: Timestamp, _ more: JSONObject = [:]) {
    position = manifest.position
    root = manifest.root
    let facts: JSONObject = [
      "backup_at": .string(manifest.at.text), "position": JSON(position: manifest.position),
      "restored_at": .string(at.text), "root": .string(manifest.root),
    ]
    self.facts = facts.merging(more)
  }

  /// A note about a log that was opened without a signed head.
  /// - Parameters:
  ///   - position: Where it ended.
  ///   - at: When that was accepted.
  ///   - more: What else is to be recorded.
  init(acceptedEnd position: UInt64, root: Digest, at: Timestamp, _ more: JSONObject) {
    self.position = position
    self.root = root.base64
    let facts: JSONObject = [
      "accepted_at": .string(at.text), "position": JSON(position: position), "root": .string(root.base64),
    ]
    self.facts = facts.merging(more)
  }

  /// The note in a file; nil where there is none.
  /// - Throws: ``EventLogError`` `unusable` where it can't be read as one.
  public static func read(_ file: String) throws(EventLogError) -> InstallationNote? {
    guard let bytes = try FileSystem.read(file) else { return nil }
    // What doesn't parse is refused below, with the name of the file.
    guard let facts = try? JSON.parse(bytes).objectValue,
      let position = facts["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
      let root = facts["root"]?.stringValue
    else { throw EventLogError(.unusable, "\(file) is not what this program writes there.") }
    return InstallationNote(position: position, root: root, facts: facts)
  }

  private init(position: UInt64, root: String, facts: JSONObject) {
    self.position = position
    self.root = root
    self.facts = facts
  }

  /// Removes the note, once it is recorded.
  public static func remove(_ file: String) throws(EventLogError) {
    try FileSystem.remove(file)
    try FileSystem.syncFolder(FileSystem.parent(of: file) ?? ".")
  }

  /// Writes it over what the file said, durably.
  func write(to file: String) throws(EventLogError) {
    try FileSystem.replace(file, with: facts.canonicalBytes + [0x0A], syncing: true)
    try FileSystem.syncFolder(FileSystem.parent(of: file) ?? ".")
  }

  /// Whether a log goes on from what this is about.
  public func describes(_ log: EventLog) throws -> Bool {
    guard log.head.position >= position else { return false }
    return try log.read { try $0.root(size: position) }.base64 == root
  }
}
