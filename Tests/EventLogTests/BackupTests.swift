import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Files
import Foundation
import MerkleTree
import NIOConcurrencyHelpers
import TestBasics
import Testing

/// What a backup and a restore promise: durable when acknowledged, and described by a manifest that the log proves.
@Suite struct BackupTests {
  /// A log of a few events, and a backup of it.
  private func backup(of events: UInt64 = 5) async throws -> (source: TestLog, folder: String, manifest: BackupManifest)
  {
    let source = try TestLog()
    let log = try source.open()
    for number in 0..<events {
      _ = try await log.commit { try $0.record(.numbered(number), set: ["n": .integer(Int64(number))]) }
    }
    let folder = source.folder.path + "/backup"
    let manifest = try EventLogBackup.make(of: log, into: folder)
    log.close()
    return (source, folder, manifest)
  }

  /// Changes members of a backup's manifest; null takes one away.
  private func change(_ folder: String, _ members: JSONObject) throws {
    let path = folder + "/manifest.json"
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    var object = try #require(try JSON.parse(bytes).objectValue)
    for (name, value) in members {
      if value == .null { object.removeValue(forKey: name) } else { object[name] = value }
    }
    try Data(object.canonicalBytes).write(to: URL(fileURLWithPath: path))
  }

  private func mode(_ path: String) throws -> UInt16 {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return try #require(attributes[.posixPermissions] as? NSNumber).uint16Value
  }

  @Test func `everything of a backup is synced before it is acknowledged, and the manifest after all it speaks of`()
    async throws
  {
    let source = try TestLog()
    let log = try source.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["n": 1]) }
    let folder = source.folder.path + "/backups/2026/monday"
    let synced = NIOLockedValueBox<[String]>([])
    _ = try EventLogBackup.make(of: log, into: folder) { path in synced.withLockedValue { $0.append(path) } }
    log.close()
    let above = try FileSystem<FileError>.resolved(source.folder.path)
    #expect(
      synced.withLockedValue { $0 } == [
        folder + "/log/data.mdb", folder + "/head", folder + "/log", folder, folder + "/manifest.json", folder,
        above + "/backups/2026", above + "/backups", above,
      ])
  }

  @Test func `a backup can be read by nobody else`() async throws {
    let made = try await backup()
    for file in ["log/data.mdb", "head", "manifest.json"] {
      #expect(try mode("\(made.folder)/\(file)") == 0o600, "\(file)")
    }
    for folder in ["", "/log"] { #expect(try mode(made.folder + folder) == 0o700) }
    #expect(try FileSystem<FileError>.names(in: made.folder) == ["head", "log", "manifest.json"])
    #expect(try FileSystem<FileError>.names(in: made.folder + "/log") == ["data.mdb"])
  }

  @Test(
    arguments: [
      (["position": 99_999], "the log ends at 5"), (["root": "AAAA"], "its root is not that of the log"),
      (["at": "2020-01-01T00:00:00.000000Z"], "before the log's last event"),
      (["last_event_at": "2020-01-01T00:00:00.000000Z"], "its last event is of 2020"),
    ] as [(JSONObject, String)])
  func `a manifest that says otherwise than the log is refused`(members: JSONObject, words: String) async throws {
    let made = try await backup()
    try change(made.folder, members)
    try expectRefused(made.folder, .damaged, words)
  }

  @Test func `a manifest of an unknown format is refused by name`() async throws {
    let made = try await backup()
    try change(made.folder, ["format": "daybook-log-9"])
    try expectRefused(made.folder, .unusable, "daybook-log-9")
  }

  @Test func `a backup without a manifest was never finished`() async throws {
    let made = try await backup()
    try FileSystem<FileError>.remove(made.folder + "/manifest.json")
    try expectRefused(made.folder, .damaged, "no manifest.json")
    // As a crash just before the end leaves it.
    try Data("{}".utf8).write(to: URL(fileURLWithPath: made.folder + "/manifest.json.new"))
    try expectRefused(made.folder, .damaged, "no manifest.json")
  }

  @Test func `a backup that an earlier version made is accepted`() async throws {
    let made = try await backup()
    // These had no time of the last event, and were made by a clock that may have been behind it.
    try change(made.folder, ["last_event_at": .null, "at": "2020-01-01T00:00:00.000000Z"])
    #expect(try EventLogBackup.checkManifest(of: made.folder).position == 5)
  }

  @Test func `a backup of a log without events comes back`() async throws {
    let made = try await backup(of: 0)
    #expect(made.manifest.position == 0)
    let target = try TestLog()
    _ = try EventLogBackup.restore(from: made.folder, into: target.configuration)
    #expect(try target.verify().problems == [])
  }

  @Test func `a backup made while the clock is behind the last event is whole`() async throws {
    let source = try TestLog()
    source.clock.withLockedValue { $0 = Timestamp("2026-11-29T10:00:00Z") }
    let log = try source.open()
    _ = try await log.commit { try $0.record(.numbered(1), set: ["n": 1]) }
    source.clock.withLockedValue { $0 = Timestamp("2026-11-28T10:00:00Z") }
    let manifest = try EventLogBackup.make(of: log, into: source.folder.path + "/backup")
    log.close()
    #expect(manifest.at == Timestamp("2026-11-29T10:00:00Z"))
    #expect(try EventLogBackup.checkManifest(of: source.folder.path + "/backup") == manifest)
  }

  /// Both ways to use a backup refuse it, and restoring leaves nothing behind.
  private func expectRefused(_ folder: String, _ code: EventLogError.Code, _ words: String) throws {
    let checked = #expect(throws: EventLogError.self) { try EventLogBackup.checkManifest(of: folder) }
    #expect(checked?.code == code)
    #expect(checked?.message.contains(words) == true, "\(checked?.message ?? "")")
    let target = try TestLog()
    let restored = #expect(throws: EventLogError.self) {
      try EventLogBackup.restore(from: folder, into: target.configuration)
    }
    #expect(restored == checked)
    #expect(!FileSystem<FileError>.exists(target.logFolder))
  }
}
