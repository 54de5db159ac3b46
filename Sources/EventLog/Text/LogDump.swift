import BasicTypes
import CanonicalJSON
import Crypto
import LMDB
import MerkleTree

/// A log as lines of text, which depends on no format of a database file: for moving a log to where this one can't be
/// opened, and for keeping it longer than any program.
///
/// The first line says what it is. Then come two lines for each event, header and body with the bytes that they are
/// hashed with, so that the tree can be built of the text alone; then what the records don't tell, a line each; then a
/// line with the SHA-256 of all bytes before it. `LogFormat` in the documentation describes each line.
public enum LogDump {
  /// The mark of the text's own format.
  static let format = "daybook-log-dump/1"

  /// The indexes that it holds; states, history, tree and counters follow from the records.
  static let indexes = ["unique", "links", "subjects", "commands"]

  /// Writes a log as text.
  /// - Parameters:
  ///   - note: the signed head of the log, where there is one.
  ///   - write: takes some whole lines, in order.
  /// - Returns: the position and the root of what was written.
  /// - Throws: ``EventLogError`` `damaged` where the log can't be read; what writing throws.
  public static func write(
    _ snapshot: borrowing LogSnapshot, note: String?, at now: Timestamp, to write: @escaping ([UInt8]) throws -> Void,
    progress: (VerificationProgress) -> Void = { _ in }
  ) throws -> LogHead {
    let output = HashedLines(write: write)
    let head = snapshot.head
    try output.line(
      [
        "at": .string(max(now, head.at ?? .minimum).text), "format": .string(format),
        "head": note.map(JSON.string) ?? .null, "last_event_at": head.at.map { .string($0.text) } ?? .null,
        "position": JSON(position: head.position), "root": .string(head.root.base64),
      ])
    var position: UInt64 = 1
    while position <= head.position {
      let records = try snapshot.records(from: position, limit: 4096, maximumBytes: 4 << 20)
      for record in records {
        try output.line(record.header)
        try output.line(record.body)
      }
      position += UInt64(records.count)
      progress(VerificationProgress(phase: "records", done: position - 1, total: head.position))
    }
    for name in indexes { try index(name, of: snapshot, to: output, progress) }
    try output.end()
    return head
  }

  private static func index(
    _ name: String, of snapshot: borrowing LogSnapshot, to output: HashedLines,
    _ progress: (VerificationProgress) -> Void
  ) throws {
    guard let database = snapshot.databases.all.first(where: { $0.name == name }) else { return }
    let total = try snapshot.entryCount(name)
    try output.line(["entries": JSON(position: total), "index": .string(name)])
    var done: UInt64 = 0
    try snapshot.store.scan(database, from: []) { key, stored in
      guard let value = Checksummed.value(key, stored), let entry = LogDumpEntry(name, key: key.copy, value: value)
      else {
        throw EventLogError.damaged("an entry of the index \(name) is damaged")
      }
      try output.line(entry.json)
      done += 1
      if done & 0xFFF == 0 { progress(VerificationProgress(phase: name, done: done, total: total)) }
      return true
    }
    guard done == total else {
      throw EventLogError.damaged("the index \(name) has \(done) entries instead of \(total)")
    }
    progress(VerificationProgress(phase: name, done: done, total: total))
  }
}

/// Lines, with the hash of all that were written.
private final class HashedLines {
  private let write: ([UInt8]) throws -> Void
  private var buffer: [UInt8] = []
  private var hash = SHA256()

  init(write: @escaping ([UInt8]) throws -> Void) { self.write = write }

  func line(_ bytes: [UInt8]) throws {
    buffer += bytes
    buffer.append(UInt8(ascii: "\n"))
    if buffer.count >= 1 << 18 { try flush() }
  }

  func line(_ object: JSONObject) throws { try line(object.canonicalBytes) }

