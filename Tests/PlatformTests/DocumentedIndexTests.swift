import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Postgres
import Testing

/// The documents' indexes are there for look-ups: each of these is answered from an index, through the view.
@Suite struct DocumentedIndexTests {
  @Test(arguments: PlatformArgument.all)
  func `every documented index serves its look-up`(_ platform: PlatformArgument) async throws {
    try await TestReadModels.with { harness in
      _ = try await platform.sample.make(harness, "acme")
      let described = try PlatformChecks(harness, platform.sample.platform).platform
      try await harness.settle()
      var asked = 0
      for table in described.tables {
        for index in table.indexes {
          let columns = index.columns.map {
            table.column($0.split(separator: " ").first.map { String($0) } ?? "")
          }
          guard let column = columns.first ?? nil else {
            Issue.record("\(table.name).\(index.name) has no column")
            continue
          }
          let looks = columns.compactMap { $0 }.map { Self.lookUp($0) }
          let rows = try await Self.plan(
            """
            SELECT * FROM \(described.name).\(PostgresIdentifier.quote(table.name)) AS t
            WHERE \(looks.map(\.condition).joined(separator: " AND "))
            """, ofArray: column.type.hasSuffix("[]"), harness)
          var look = Plan()
          look.read(try JSON.parse(rows))
          let place = "\(described.name).\(table.name) \(index.name)"
          // Of a flag's two values one selects most rows, and any index will do for them.
          if column.type == "boolean" {
            #expect(!look.scanned.contains { $0.hasPrefix("Seq Scan") }, "\(place): \(rows)")
          } else {
            #expect(look.scanned == [], "\(place): \(rows)")
            // A number is that of another row: of few rows PostgreSQL may begin at the other end of the join.
            let literals = looks.compactMap(\.literal)
            let isFound = look.conditions.contains { text in literals.contains { text.contains($0) } }
            #expect(isFound || (column.type == "integer" && !look.conditions.isEmpty), "\(place): \(rows)")
          }
          asked += 1
        }
      }
      #expect(asked == described.tables.reduce(0) { $0 + $1.indexes.count } && asked > 3)
    }
  }

  /// What PostgreSQL means to do for a query, where its ways by indexes are left alone: of few rows it would read all.
  /// Members of an array are found by a bitmap alone.
  private static func plan(_ query: String, ofArray: Bool, _ harness: TestReadModels) async throws -> String {
    try await PostgresConnection.with(harness.url) { connection in
      for setting in ["seqscan", "hashjoin", "mergejoin", "material", "memoize"] + (ofArray ? [] : ["bitmapscan"]) {
        try await connection.execute("SET enable_\(setting) = off")
      }
      return try await connection.query("EXPLAIN (FORMAT JSON, COSTS OFF) \(query)").rows
        .compactMap { $0.first ?? nil }.joined(separator: "\n")
    }
  }

  /// A condition on one value of a column, and how that value is written in a plan.
  private static func lookUp(_ column: PlatformColumn) -> (condition: String, literal: String?) {
    let name = "t.\(PostgresIdentifier.quote(column.name))"
    if column.type.hasSuffix("[]") { return ("\(name) @> ARRAY['needle']::\(column.type)", "needle") }
    switch column.type {
    case "boolean": return (name, nil)
    case "integer", "bigint": return ("\(name) = 4711", "4711")
    case "uuid":
      let id = "00000000-0000-4000-8000-00000000abcd"
      return ("\(name) = '\(id)'", id)
    case "timestamp", "timestamptz": return ("\(name) = '2001-02-03 04:05:06'", "2001-02-03 04:05:06")
    default:
      let word = column.values.first ?? "needle"
      return ("\(name) = '\(word)'", word)
    }
  }

  /// What a plan reads without a condition on an index, and what the conditions are.
  private struct Plan {
    var scanned: [String] = []
    var conditions: [String] = []

    /// The organizations are few, and a list of words is no table; of the deleted users there is an index that holds
    /// nobody else.
    private static let small: Set<String> = ["organizations"]
    private static let smallIndexes: Set<String> = ["users_deleted"]

    mutating func read(_ json: JSON) {
      for element in json.arrayValue ?? [] { read(element) }
      guard let node = json.objectValue else { return }
      let kind = node["Node Type"]?.stringValue ?? ""
      let relation = node["Relation Name"]?.stringValue ?? node["Index Name"]?.stringValue ?? ""
      for name in ["Index Cond", "Recheck Cond"] {
        if let condition = node[name]?.stringValue { conditions.append(condition) }
      }
      if kind == "Values Scan", let filter = node["Filter"]?.stringValue { conditions.append(filter) }
      let isByIndex = ["Index Scan", "Index Only Scan", "Bitmap Index Scan"].contains(kind)
      if kind == "Seq Scan" || (isByIndex && node["Index Cond"] == nil), !Self.small.contains(relation),
        !Self.smallIndexes.contains(node["Index Name"]?.stringValue ?? "")
      {
        scanned.append("\(kind) of \(relation)")
      }
      for (_, member) in node { read(member) }
    }
  }

  @Test func `the statistics of MecaPy's users are there at once, whoever owns how many files`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await MecaPyTests.Tenant.make(harness, "acme")
      try await harness.settle()
      try await PostgresConnection.with(harness.url) { connection in
        // As many rows as a large installation has, put beside those that the log made.
        try await connection.execute(
          """
          INSERT INTO daybook.users (id, number, role, is_active, email_verified, created_at, updated_at)
          SELECT gen_random_uuid(), 1000 + n, 'viewer', true, false, now(), now() FROM generate_series(1, 10000) AS n
          """)
        try await connection.execute(
          """
          INSERT INTO daybook.memberships (id, user_id, organization_id, role)
          SELECT gen_random_uuid(), u.id, '\(tenant.organization)', 'member' FROM daybook.users AS u WHERE u.number > 1000
          """)
        try await connection.execute(
          """
          INSERT INTO daybook.files (id, number, organization_id, filename, file_size, owner_id, created_at, updated_at)
          SELECT gen_random_uuid(), 1000 + n, '\(tenant.organization)', 'f', 10, '\(tenant.owner)', now(), now()
          FROM generate_series(1, 50000) AS n
          """)
        try await connection.execute("ANALYZE")
        let clock = ContinuousClock()
        let began = clock.now
        let rows = try await connection.query("SELECT id, total_files FROM mecapy.user_stats").rows
        // A second on an idle machine; as a sub-select for each user it took more than ten minutes.
        #expect(clock.now - began < .seconds(10))
        #expect(rows.count > 10_000)
        let owned = try await connection.query(
          """
          SELECT s.total_files, (SELECT count(*) FROM mecapy.user_files AS f WHERE f.user_id = s.id)
          FROM mecapy.user_stats AS s WHERE s.total_files > 1000
          """
        ).rows
        #expect(owned.count == 1 && owned[0][0] == owned[0][1])
      }
    }
  }
}
