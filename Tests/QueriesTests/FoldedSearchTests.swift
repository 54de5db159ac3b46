import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Postgres
import TestBasics
import Testing

/// Searches without case: one folding for what is asked and what is held.
@Suite struct FoldedSearchTests {
  private static let reasons = [
    "\u{C9}CLAIR \u{E0} la cr\u{E8}me", "\u{3A3}\u{38A}\u{3A3}\u{3A5}\u{3A6}\u{39F}\u{3A3}", "\u{130}stanbul",
    "Stra\u{DF}e", "e\u{301}te\u{301}", "\u{1112}\u{1161}\u{11AB} \u{FF21}\u{FF22}", "Quiet Words", "\u{212A}elvin 300",
  ]

  @Test func `text copied from a reason finds that reason, and so does any case and form of it`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "p"])
      for (number, reason) in Self.reasons.enumerated() {
        try await library.call(
          "pipeline.edit",
          ["id": .string(pipeline), "description": .string("\(number)"), "reason": .string(reason)])
      }
      func found(_ text: String) async throws -> [String] {
        try await library.ask("audit.search", ["text": .string(text), "event": "pipeline.edited"]).items
          .map { $0.text("reason") }
      }
      for reason in Self.reasons {
        for text in [reason, reason.uppercased(), reason.lowercased(), UnicodeForm.composed(reason)] {
          #expect(try await found(text).map { Array($0.utf8) } == [Array(reason.utf8)], "\(text)")
        }
        for word in reason.split(separator: " ") {
          #expect(try await found(String(word)).map { Array($0.utf8) } == [Array(reason.utf8)], "\(word)")
        }
      }
      #expect(try await found("\u{E9}clair") == [Self.reasons[0]])
      #expect(try await found("STRASSE") == [Self.reasons[3]])
      #expect(try await found("300 KELVIN") == [Self.reasons[7]])
      #expect(try await found("creme").isEmpty, "an accented letter is another one")
    }
  }

  @Test func `people are listed by their e-mail address in any case and form, and by their name in any form`()
    async throws
  {
    try await TestQueries.with { library in
      let stored = [
        "J\u{C4}GER@example.com", "jose\u{301}@example.com", "Stra\u{DF}e@example.com", "PLAIN@example.com",
      ]
      for (number, email) in stored.enumerated() {
        _ = try await library.make("user", ["email": .string(email), "username": .string("re\u{301}\(number)")])
      }
      _ = try await library.make("user", ["email": "other@example.org"])
      let before = library.log.head.position
      func found(_ filter: JSONObject, _ more: JSONObject = [:]) async throws -> [String] {
        let params: JSONObject = ["where": .object(filter), "order": "created_at"]
        return try await library.ask("user.list", params.merging(more)).items.map { $0.text("email") }
      }
      for past in [[:], ["as_of": .integer(Int64(before))]] as [JSONObject] {
        for (email, others) in [
          (stored[0], ["J\u{C4}GER@example.com", "j\u{E4}ger@example.com", "ja\u{308}ger@EXAMPLE.com"]),
          (stored[1], ["jos\u{E9}@example.com", "JOS\u{C9}@example.com", "jose\u{301}@example.com"]),
          (stored[2], ["STRASSE@example.com", "strasse@example.com", "stra\u{1E9E}e@example.com"]),
          (stored[3], ["plain@example.com", "Plain@Example.com"]),
        ] {
          for other in others {
            let prefix = String(other.prefix(4))
            #expect(try await found(["email": .string(other)], past) == [email], "eq \(other)")
            #expect(
              try await found(["email": ["in": ["nobody@x.org", .string(other)]]], past) == [email], "in \(other)")
            #expect(try await found(["email": ["prefix": .string(prefix)]], past) == [email], "prefix \(other)")
            #expect(
              try await found(["email": ["contains": .string(String(other.dropFirst(1)))]], past) == [email],
              "contains \(other)")
            #expect(try await found(["email": ["ne": .string(other)]], past).count == 4, "ne \(other)")
          }
        }
        #expect(try await found(["username": "r\u{E9}1"], past) == [stored[1]])
        #expect(try await found(["username": "re\u{301}1"], past) == [stored[1]])
        #expect(try await found(["username": "R\u{C9}1"], past) == [])
      }
      for (email, other) in [(stored[0], "j\u{E4}ger@example.com"), (stored[1], "JOS\u{C9}@example.com")] {
        #expect(try await library.ask("user.get", ["email": .string(other)])["item"]?["email"]?.stringValue == email)
      }
      let user = try await library.ask("user.get", ["username": "r\u{E9}2"])
      #expect(user["item"]?["email"]?.stringValue == stored[2])
      // An address that becomes a plain one is found by that alone.
      let id = try #require(user["item"]?["id"])
      try await library.call("user.edit", ["id": id, "email": "Plainer@example.com"])
      #expect(try await found(["email": "plainer@example.com"]) == ["Plainer@example.com"])
      #expect(try await found(["email": "strasse@example.com"]) == [])
    }
  }

  @Test func `the index of e-mail addresses serves the look-up`() async throws {
    try await TestQueries.with { library in
      for number in 0..<300 { _ = try await library.make("user", ["email": .string("U\(number)@example.org")]) }
      try await library.models.settle()
      let column = Field.Comparison.folded.sql("p.\"email\"", folded: "p.\"email_folded\"")
      let plan = try await PostgresConnection.with(library.models.url) { connection in
        try await connection.execute("SET enable_seqscan = off")
        return try await connection.query(
          "EXPLAIN SELECT * FROM personal.users p WHERE \(column) = $1::text", [.text("u7@example.org")]
        ).rows
      }
      #expect(plan.contains { $0[0]?.contains("users_email") ?? false }, "\(plan)")
    }
  }

  @Test(.seeded, arguments: ["C", "C.UTF-8"])
  func `SQL and Swift fold every text alike, whatever the database's locale`(_ locale: String) async throws {
    var random = try Seeded()
    let scalars = (UInt32(1)...0x2FFFF).compactMap { Unicode.Scalar($0) }.filter {
      $0.properties.isCased || $0.properties.canonicalCombiningClass != .notReordered || $0.isASCII
    }
    let texts = (0..<2000).map { _ in
      var text = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        if let scalar = scalars.randomElement(using: &random) { text.append(scalar) }
      }
      return String(text)
    }
    let comparison = Field.Comparison.folded
    try await PostgresConnection.with(try await ThrowawayPostgres.database(locale: locale)) { connection in
      let sql = "SELECT \(comparison.sql("x.t", folded: "x.f")) FROM (SELECT $1::text AS t, $2::text AS f) x"
      for text in texts {
        let rows = try await connection.query(sql, [.text(text), .optional(comparison.stored(of: text))]).rows
        #expect(rows.map { $0.map { $0.map { Array($0.utf8) } } } == [[Array(comparison.form(of: text).utf8)]])
      }
    }
  }
}
