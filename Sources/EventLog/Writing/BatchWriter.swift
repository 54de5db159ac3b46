import BasicTypes
import Failpoints
import LMDB
import MerkleTree

/// Puts what a batch has staged into LMDB: all decisions are made by now, so the
/// puts come database by database, in the order of their keys.
struct BatchWriter {
  let store: WriteTransaction
  let databases: Databases
  let failpoints: Failpoints

  /// Writes the batch and answers the head it makes. Nothing is durable before the transaction commits.
  func write(_ staging: Staging, onto head: StoredHead, at now: Timestamp) throws -> StoredHead {
    var next = head
    try writeRecords(staging, &next, at: now)
    try failpoints.reached(.logPutting)
    for (id, state) in staging.states.sorted(by: { $0.key < $1.key }) {
      try store.put(databases.states, id.bytes, state.encoded(fields: staging.fieldBytes[id]))
    }
    try writeUnique(staging)
    try writeLinks(staging)
    for (key, command) in staging.commands.sorted(by: { Key.precedes($0.key, $1.key) }) {
      try store.put(databases.commands, key, Checksummed.wrap(key, command.fingerprint + command.result))
    }
    try writeCounters(staging, next)
    return next
  }

  private func writeRecords(_ staging: Staging, _ next: inout StoredHead, at now: Timestamp) throws {
    var nodes: [(level: UInt8, index: UInt64, hash: Digest)] = []
    nodes.reserveCapacity(staging.records.count * 2)
    for staged in staging.records {
      let record = staged.record
      let key = Key.position(record.position)
      try store.append(databases.headers, key, record.header)
      let leaf = record.header.withUnsafeBytes { RFC6962.leafHash($0) }
      next.frontier.append(leaf: leaf) { level, index, hash in nodes.append((level, index, hash)) }
    }
    for staged in staging.records {
      try store.append(databases.bodies, Key.position(staged.record.position), staged.record.body)
    }
    for staged in staging.records.sorted(by: { ($0.resource, $0.version) < ($1.resource, $1.version) }) {
      let key = Key.history(staged.resource, staged.version)
      try store.put(databases.history, key, Checksummed.wrap(key, Key.position(staged.record.position)))
    }
    let subjects = staging.records.flatMap { staged in
      staged.subjects.map { (subject: $0, position: staged.record.position) }
    }
    for entry in subjects.sorted(by: { ($0.subject, $0.position) < ($1.subject, $1.position) }) {
      let key = Key.subject(entry.subject, entry.position)
      try store.put(databases.subjects, key, Checksummed.wrap(key, []))
    }
    for node in nodes.sorted(by: { ($0.level, $0.index) < ($1.level, $1.index) }) {
      try store.put(databases.tree, Key.tree(node.level, node.index), node.hash.bytes)
    }
    if !staging.records.isEmpty { next.at = now }
  }

  private func writeUnique(_ staging: Staging) throws {
    for (key, holder) in staging.unique.sorted(by: { Key.precedes($0.key, $1.key) }) {
      if let id = holder.holder {
        try store.put(databases.unique, key, Checksummed.wrap(key, id.bytes))
      } else {
        try store.delete(databases.unique, key)
      }
    }
  }

  private func writeLinks(_ staging: Staging) throws {
    var entries: [(key: [UInt8], isThere: Bool)] = []
    for (target, types) in staging.links {
      for (type, changes) in types {
        for (referrer, isThere) in changes {
          entries.append((Key.links(to: target, type: type, from: referrer), isThere))
        }
      }
    }
    for entry in entries.sorted(by: { Key.precedes($0.key, $1.key) }) {
      if entry.isThere {
        try store.put(databases.links, entry.key, Checksummed.wrap(entry.key, []))
      } else {
        try store.delete(databases.links, entry.key)
      }
    }
  }

  /// Keeps the counters and how many entries each index has, so that `verify` misses a lost entry.
  private func writeCounters(_ staging: Staging, _ next: StoredHead) throws {
    var values: [(key: [UInt8], value: [UInt8])] = staging.counters.map { name, value in
      (Key.meta(name), Key.position(UInt64(bitPattern: value)))
    }
    for database in databases.counted {
      values.append((Key.meta("entries/\(database.name)"), Key.position(try store.statistics(database).entries)))
    }
    values.append((Key.meta("head"), next.encoded))
    for (key, value) in values.sorted(by: { Key.precedes($0.key, $1.key) }) {
      try store.put(databases.meta, key, Checksummed.wrap(key, value))
    }
  }
}
