import CPostgres

/// The rows that one statement returned, in PostgreSQL's text format; freed when the last copy of this value goes.
public struct PostgresResult: Sendable {
  private let storage: Storage
  /// How many rows there are.
  public let rowCount: Int
  /// The columns' names, in order.
  public let columnNames: [String]

  /// Takes ownership of the result.
  init(_ result: OpaquePointer) {
    storage = Storage(result)
    rowCount = Int(PQntuples(result))
    columnNames = (0..<PQnfields(result)).map { PQfname(result, $0).map { String(cString: $0) } ?? "" }
  }

  /// How many rows an INSERT, UPDATE, DELETE, MERGE, COPY or SELECT touched; 0 for anything else.
  public var affectedRows: Int { Self.affectedRows(storage.result) }

  /// What PostgreSQL says that it did, such as `INSERT 0 1` or `COMMIT`.
  public var commandTag: String { Self.commandTag(storage.result) }

  /// The place of the first column of that name.
  public func column(_ name: String) -> Int? { columnNames.firstIndex { $0.utf8.elementsEqual(name.utf8) } }

  /// The value as text (a copy), nil for NULL. Row and column must exist.
  public subscript(row: Int, column: Int) -> String? {
    withBytes(row, column) { $0.map { String(decoding: $0, as: UTF8.self) } }
  }

  /// The value's UTF-8 bytes (a copy), nil for NULL. Row and column must exist.
  public func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
    withBytes(row, column) { $0.map { Array($0) } }
  }

  /// Lends the value's UTF-8 bytes without a copy, nil for NULL; they are valid inside the closure only. Row and column
  /// must exist.
  public func withBytes<R>(_ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer?) throws -> R) rethrows -> R {
    precondition(row >= 0 && row < rowCount && column >= 0 && column < columnNames.count, "no such row or column")
    let (row, column) = (CInt(row), CInt(column))
    return try withExtendedLifetime(storage) {
      guard PQgetisnull(storage.result, row, column) == 0 else { return try body(nil) }
      let count = Int(PQgetlength(storage.result, row, column))
      return try body(UnsafeRawBufferPointer(start: PQgetvalue(storage.result, row, column), count: count))
    }
  }

  /// Every row as texts (copies), nil for NULL.
  public var rows: [[String?]] {
    (0..<rowCount).map { row in columnNames.indices.map { self[row, $0] } }
  }

  static func affectedRows(_ result: OpaquePointer) -> Int {
    PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
  }

  static func commandTag(_ result: OpaquePointer) -> String {
    PQcmdStatus(result).map { String(cString: $0) } ?? ""
  }

  /// Sendable although it holds a C pointer: libpq documents a PGresult as read-only once made and free to be passed
  /// between threads, nothing here changes it, and it is freed once, when nobody holds it any longer.
  private final class Storage: @unchecked Sendable {
    let result: OpaquePointer
    init(_ result: OpaquePointer) { self.result = result }
    deinit { PQclear(result) }
  }
}
