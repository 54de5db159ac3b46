import BasicTypes
import EventLog
import MerkleTree
import NIOConcurrencyHelpers
import TestBasics
import Vault

/// A log in a folder of its own, which goes away with it. It isn't open by itself: a test opens, closes and damages it.
package final class TestLog: Sendable {
  /// What the log lies in, and what a test puts beside it.
  package let folder: TemporaryFolder
  /// What the clock of the log says; nil for the system's time.
  package let clock = NIOLockedValueBox<Timestamp?>(nil)
  /// Microseconds since the machine's start, as a test has them; nil watches for no jumps of the clock.
  package let uptime = NIOLockedValueBox<Int64?>(nil)
  private let data: String
  private let mapSize: Int

  /// A log to be, in a data folder of its own.
  /// - Parameter data: a data folder that something else has left, which stays.
  package init(mapSize: Int = 1 << 24, data: String? = nil) throws {
    folder = try TemporaryFolder()
    self.data = data ?? folder.path + "/data"
    self.mapSize = mapSize
    if data == nil { try TestFiles.makeFolder(self.data + "/kept") }
  }

  /// The data folder.
  package var dataFolder: String { data }
  /// The folder of the log's own files.
  package var logFolder: String { data + "/log" }
  /// The file of the last signed head, which lies outside of the log.
  package var headFile: String { data + "/head" }
  /// The file of the third place of the last signed head, which is in the vault of a whole data folder.
  package var keptHeadFile: String { data + "/kept/head" }
  /// The time as the log has it.
  package var now: @Sendable () -> Timestamp {
    { [clock] in clock.withLockedValue { $0 } ?? .now }
  }

  /// A "signature" that is enough to tell heads apart; real ones are the Vault's.
  package static let sign: @Sendable (UInt64, Digest) throws -> String = { size, root in
    "test \(size) \(root.base64)"
  }

  /// The size and root that such a "signature" is about; nil where it is none.
  package static let check: @Sendable (String) -> (size: UInt64, root: Digest)? = { note in
    let parts = note.split(separator: " ")
    guard parts.count == 3, parts[0] == "test", let size = UInt64(parts[1]), let root = Digest(base64: String(parts[2]))
    else { return nil }
    return (size, root)
  }

  /// Opens the log, with a configuration that the test may change before.
  package func open(_ change: (inout EventLogConfiguration) throws -> Void = { _ in }) throws -> EventLog {
    var configuration = configuration
    try change(&configuration)
    return try EventLog.open(configuration)
  }

  /// What the log is opened with.
  package var configuration: EventLogConfiguration {
    var configuration = TestLog.configuration(data: data)
    configuration.mapSize = mapSize
    configuration.clock = now
    configuration.uptime = { [uptime] in uptime.withLockedValue { $0 } }
    return configuration
  }

  /// What the log in a test's data folder is opened with, in another process too.
  package static func configuration(data: String) -> EventLogConfiguration {
    let kept = KeptHead(vaultFolder: data + "/kept")
    var configuration = EventLogConfiguration(folder: data + "/log")
    configuration.headFile = data + "/head"
    configuration.vaultHead = VaultHead(
      file: kept.path, read: { try kept.records() }, write: { try kept.write($0, to: $1) })
    configuration.lockFile = data + "/lock"
    configuration.journalSize = 1 << 20
    configuration.signHead = TestLog.sign
    configuration.verifyHead = TestLog.check
    // Which decisions share a batch must not depend on how busy the machine is.
    configuration.decidingLimit = 60_000_000_000
    return configuration
  }

  /// Checks everything that is stored.
  package func verify() throws -> VerificationReport {
    try EventLogVerifier.verify(
      folder: logFolder, headFile: headFile, vaultHead: configuration.vaultHead, verifyHead: TestLog.check)
  }
}
