import BasicTypes
import LMDB

extension LogSnapshot {
  /// Who holds any key of a unique constraint, in the order of the keys.
  public func holders(constraint: String) throws -> [Identifier] {
    let prefix = Key.unique(constraint, [])
    var result: [Identifier] = []
    try store.withCursor(databases.unique) { cursor in
      try cursor.scan(from: prefix) { key, stored in
        guard key.starts(with: prefix) else { return false }
        guard let id = Checksummed.value(key, stored).flatMap({ Identifier(bytes: $0) }) else {
          throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
        }
        result.append(id)
        return true
      }
    }
    return result
  }
}
