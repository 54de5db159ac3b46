import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// What a backup says of itself, in its `manifest.json`. It is written last: a folder without one is no whole backup.
public struct BackupManifest: Sendable, Equatable {
  /// The position it was made at.
  public let position: UInt64
  /// The root of the tree there, in base64.
  public let root: String
  /// When it was made: by the clock, and not before the log's last event.
  public let at: Timestamp
  /// The time of the log's last event; nil for a log without events, and in backups made before 2026-11-29.
  public let lastEventAt: Timestamp?

  static let fileName = "manifest.json"

  init(position: UInt64, root: String, at: Timestamp, lastEventAt: Timestamp?) {
    self.position = position
    self.root = root
    self.at = at
    self.lastEventAt = lastEventAt
  }

  /// The file's bytes.
  var bytes: [UInt8] {
    var json: JSONObject = [
      "at": .string(at.text), "format": .string(LogFormat.current.rawValue),
      "position": .integer(Int64(clamping: position)),
      "root": .string(root),
    ]
    if let lastEventAt { json["last_event_at"] = .string(lastEventAt.text) }
    return json.canonicalBytes + [0x0A]
  }

  /// Reads the manifest of a backup.
  /// - Throws: ``EventLogError``: `damaged` where there is none or it can't be read as one, `unusable` for another
  ///   format than this program's.
  public static func read(from backup: String) throws(EventLogError) -> BackupManifest {
    let file = "\(backup)/\(fileName)"
    guard let bytes = try FileSystem.read(file) else {
      throw .damaged(
        "\(backup) is no whole backup: it has no \(fileName), which is written last. Make another one, or name a folder "
          + "that `daybook backup` has made.")
    }
    // What doesn't parse is refused below, with the name of the file.
    let json = try? JSON.parse(bytes)
    guard let json, let format = json["format"]?.stringValue else {
      throw .damaged("\(file) is not what `daybook backup` wrote: it is no JSON object with a format.")
    }
    guard LogFormat(rawValue: format) != nil else {
      throw EventLogError(
        .unusable, "\(file) is of format \(format.prefix(40)); this program reads \(LogFormat.current.rawValue).")
    }
    guard let position = json["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
      let root = json["root"]?.stringValue, let at = json["at"]?.stringValue.flatMap({ Timestamp($0) })
    else { throw .damaged("\(file) is not what `daybook backup` wrote: position, root or at can't be read.") }
    let last: Timestamp?
    if let given = json["last_event_at"] {
      guard let time = given.stringValue.flatMap({ Timestamp($0) }) else {
        throw .damaged("\(file) is not what `daybook backup` wrote: last_event_at can't be read.")
      }
      last = time
    } else {
      last = nil
    }
    return BackupManifest(position: position, root: root, at: at, lastEventAt: last)
  }

  /// What it says otherwise than the log; nil where they agree.
  func contradiction(to head: LogHead) -> String? {
    if position != head.position { return "it is of position \(position), the log ends at \(head.position)" }
    if root != head.root.base64 { return "its root is not that of the log" }
    // Earlier backups say nothing of the last event, and were made by a clock that may have been behind it.
    guard let lastEventAt else { return nil }
    if lastEventAt != head.at {
      return "its last event is of \(lastEventAt), that of the log of \(head.at.map(\.text) ?? "no time")"
    }
    return at < lastEventAt ? "it was made at \(at), before the log's last event of \(lastEventAt)" : nil
  }
}
