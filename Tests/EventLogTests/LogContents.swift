import BasicTypes
import DaybookTestKit
import LMDB
import Testing

extension TestLog {
  /// The names of the log's databases.
  static let databases = [
    "headers", "bodies", "history", "states", "unique", "links", "subjects", "commands", "tree", "meta",
  ]

  /// Every entry of every database, in order: what is stored, byte for byte.
  func contents() throws -> [String: [[[UInt8]]]] {
    try withEnvironment { environment in
      var contents: [String: [[[UInt8]]]] = [:]
      for database in try environment.databases(TestLog.databases) {
        contents[database.name] = try environment.read { store in
          try store.withCursor(database) { cursor in
            var entries: [[[UInt8]]] = []
            try cursor.scan { key, value in
              entries.append([key.copy, value.copy])
              return true
            }
            return entries
          }
        }
      }
      return contents
    }
  }

  /// Changes a database through LMDB itself: everything that is stored can be damaged so.
  func change(_ name: String, _ body: (WriteTransaction, Database, _ keys: [[UInt8]]) throws -> Void) throws {
    try withEnvironment { environment in
      let database = try #require(try environment.databases([name]).first)
      let transaction = try environment.beginWrite()
      var keys: [[UInt8]] = []
      try transaction.withCursor(database) { cursor in
        try cursor.scan { key, _ in
          keys.append(key.copy)
          return true
        }
      }
      try body(transaction, database, keys)
      try transaction.commit()
    }
  }

  private func withEnvironment<Value>(_ body: (Environment) throws -> Value) throws -> Value {
    var options = Environment.Options()
    options.mapSize = 1 << 26
    let environment = try Environment(folder: logFolder, options: options)
    defer { environment.close() }
    return try body(environment)
  }
}
