import BasicTypes
import CanonicalJSON
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// How far a file that others write to has been read, so that it can be told again after a restart, also where the file
/// has another name by then.
struct ReadingPlace: Equatable, Sendable {
  /// Which file, by what stays when it is renamed.
  var inode: UInt64
  /// Behind the last whole line that was taken.
  var offset: Int64
  /// How many lines those are.
  var lines: Int
  /// How the file begins, by which one with the same inode is known to be another: up to ``beginLength`` bytes of what
  /// was read, in base64.
  var begin: String

  static let beginLength = 512

  var json: JSONObject {
    [
      "begin": .string(begin), "format": "daybook-place-1", "inode": .string("\(inode)"),
      "lines": .integer(Int64(lines)),
      "offset": .integer(offset),
    ]
  }

  /// What a state file says; nil where there is none.
  /// - Throws: ``Failure`` where it is none of ours.
  static func read(_ path: String) throws -> ReadingPlace? {
    guard access(path, F_OK) == 0 else { return nil }
    guard let text = FileSystem<FileError>.text(path), let json = try? JSON.parse(text),
      json["format"] == "daybook-place-1", let inode = json["inode"]?.stringValue.flatMap({ UInt64($0) }),
      let offset = json["offset"]?.integerValue, offset >= 0, let lines = json["lines"]?.integerValue, lines >= 0,
      let begin = json["begin"]?.stringValue
    else {
      throw Failure(
        .usage, "The state file is not what --follow has written.", place: path,
        next: "Remove it to read the file from its beginning, which records nothing twice, or name another by --state.")
    }
    return ReadingPlace(inode: inode, offset: offset, lines: Int(lines), begin: begin)
  }

  /// Keeps it on the disk.
  func write(_ path: String) throws {
    do {
      try FileSystem<FileError>.replace(path, with: json.canonicalBytes + [0x0A], syncing: true)
    } catch {
      throw Failure(.unavailable, "The state file can't be written: \(error).", place: path)
    }
  }
}

/// A file that others write to, open at a place.
final class FollowedFile {
  let path: String
  private let descriptor: Int32
  private(set) var place: ReadingPlace
  private var pending: [UInt8] = []

  /// Opens a file at its beginning; nil where there is none.
  init?(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw Failure(.usage, "The file can't be read: \(String(cString: strerror(errno))).", place: path)
    }
    self.path = path
    self.descriptor = descriptor
    place = ReadingPlace(inode: 0, offset: 0, lines: 0, begin: "")
    place.inode = try Self.status(descriptor, path).inode
  }

  deinit { close(descriptor) }

  /// Goes to where this very file was left; false where it is another one, or doesn't reach as far any more.
  func goOn(from known: ReadingPlace) throws -> Bool {
    guard known.inode == place.inode, try isStill(known) else { return false }
    place = known
    pending = []
    return true
  }

  /// Whether the file still holds what was read of it, rather than being emptied and written anew.
  var isUnchanged: Bool { get throws { try isStill(place) } }

  private func isStill(_ known: ReadingPlace) throws -> Bool {
    guard try Self.status(descriptor, path).size >= known.offset else { return false }
    return Base64.encode(try bytes(at: 0, atMost: Int(min(known.offset, Int64(ReadingPlace.beginLength)))))
      == known.begin
  }

  /// Whether the path still leads to this file.
  var isCurrent: Bool {
    var found = stat()
    return stat(path, &found) == 0 && UInt64(found.st_ino) == place.inode
  }

  /// The whole lines that have come, up to about a mebibyte; with `isLast` what stands behind the last line break too,
  /// since nobody writes to the file any more.
  func nextLines(isLast: Bool) throws -> [UInt8] {
    while pending.count < 1 << 20 || !pending.contains(UInt8(ascii: "\n")) {
      let chunk = try bytes(at: place.offset + Int64(pending.count), atMost: 256 << 10)
      if chunk.isEmpty { break }
      pending += chunk
    }
    if isLast, try bytes(at: place.offset + Int64(pending.count), atMost: 1).isEmpty { return pending }
    guard let end = pending.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    return Array(pending[...end])
  }

  /// The lines that were given last are taken.
  func took(_ lines: [UInt8]) throws {
    pending.removeFirst(lines.count)
    place.offset += Int64(lines.count)
    place.lines += lines.count { $0 == UInt8(ascii: "\n") }
    place.begin = Base64.encode(try bytes(at: 0, atMost: Int(min(place.offset, Int64(ReadingPlace.beginLength)))))
  }

  private func bytes(at offset: Int64, atMost count: Int) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let read = buffer.withUnsafeMutableBytes { bytes in
        pread(descriptor, bytes.baseAddress?.advanced(by: filled), count - filled, off_t(offset) + off_t(filled))
      }
      if read < 0, errno == EINTR { continue }
      guard read >= 0 else {
        throw Failure(.unavailable, "Reading failed: \(String(cString: strerror(errno))).", place: path)
      }
      if read == 0 { break }
      filled += read
    }
    return Array(buffer[..<filled])
  }

  private static func status(_ descriptor: Int32, _ path: String) throws -> (inode: UInt64, size: Int64) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw Failure(.unavailable, "The file can't be looked at: \(String(cString: strerror(errno))).", place: path)
    }
    return (UInt64(status.st_ino), Int64(status.st_size))
  }
}
