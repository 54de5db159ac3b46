import BasicTypes
import LMDB

extension LogSnapshot {
  /// Who holds a key of a unique constraint that begins so (any, where nothing is given), in the order of the keys.
  public func holders(constraint: String, beginningWith start: [UInt8] = []) throws -> [Identifier] {
    let prefix = Key.unique(constraint, start)
    var result: [Identifier] = []
    try store.scan(databases.unique, from: prefix) { key, stored in
      guard key.starts(with: prefix) else { return false }
      guard let id = Checksummed.value(key, stored).flatMap({ Identifier(bytes: $0) }) else {
        throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
      }
      result.append(id)
      return true
    }
    return result
  }
}
