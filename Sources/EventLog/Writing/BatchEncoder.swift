import BasicTypes
import Failpoints
import MerkleTree

/// Makes of what a batch has staged the changes that the log stores: all decisions are made by now, so they come
/// database by database, in the order of their keys.
struct BatchEncoder {
  private var batch = EncodedBatch()

  private init() {}

  /// The changes of a batch, and the head that they make.
  /// - Parameter tiles: The right edge of the tree; it is as it is behind the batch then.
  static func encode(
    _ staging: Staging, onto head: StoredHead, _ tiles: inout TreeTiles, _ failpoints: Failpoints
  ) throws -> EncodedBatch {
    var encoder = BatchEncoder()
    encoder.batch.head = head
    encoder.batch.firstPosition = head.frontier.size + 1
    encoder.batch.events = staging.records.count
    encoder.batch.changes.reserveCapacity(staging.records.count * 10 + staging.commands.count + 4)
    let tree = encoder.records(staging, &tiles)
    try failpoints.reached(.logPutting)
    for (id, state) in staging.states.sorted(by: { $0.key < $1.key }) {
      encoder.put(.states, id.bytes, state.encoded(fields: staging.fieldBytes[id]))
    }
    encoder.unique(staging)
    encoder.links(staging)
    encoder.subjects(staging)
    for (key, command) in staging.commands.sorted(by: { Key.precedes($0.key, $1.key) }) {
      encoder.put(.commands, key, Checksummed.wrap(key, command.fingerprint + command.result))
    }
    for tile in tree { encoder.put(.tree, Key.tree(tile.level, tile.index), tile.bytes) }
    encoder.meta(staging)
    return encoder.batch
  }

  /// The databases, by their places in ``Databases/names``.
  private enum Target: UInt8 {
    case headers, bodies, history, states, unique, links, subjects, commands, tree, meta
  }

  private mutating func put(_ target: Target, _ key: [UInt8], _ value: [UInt8]?) {
    batch.changes.append(StoredChange(database: target.rawValue, key: key, value: value))
  }

  /// The records and the histories. Answers the tiles of the tree that they make.
  private mutating func records(_ staging: Staging, _ tiles: inout TreeTiles) -> [StoredTile] {
    var tree = TileCollector(tiles)
    for staged in staging.records {
      let record = staged.record
      put(.headers, Key.position(record.position), record.header)
      tree.append(leaf: record.header.withUnsafeBytes { RFC6962.leafHash($0) }, to: &batch.head.frontier)
    }
    tiles = tree.edge
    let first = batch.firstPosition
    for (position, replaced) in staging.bodies.sorted(by: { $0.key < $1.key }) where position < first {
      put(.bodies, Key.position(position), replaced.body)
      batch.replacesBodies = true
    }
    for staged in staging.records {
      let position = staged.record.position
      put(.bodies, Key.position(position), staging.bodies[position]?.body ?? staged.record.body)
    }
    for staged in staging.records.sorted(by: { ($0.resource, $0.version) < ($1.resource, $1.version) }) {
      let key = Key.history(staged.resource, staged.version)
      put(.history, key, Checksummed.wrap(key, Key.position(staged.record.position)))
    }
    if let last = staging.records.last { batch.head.at = last.at }
    return tree.stored(size: batch.head.frontier.size)
  }

  private mutating func subjects(_ staging: Staging) {
    let subjects = staging.records.flatMap { staged in
      staged.subjects.map { (subject: $0, position: staged.record.position) }
    }
    for entry in subjects.sorted(by: { ($0.subject, $0.position) < ($1.subject, $1.position) }) {
      let key = Key.subject(entry.subject, entry.position)
      put(.subjects, key, Checksummed.wrap(key, []))
    }
  }

  private mutating func unique(_ staging: Staging) {
    for (key, holder) in staging.unique.sorted(by: { Key.precedes($0.key, $1.key) }) {
      put(.unique, key, holder.holder.map { Checksummed.wrap(key, $0.bytes) })
    }
  }

  private mutating func links(_ staging: Staging) {
    var entries: [(key: [UInt8], isThere: Bool)] = []
    for (target, types) in staging.links {
      for (type, changes) in types {
        for (referrer, isThere) in changes {
          entries.append((Key.links(to: target, type: type, from: referrer), isThere))
        }
      }
    }
    for entry in entries.sorted(by: { Key.precedes($0.key, $1.key) }) {
      put(.links, entry.key, entry.isThere ? Checksummed.wrap(entry.key, []) : nil)
    }
  }

  private mutating func meta(_ staging: Staging) {
    var values: [(key: [UInt8], value: [UInt8])] = staging.counters.map { name, value in
      (Key.meta(name), Key.position(UInt64(bitPattern: value)))
    }
    values.append((Key.meta("head"), batch.head.encoded))
    for (key, value) in values.sorted(by: { Key.precedes($0.key, $1.key) }) {
      put(.meta, key, Checksummed.wrap(key, value))
    }
  }
}
