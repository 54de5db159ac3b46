import BasicTypes
import CanonicalJSON
import Files

/// Who was erased, as a file that can be kept beside backups: ids and times, and no key.
///
/// The first line is `{"format":"daybook-erasures/1"}`, then one line for each owner in the order of the key store
/// (`kind` and what tells it, as the key store has it, and `destroyed`), then
/// `{"erasures":COUNT}`.
package struct ErasureList: Sendable, Equatable {
  static let format = "daybook-erasures/1"

  /// Whose keys are destroyed.
  package var owners: [KeyOwner]

  /// Reads such a file.
  ///
  /// - Throws: ``VaultError`` that names the line.
  package init(contentsOf file: String) throws {
    guard let bytes = try FileSystem.read(file) else {
      throw VaultError(.storeDamaged, "There is no file \(file) to read erasures from.")
    }
    func damage(_ line: Int) -> VaultError {
      VaultError(
        .storeDamaged, "Line \(line) of \(file) is not what daybook keys erasures writes there: write the file again.")
    }
    let (lines, byteCount) = KeyStore.completeLines(bytes)
    // What is not JSON is no list.
    let objects = lines.map { line in (try? JSON.parse(line))?.objectValue }
    guard byteCount == bytes.count, objects.count >= 2, objects[0]?["format"]?.stringValue == ErasureList.format else {
      throw damage(1)
    }
    owners = []
    for (index, object) in objects.enumerated().dropFirst().dropLast() {
      guard let object, object["destroyed"]?.stringValue.flatMap({ Timestamp($0) }) != nil,
        let owner = KeyRecord.owner(in: object)
      else { throw damage(index + 1) }
      owners.append(owner)
    }
    guard objects.last??["erasures"]?.integerValue == Int64(owners.count) else { throw damage(objects.count) }
  }
}

extension Vault {
  /// Writes whose keys were destroyed into a new file, for ``ErasureList``. It holds ids and no key, so that it can lie
  /// where backups lie; a restore with an older export of keys then knows whom it has to erase again.
  ///
  /// - Returns: how many there are.
  /// - Throws: ``VaultError``; a file of that name is an error.
  package func writeErasures(to file: String) throws -> Int {
    let path = FileSystem.absolute(file)
    var bytes = (["format": .string(ErasureList.format)] as JSONObject).canonicalBytes + [UInt8(ascii: "\n")]
    var count = 0
    for record in snapshot.records where record.destroyed != nil {
      bytes += record.erasure.canonicalBytes + [UInt8(ascii: "\n")]
      count += 1
    }
    bytes += (["erasures": .integer(Int64(count))] as JSONObject).canonicalBytes + [UInt8(ascii: "\n")]
    try FileSystem.create(path, bytes)
    try FileSystem.syncFolder(FileSystem.parent(of: path) ?? ".")
    return count
  }
}
