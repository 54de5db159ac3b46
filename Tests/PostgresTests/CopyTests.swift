import Postgres
import TestBasics
import Testing

@Suite struct CopyTests {
  @Test(.seeded) func `any text survives COPY, whatever it holds`() async throws {
    var random = try Seeded()
    let pieces = [
      "\\", "\n", "\r", "\t", "\\N", "\\.", "\\n", "\u{8}", "\u{b}", "\u{c}", "\u{7f}", "\"", "'", ",", "ü", "🎉",
      "\u{2028}",
      "e\u{301}", " ", "", "abc", "\r\n", "{}", "NULL",
    ]
    var rows: [[String?]] = [[nil, ""], ["\\.", "\\N"], ["\\", nil], ["a\tb", "c\nd"]]
    for _ in 0..<2000 {
      rows.append(
        (0..<2).map { _ in
          if Int.random(in: 0..<10, using: &random) == 0 { return nil }
          return (0..<Int.random(in: 0...6, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
            .joined()
        })
    }
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (n int, flag bool, a text, b text)")
      var buffer = CopyBuffer(capacity: 1 << 16)
      for (number, row) in rows.enumerated() {
        buffer.append(number)
        buffer.append(number.isMultiple(of: 2))
        buffer.append(row[0])
        if let text = row[1] { buffer.append(Array(text.utf8)) } else { buffer.appendNull() }
        buffer.endRow()
      }
      #expect(buffer.rowCount == rows.count)
      #expect(try await connection.copyIn("COPY t FROM STDIN", buffer.bytes) == rows.count)
      let result = try await connection.query("SELECT n, flag, a, b FROM t ORDER BY n")
      try #require(result.rowCount == rows.count)
      for (number, row) in rows.enumerated() {
        // Bytes, since Swift takes differently composed texts as equal.
        let same =
          result.bytes(number, 2) == row[0].map { Array($0.utf8) }
          && result.bytes(number, 3) == row[1].map { Array($0.utf8) }
        #expect(same, "row \(number)")
        #expect(result[number, 1] == (number.isMultiple(of: 2) ? "t" : "f"))
      }
    }
  }

  @Test func `pieces may be cut anywhere and be larger than what is sent at once`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (a text)")
      let text = String(repeating: "x", count: 3 << 20)
      var buffer = CopyBuffer()
      buffer.append(text)
      buffer.endRow()
      let bytes = buffer.bytes
      let count = try await connection.withSession { session in
        try session.copyIn("COPY t FROM STDIN", chunks: [Array(bytes[..<10]), [], Array(bytes[10...])])
      }
      #expect(count == 1)
      #expect(try await connection.query("SELECT length(a) FROM t").rows == [["\(3 << 20)"]])
    }
  }

  @Test func `a failing COPY leaves no row, names no value, and the connection lives on`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int, a text)")
      var buffer = CopyBuffer()
      for text in ["1", "secret-marker"] {
        buffer.append(text)
        buffer.append("secret-marker")
        buffer.endRow()
      }
      let rows = buffer.bytes
      let error = try await failure { try await connection.copyIn("COPY t FROM STDIN", rows) }
      #expect(error.sqlState == "22P02" && !"\(error)".contains("secret"))
      #expect(try await connection.query("SELECT FROM t").rowCount == 0)
      let null = try await failure { try await connection.copyIn("COPY t FROM STDIN", Array("1\ta\0b\n".utf8)) }
      #expect(null.code == .query)
    }
  }
}