  private func flush() throws {
    hash.update(data: buffer)
    try write(buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  func end() throws {
    try flush()
    let digest = Array(hash.finalize())
    try write(JSONObject(members: [(key: "sha256", value: .string(Base64.encode(digest)))]).canonicalBytes + [0x0A])
  }
}

/// An entry of an index, as a dump has it: in words that no layout of keys decides.
enum LogDumpEntry {
  case unique(constraint: String, parent: [UInt8], hash: [UInt8], isForm: Bool, holder: Identifier)
  case link(target: Identifier, type: String, referrer: Identifier)
  case subject(Identifier, position: UInt64)
  case command(actor: String, id: String, fingerprint: [UInt8], result: [UInt8])

  /// An entry of today's layout; nil where it is none.
  init?(_ index: String, key: [UInt8], value: [UInt8]) {
    func identifier(_ bytes: ArraySlice<UInt8>) -> Identifier? { Identifier(bytes: Array(bytes)) }
    switch index {
    case "unique":
      guard let end = key.firstIndex(of: 0), let holder = Identifier(bytes: value) else { return nil }
      let parts = key[(end + 1)...]
      let isForm = parts.count == 64
      guard parts.count == 48 || isForm else { return nil }
      self = .unique(
        constraint: String(decoding: key[..<end], as: UTF8.self), parent: Array(parts.prefix(16)),
        hash: Array(parts.dropFirst(16).prefix(32)), isForm: isForm, holder: holder)
    case "links":
      guard key.count > 33, let target = identifier(key[..<16]), let referrer = identifier(key.suffix(16)) else {
        return nil
      }
      self = .link(
        target: target, type: String(decoding: key[16..<(key.count - 17)], as: UTF8.self), referrer: referrer)
    case "subjects":
      guard key.count == 24, let subject = identifier(key[..<16]) else { return nil }
      self = .subject(subject, position: key[16...].reduce(0) { $0 << 8 | UInt64($1) })
    case "commands":
      guard let end = key.firstIndex(of: 0), value.count >= 32 else { return nil }
      self = .command(
        actor: String(decoding: key[..<end], as: UTF8.self), id: String(decoding: key[(end + 1)...], as: UTF8.self),
        fingerprint: Array(value.prefix(32)), result: Array(value.dropFirst(32)))
    default: return nil
    }
  }

  /// The database that it belongs to, and its key and value (without a checksum) there.
  var stored: (key: [UInt8], value: [UInt8]) {
    switch self {
    case .unique(let constraint, let parent, let hash, let isForm, let holder):
      (Key.unique(constraint, parent + hash + (isForm ? holder.bytes : [])), holder.bytes)
    case .link(let target, let type, let referrer): (Key.links(to: target, type: type, from: referrer), [])
    case .subject(let subject, let position): (Key.subject(subject, position), [])
    case .command(let actor, let id, let fingerprint, let result): (Key.command(actor, id), fingerprint + result)
    }
  }

  /// Its line.
  var json: JSONObject {
    switch self {
    case .unique(let constraint, let parent, let hash, let isForm, let holder):
      return [
        "constraint": .string(constraint), "form": .bool(isForm), "hash": .string(Base64.encode(hash)),
        "holder": .string(holder.text), "parent": .string(Identifier(bytes: parent)?.text ?? ""),
      ]
    case .link(let target, let type, let referrer):
      return ["referrer": .string(referrer.text), "target": .string(target.text), "type": .string(type)]
    case .subject(let subject, let position):
      return ["position": JSON(position: position), "subject": .string(subject.text)]
    case .command(let actor, let id, let fingerprint, let result):
      return [
        "actor": .string(actor), "fingerprint": .string(Base64.encode(fingerprint)), "id": .string(id),
        "result": .string(String(decoding: result, as: UTF8.self)),
      ]
    }
  }

  /// What a line says; nil where it isn't one of that index.
  init?(_ index: String, _ json: JSONObject) {
    func text(_ name: String) -> String? { json[name]?.stringValue }
    func id(_ name: String) -> Identifier? { text(name).flatMap { Identifier($0) } }
    func bytes(_ name: String) -> [UInt8]? { text(name).flatMap { Base64.decode($0) } }
    switch index {
    case "unique":
      guard let constraint = text("constraint"), let hash = bytes("hash"), hash.count == 32, let holder = id("holder"),
        let parent = id("parent"), let isForm = json["form"]?.boolValue
      else { return nil }
      self = .unique(constraint: constraint, parent: parent.bytes, hash: hash, isForm: isForm, holder: holder)
    case "links":
      guard let target = id("target"), let type = text("type"), let referrer = id("referrer") else { return nil }
      self = .link(target: target, type: type, referrer: referrer)
    case "subjects":
      guard let subject = id("subject"),
        let position = json["position"]?.integerValue.flatMap({ UInt64(exactly: $0) })
      else { return nil }
      self = .subject(subject, position: position)
    case "commands":
      guard let actor = text("actor"), let id = text("id"), let fingerprint = bytes("fingerprint"),
        fingerprint.count == 32, let result = text("result")
      else { return nil }
      self = .command(actor: actor, id: id, fingerprint: fingerprint, result: Array(result.utf8))
    default: return nil
    }
  }
}
