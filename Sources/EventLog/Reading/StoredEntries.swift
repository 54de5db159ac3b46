import BasicTypes
import LMDB

enum Counters {
  static func read(_ store: LogView, _ meta: Database, _ name: String) throws -> Int64 {
    let key = Key.meta(name)
    let counter = try store.withValue(meta, key) { stored in
      guard let value = Checksummed.position(key.span.bytes, stored) else {
        throw EventLogError.damaged("the counter \(name) is damaged")
      }
      return Int64(bitPattern: value)
    }
    return counter ?? 0
  }
}

enum Links {
  /// Goes through the links to a target until the visitor answers false.
  /// - Parameter after: Goes on after this one of the type.
  static func scan(
    _ store: LogView, _ links: Database, target: Identifier, type: String?, after: Identifier? = nil,
    _ visit: (String, Identifier) -> Bool
  ) throws {
    let prefix = type.map { Key.links(to: target, type: $0) } ?? target.bytes
    // No key is between the one of `after` and the same with a zero behind it.
    try store.scan(links, from: after.map { prefix + $0.bytes + [0] } ?? prefix) { key, _ in
      guard key.byteCount > 33, key.starts(with: prefix) else { return false }
      return key.withUnsafeBytes { key in
        let name = String(decoding: UnsafeRawBufferPointer(rebasing: key[16..<(key.count - 17)]), as: UTF8.self)
        guard let id = Identifier(bytes: Array(key.suffix(16))) else { return false }
        return visit(name, id)
      }
    }
  }
}

enum Records {
  /// The record at a position, copied with whatever reads a value of a transaction.
  static func read(
    _ position: UInt64, _ databases: Databases, _ value: (Database, [UInt8]) throws -> [UInt8]?
  ) throws -> LogRecord {
    let key = Key.position(position)
    guard let header = try value(databases.headers, key) else {
      throw EventLogError.damaged("position \(position) has no header")
    }
    guard let body = try value(databases.bodies, key) else {
      throw EventLogError.damaged("position \(position) has no body")
    }
    return try checked(LogRecord(position: position, header: header, body: body), databases, value)
  }

  /// A record of which it is known whether its body was dropped as an event says.
  static func checked(
    _ record: LogRecord, _ databases: Databases, _ value: (Database, [UInt8]) throws -> [UInt8]?
  ) throws -> LogRecord {
    guard let event = record.body.withUnsafeBytes({ DroppedBody.event(claimedBy: $0) }), event > record.position,
      let naming = try value(databases.bodies, Key.position(event)),
      DroppedBody.isNamed(record, in: naming)
    else { return record }
    return record.dropped(by: event)
  }
}
