import BasicTypes
import CanonicalJSON
import Crypto
import Files

extension Vault {
  private static let exportFormat = "daybook-keys-export/1"

  /// Writes all keys into a new file that only its owner can read. They are wrapped as in the vault, so the file is of
  /// use only together with the root key, which it does not hold.
  ///
  /// After a key is destroyed, an earlier export still holds it: such an export must go, and ``status()`` says so.
  ///
  /// - Throws: ``VaultError``; a file of that name is an error.
  public func exportKeys(to file: String) throws {
    let path = FileSystem.absolute(file)
    if !isReadOnly { try persistPendingKeys() }
    let current = snapshot
    var header = try WrappedEpochKey(epoch: current.epoch, key: current.epochKey, root: root).object
    header["export"] = .string(Vault.exportFormat)
    let records = current.records[..<current.durableCount]
    var bytes = header.canonicalBytes + [UInt8(ascii: "\n")]
    for record in records { bytes += record.bytes }
    bytes += try Vault.exportEnd(count: records.count, store: current)
    try FileSystem.create(path, bytes)
    try FileSystem.syncFolder(FileSystem.parent(of: path) ?? ".")
    let number = (lastExport()?.number ?? 0) + 1
    try record(LastExport(at: .now, epoch: current.epoch, keyCount: UInt64(records.count), number: number))
  }

  /// Makes a vault from an export, with the root key that wrapped it; by default that beside the data folder.
  ///
  /// Destructions that are newer than the export must be done again before anything is opened: the log tells them.
  ///
  /// - Throws: ``VaultError``: `vaultExists` where the folder is not empty, `rootKeyWrong`, and `storeDamaged` where
  ///   the export was changed or cut.
  public static func importKeys(from file: String, into folder: String, rootKeyFile: String? = nil) throws {
    let folder = VaultFolder(path: FileSystem.absolute(folder))
    guard try folder.isAbsentOrEmpty() else {
      throw VaultError(
        .vaultExists, "\(folder.path) holds a vault already: move it away first if the export is to replace it.")
    }
    let root = try requireRootKey(rootKeyPath(folder, rootKeyFile))
    guard let bytes = try FileSystem.read(file) else {
      throw VaultError(.storeDamaged, "There is no file \(file) to import keys from.")
    }
    let (lines, byteCount) = KeyStore.completeLines(bytes)
    // What is not JSON is not an export.
    guard byteCount == bytes.count, lines.count >= 2, case .object(let object)? = try? JSON.parse(lines[0]),
      object["export"]?.stringValue == exportFormat, let epochKey = WrappedEpochKey(object: object)
    else { throw VaultError(.storeDamaged, "\(file) is no export of keys, or is cut.") }
    var store = KeyStore(
      epoch: epochKey.epoch, epochKey: try epochKey.unwrap(root: root, file: file), cacheCapacity: 2)
    try store.read(lines: lines[1..<(lines.count - 1)], file: file)
    guard try isExportEnd(lines[lines.count - 1], count: store.records.count, store: store) else {
      throw VaultError(.storeDamaged, "The last line of \(file) does not match the keys before it: lines are missing.")
    }
    try publish(folder, epochKey: epochKey, keys: store.bytes)
  }

  /// The last line of an export, which vouches for how many there are.
  private static func exportEnd(count: Int, store: KeyStore) throws -> [UInt8] {
    let tag = try KeyWrap.wrap(nil, under: store.epochKey, authenticating: authenticatedEnd(count))
    let object: JSONObject = ["keys": .integer(Int64(count)), "tag": .string(Base64.encode(tag))]
    return object.canonicalBytes + [UInt8(ascii: "\n")]
  }

  private static func isExportEnd(_ line: ArraySlice<UInt8>, count: Int, store: KeyStore) throws -> Bool {
    guard case .object(let object)? = try? JSON.parse(line), object["keys"]?.integerValue == Int64(count),
      let tag = object["tag"]?.stringValue.flatMap({ Base64.decode($0) })
    else { return false }
    return KeyWrap.unwrap(tag, under: store.epochKey, authenticating: authenticatedEnd(count)) != nil
  }

  private static func authenticatedEnd(_ count: Int) -> [UInt8] {
    var bytes = Array("daybook keys export end".utf8)
    bytes.append(bigEndian: UInt64(count))
    return bytes
  }

  /// Notes in the vault that an export was made. A file of its own, so that the store has one writer only.
  private func record(_ export: LastExport) throws {
    try FileSystem.remove(folder.newLastExport)
    let object: JSONObject = [
      "at": .string(export.at.text), "epoch": .integer(Int64(export.epoch)),
      "keys": .integer(Int64(export.keyCount)), "number": .integer(export.number),
    ]
    try FileSystem.create(folder.newLastExport, object.canonicalBytes + [UInt8(ascii: "\n")])
    try FileSystem.rename(folder.newLastExport, to: folder.lastExport)
    try FileSystem.syncFolder(folder.path)
  }

  /// The last export that the vault knows of; nil where there is none, or where the note of it can't be read, which is
  /// only a reason to export again.
  public func lastExport() -> LastExport? {
    guard let bytes = (try? FileSystem.read(folder.lastExport)) ?? nil,
      case .object(let object)? = try? JSON.parse(bytes), let at = object["at"]?.stringValue.flatMap({ Timestamp($0) }),
      let epoch = object["epoch"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
      let keyCount = object["keys"]?.integerValue.flatMap({ UInt64(exactly: $0) })
    else { return nil }
    return LastExport(at: at, epoch: epoch, keyCount: keyCount, number: object["number"]?.integerValue ?? 1)
  }
}

/// When keys were exported, and what of.
public struct LastExport: Sendable, Equatable {
  /// When.
  public let at: Timestamp
  /// The epoch of the key that wraps them.
  public let epoch: UInt64
  /// How many keys there were, destroyed ones included.
  public let keyCount: UInt64
  /// How many exports this vault has made, as far as it knows, this one included.
  public let number: Int64
}
