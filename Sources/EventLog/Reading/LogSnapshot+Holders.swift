import BasicTypes
import LMDB

extension LogSnapshot {
  /// Who holds any key of a unique constraint, in the order of the keys.
  public func holders(constraint: String) throws -> [Identifier] {
    let prefix = Key.unique(constraint, [])
    var result: [Identifier] = []
    let cursor = try store.cursor(databases.unique)
    var entry = try cursor.seek(prefix)
    while let (key, stored) = entry, key.count >= prefix.count, key.prefix(prefix.count).elementsEqual(prefix) {
      guard let value = Checksummed.unwrap(key, stored), let id = Identifier(bytes: Array(value)) else {
        throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
      }
      result.append(id)
      entry = try cursor.next()
    }
    return result
  }
}
