import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// What `daybook restore` leaves beside a log for its first start, which records it as an event.
public struct RestoreNote: Sendable, Equatable {
  /// The position of the backup.
  public let position: UInt64
  /// The root of its tree, in base64.
  public let root: String
  /// What is to be recorded.
  public let facts: JSONObject

  /// A note about a restored backup.
  /// - Parameters:
  ///   - at: When it was restored.
  ///   - more: What else is to be recorded.
  public init(_ manifest: BackupManifest, at: Timestamp, _ more: JSONObject = [:]) {
    position = manifest.position
    root = manifest.root
    let facts: JSONObject = [
      "backup_at": .string(manifest.at.text), "position": JSON(position: manifest.position),
      "restored_at": .string(at.text), "root": .string(manifest.root),
    ]
    self.facts = facts.merging(more)
  }

  /// The note in a file; nil where there is none.
  /// - Throws: ``EventLogError`` `unusable` where it can't be read as one.
  public static func read(_ file: String) throws(EventLogError) -> RestoreNote? {
    guard let bytes = try FileSystem.read(file) else { return nil }
    // What doesn't parse is refused below, with the name of the file.
    guard let facts = try? JSON.parse(bytes).objectValue,
      let position = facts["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
      let root = facts["root"]?.stringValue
    else { throw EventLogError(.unusable, "\(file) is not what `daybook restore` wrote.") }
    return RestoreNote(position: position, root: root, facts: facts)
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

  func write(to file: String) throws(EventLogError) {
    try FileSystem.replace(file, with: facts.canonicalBytes + [0x0A], syncing: true)
  }

  /// Whether a log goes on from the backup that this is about.
  public func describes(_ log: EventLog) throws -> Bool {
    guard log.head.position >= position else { return false }
    return try log.read { try $0.root(size: position) }.base64 == root
  }
}
