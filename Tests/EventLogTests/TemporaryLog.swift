import BasicTypes
import CanonicalJSON
import EventLog
import MerkleTree
import NIOConcurrencyHelpers
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A log in a folder of its own that goes away with it.
final class TemporaryLog: Sendable {
  let folder: String
  let clock: NIOLockedValueBox<Timestamp?>
  let mapSize: Int

  init(mapSize: Int = 1 << 24) {
    var template = Array("/tmp/daybook-log-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, let made = mkdtemp(start) else { fatalError("no temporary folder") }
      return String(cString: made)
    }
    clock = NIOLockedValueBox(nil)
    self.mapSize = mapSize
  }

  deinit {
    for name in ["log/data.mdb", "log/lock.mdb", "head", "head-2", "lock"] { unlink("\(folder)/\(name)") }
    rmdir("\(folder)/log")
    rmdir(folder)
  }

  var logFolder: String { folder + "/log" }
  var headFile: String { folder + "/head" }

  /// A "signature" that is enough to tell heads apart; real ones are the Vault's.
  static let sign: @Sendable (UInt64, Digest) throws -> String = { size, root in "test \(size) \(root.base64)" }
  static let check: @Sendable (String) -> (size: UInt64, root: Digest)? = { note in
    let parts = note.split(separator: " ")
    guard parts.count == 3, parts[0] == "test", let size = UInt64(parts[1]), let root = Digest(base64: String(parts[2]))
    else { return nil }
    return (size, root)
  }

  func open(_ change: (inout EventLogConfiguration) throws -> Void = { _ in }) throws -> EventLog {
    var configuration = EventLogConfiguration(folder: logFolder)
    configuration.headFile = headFile
    configuration.lockFile = folder + "/lock"
    configuration.mapSize = mapSize
    configuration.signHead = TemporaryLog.sign
    configuration.verifyHead = TemporaryLog.check
    let clock = clock
    configuration.clock = { clock.withLockedValue { $0 } ?? .now }
    try change(&configuration)
    return try EventLog.open(configuration)
  }

  /// What a file beside the log holds.
  func bytes(of name: String) throws -> [UInt8] {
    let file = try #require(fopen(folder + "/" + name, "r"), "no file \(name)")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = fgetc(file), byte >= 0 { bytes.append(UInt8(byte)) }
    return bytes
  }

  /// Makes a file beside the log of these bytes.
  func write(_ bytes: [UInt8], to name: String) throws {
    let file = try #require(fopen(folder + "/" + name, "w"), "no file \(name)")
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    fclose(file)
  }

  /// The positions that both heads are signed for; 0 where one states nothing.
  func heads() throws -> [UInt64] {
    try ["head", "head-2"].map { name in
      TemporaryLog.check(String(decoding: try bytes(of: name).prefix { $0 != 0 }, as: UTF8.self))?.size ?? 0
    }
  }

  func verify() throws -> VerificationReport {
    try EventLogVerifier.verify(folder: logFolder, headFile: headFile, verifyHead: TemporaryLog.check)
  }
}

extension Identifier {
  /// A fixed identifier for tests.
  static func numbered(_ number: UInt64) -> Identifier { Identifier(high: 0x7000, low: 0x8000_0000_0000_0000 | number) }
}

extension LogTransaction {
  /// Appends an event that sets fields.
  @discardableResult
  func record(_ resource: Identifier, _ verb: String = "edited", set: JSONObject, type: String = "thing") throws
    -> AppendedEvent
  {
    var draft = EventDraft(event: "\(type).\(verb)", type: type, resource: resource, actor: "server", at: now)
    draft.set = set
    draft.schema = "test"
    draft.subjects = [resource]
    return try append(draft)
  }
}
