import LMDB
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A folder of its own for one environment, which goes away with it.
final class Ground: Sendable {
  let folder: String

  init() throws {
    var template = Array("/tmp/daybook-lmdb-XXXXXX".utf8CString)
    folder = try template.withUnsafeMutableBufferPointer { buffer in
      let start = try #require(buffer.baseAddress)
      return String(cString: try #require(mkdtemp(start)))
    }
  }

  deinit {
    for name in ["data.mdb", "lock.mdb"] { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }

  func open(mapSize: Int = 1 << 20) throws -> Environment {
    var options = Environment.Options()
    options.mapSize = mapSize
    return try Environment(folder: folder, options: options)
  }
}

extension Environment {
  /// The one database of a test.
  func things() throws -> Database { try #require(try databases(["things"]).first) }

  /// Puts entries in one transaction.
  func put(_ entries: [(String, String)], in database: Database) throws {
    let transaction = try beginWrite()
    for (key, value) in entries { try transaction.put(database, Array(key.utf8), Array(value.utf8)) }
    try transaction.commit()
  }

  /// The text under a key in a read of its own.
  func text(_ key: String, in database: Database) throws -> String? {
    try read { try $0.withValue(database, Array(key.utf8)) { $0.text } }
  }
}

extension RawSpan {
  /// The bytes as text.
  var text: String { String(decoding: copy, as: UTF8.self) }
}
