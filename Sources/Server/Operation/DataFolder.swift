import BasicTypes
import EventLog
import Logging
import MerkleTree
import Vault

/// Where everything lies in a data folder, for the server and for the tools that work on it while no server runs.
public struct DataFolder: Sendable, Equatable {
  /// The folder.
  public let path: String

  /// The folder at that path.
  public init(_ path: String) {
    self.path = path
  }

  /// The folder of the event log.
  public var log: String { path + "/log" }
  /// The first of the two files that hold the log's signed head (a C2SP checkpoint note) in turn.
  public var head: String { path + "/head" }
  /// What a restore leaves for the first start, which records it.
  public var restored: String { path + "/restored.json" }
  /// What a start leaves that accepts a log without a signed head, until that is recorded.
  public var accepted: String { path + "/accepted.json" }
  /// The keys.
  public var vault: String { path + "/vault" }
  /// The private PostgreSQL.
  public var postgres: String { path + "/postgres" }
  /// The Unix socket, unless another path is given.
  public var socket: String { path + "/daybook.sock" }
  /// The file whose lock says which process has the folder.
  public var lock: String { path + "/daybook.lock" }

  /// How the log in this folder is opened: its head signed and checked by the vault's key, and new keys made durable
  /// before the events that need them.
  /// - Throws: `NoteError` where the vault's key makes no signer.
  public func logConfiguration(vault: Vault, logger: Logger) throws -> EventLogConfiguration {
    let origin = Self.origin(verifierKey: vault.verifierKey)
    let signer = try NoteSigner(name: origin, key: vault.signingKey)
    let verifier = signer.verifier
    var configuration = EventLogConfiguration(folder: log)
    configuration.headFile = head
    configuration.vaultHead = Self.vaultHead(vault.keptHead)
    configuration.lockFile = lock
    configuration.logger = logger
    configuration.beforeCommit = { try vault.persistPendingKeys() }
    configuration.beforeDecision = { vault.markKeys() }
    configuration.afterNothing = { vault.forgetUnmarkedKeys() }
    configuration.signHead = { size, root in
      try signer.sign(Checkpoint(origin: origin, size: size, root: root)).serialized
    }
    configuration.verifyHead = { note in
      verifier.checkpoint(of: Array(note.utf8), origin: origin).map { ($0.size, $0.root) }
    }
    return configuration
  }

  /// The place in a vault where the signed head of its log is kept besides the two files.
  public static func vaultHead(_ kept: KeptHead) -> VaultHead {
    VaultHead(file: kept.path, read: { try kept.records() }, write: { try kept.write($0, to: $1) })
  }

  /// The origin line of this log's checkpoints (C2SP tlog-checkpoint), which is also
  /// the name of the key that signs them.
  public static func origin(verifierKey: [UInt8]) -> String {
    "daybook/" + Hex.encode(Array(verifierKey.prefix(8)))
  }
}
