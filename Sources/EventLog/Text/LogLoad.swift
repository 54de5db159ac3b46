import BasicTypes
import CanonicalJSON
import Crypto
import Files
import LMDB
import MerkleTree

extension LogDump {
  /// Makes a backup of a log's text: a folder as ``EventLogBackup/make(of:into:)`` makes one, to be restored like any.
  ///
  /// The manifest comes last, once the text was read to its end, its hash and its root are what it says, and the log
  /// that was made of it is verified. A folder without a manifest is no backup, whatever ended the process.
  /// - Parameters:
  ///   - next: the next line, without its line break; nil after the last one.
  ///   - folder: must not exist or be empty.
  ///   - bytes: how long the text is; nil where that isn't known.
  /// - Throws: ``EventLogError``: `damaged` where the text isn't whole, with the line; `diskFull`; `unusable` where the
  ///   folder isn't empty, or the text of a format that this program doesn't know.
  public static func load(
    into folder: String, bytes: UInt64? = nil, progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in },
    next: () throws -> [UInt8]?
  ) throws -> BackupManifest {
    guard try FileSystem.names(in: folder)?.isEmpty ?? true else {
      throw EventLogError(.unusable, "\(folder) is not empty. Choose a new folder; nothing was changed.")
    }
    var input = CountedLines()
    let title = try Title(input.next(next))
    let log = folder + "/log"
    let above = FileSystem.foldersToSync(toMake: folder)
    try FileSystem.makeFolder(log)
    do {
      var options = Environment.Options()
      options.isDurable = false
      // Address space alone: states are kept beside the records, and pages are rarely full.
      options.mapSize = bytes.map { Int(clamping: min($0, 1 << 36) * 8 + 1 << 28) } ?? 1 << 40
      let environment = try Environment(folder: log, options: options)
      defer { environment.close() }
      let builder = try LogBuilder(environment, progress)
      try records(title, &input, next, builder)
      for name in indexes { try index(name, &input, next, builder, environment, progress) }
      try input.end(next)
      try builder.foldStates()
      try builder.finish()
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
    let report = try EventLogVerifier.verify(folder: log, progress: progress)
    guard report.problems.isEmpty, report.events == title.position, report.root == title.root else {
      throw EventLogError.damaged(
        "What was made of the text is not whole: \(report.problems.first?.description ?? "it is another log").")
    }
    try FileSystem.remove(log + "/lock.mdb")
    if let note = title.note { try FileSystem.replace(folder + "/head", with: Array(note.utf8), syncing: true) }
    for part in [log, folder] { try FileSystem.syncFolder(part) }
    let manifest = BackupManifest(
      position: title.position, root: title.root, at: title.at, lastEventAt: title.lastEventAt)
    try FileSystem.replace(folder + "/" + BackupManifest.fileName, with: manifest.bytes, syncing: true)
    for part in [folder] + above { try FileSystem.syncFolder(part) }
    return manifest
  }

  /// What the first line says.
  private struct Title {
    let position: UInt64
    let root: String
    let note: String?
    let at: Timestamp
    let lastEventAt: Timestamp?

    init(_ line: [UInt8]?) throws(EventLogError) {
      guard let line else { throw .damaged("line 1: the text is empty.") }
      let json = try CountedLines.parsed(line, number: 1)
      guard let format = json["format"]?.stringValue else {
        throw .damaged("line 1: this is not what `daybook log dump` wrote: it has no format.")
      }
      guard format == LogDump.format else {
        throw EventLogError(
          .unusable, "line 1: the text is of format \(format.prefix(40)); this program reads \(LogDump.format).")
      }
      guard let position = json["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
        let root = json["root"]?.stringValue, let at = json["at"]?.stringValue.flatMap({ Timestamp($0) })
      else { throw .damaged("line 1: position, root or at can't be read.") }
      self.position = position
      self.root = root
      self.at = at
      note = json["head"]?.stringValue
      lastEventAt = json["last_event_at"]?.stringValue.flatMap { Timestamp($0) }
      guard (lastEventAt == nil) == (position == 0) else { throw .damaged("line 1: last_event_at can't be read.") }
    }
  }

  private static func records(
    _ title: Title, _ input: inout CountedLines, _ next: () throws -> [UInt8]?, _ builder: LogBuilder
  ) throws {
    var piece: [LogRecord] = []
    var bytes = 0
    for position in 0..<title.position {
      guard let header = try input.next(next), let body = try input.next(next) else { throw input.cut() }
      let record = LogRecord(position: position + 1, header: header, body: body)
      let parsed: EventHeader
      do {
        parsed = try record.parsedHeader()
      } catch {
        throw input.damaged((error as? EventLogError)?.message ?? "the header can't be read: \(error)", before: 1)
      }
      // Whether an event dropped what claims so, the verification of the whole says.
      guard body.withUnsafeBytes({ RFC6962.sha256($0) == parsed.bodyHash || DroppedBody.claims($0) }) else {
        throw input.damaged("the body isn't the one that the header before it names")
      }
      piece.append(record)
      bytes += header.count + body.count
      if piece.count == LogBuilder.pieceLimit || bytes > LogBuilder.pieceBytes {
        try builder.add(piece, of: title.position)
        piece = []
        bytes = 0
      }
    }
    try builder.add(piece, of: title.position)
    let root = builder.head.frontier.root().base64
    guard root == title.root else {
      throw input.damaged("the records have the root \(root), and line 1 says \(title.root)")
    }
  }

  private static func index(
    _ name: String, _ input: inout CountedLines, _ next: () throws -> [UInt8]?, _ builder: LogBuilder,
    _ environment: Environment, _ progress: (VerificationProgress) -> Void
  ) throws {
    guard let line = try input.next(next) else { throw input.cut() }
    let title = try input.parsed(line)
    guard title["index"]?.stringValue == name,
      let total = title["entries"]?.integerValue.flatMap({ UInt64(exactly: $0) })
    else { throw input.damaged("here begins no index \(name)") }
    var piece: [(key: [UInt8], value: [UInt8])] = []
    for done in 0..<total {
      guard let line = try input.next(next) else { throw input.cut() }
      guard let json = try input.parsed(line).objectValue, let entry = LogDumpEntry(name, json) else {
        throw input.damaged("this is no entry of the index \(name)")
      }
      piece.append(entry.stored)
      if piece.count == LogBuilder.pieceLimit || done + 1 == total {
        try builder.put(piece, in: name)
        piece = []
        progress(VerificationProgress(phase: name, done: done + 1, total: total))
      }
    }
  }
}

/// Lines that are counted and hashed.
private struct CountedLines {
  private var hash = SHA256()
  private var count = 0

  /// The next line of those that the hash covers.
  mutating func next(_ next: () throws -> [UInt8]?) throws -> [UInt8]? {
    guard let line = try next() else { return nil }
    count += 1
    hash.update(data: line)
    hash.update(data: [UInt8(ascii: "\n")])
    return line
  }

  /// Checks the last line.
  mutating func end(_ next: () throws -> [UInt8]?) throws {
    let expected = Base64.encode(Array(hash.finalize()))
    guard let line = try next() else { throw cut() }
    count += 1
    guard let said = try parsed(line)["sha256"]?.stringValue else { throw damaged("this is not the last line") }
    guard said == expected else {
      throw damaged("the bytes before it have the SHA-256 \(expected), and it says \(said)")
    }
    guard try next() == nil else { throw damaged("something stands behind the last line") }
  }

  /// What the last line says.
  func parsed(_ line: [UInt8]) throws(EventLogError) -> JSON { try CountedLines.parsed(line, number: count) }

  static func parsed(_ line: [UInt8], number: Int) throws(EventLogError) -> JSON {
    do { return try JSON.parse(line) } catch { throw .damaged("line \(number): this is no JSON: \(error).") }
  }

  func cut() -> EventLogError { .damaged("line \(count + 1): the text ends here, before its last line.") }

  /// What is wrong with the last line, or one so many before it.
  func damaged(_ what: String, before: Int = 0) -> EventLogError { .damaged("line \(count - before): \(what).") }
}
