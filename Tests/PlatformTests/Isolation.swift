import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Postgres
import Testing

/// Holds against the log what a restricted SQL role of one company sees.
struct Isolation {
  let harness: TestReadModels
  let facts: LogFacts

  init(_ harness: TestReadModels, _ facts: LogFacts) {
    self.harness = harness
    self.facts = facts
  }

  /// One company of each platform gets a role; it sees rows in every view of its
  /// platform, and nowhere a row of anybody else.
  func check() async throws {
    // A table of schema daybook says whose its rows are; these two say it by their id.
    let tables = try await harness.settledRows(
      """
      SELECT c.relname, bool_or(a.attname = 'organization_id') FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
      WHERE n.nspname = 'daybook' AND c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY c.relname ORDER BY 1
      """)
    #expect(tables.count > 35)
    for platform in harness.catalog.platforms {
      let companies = facts.states.values.filter {
        $0.type == "organization" && facts.platform(of: $0.id) == platform.name
      }.map(\.id.text).sorted()
      try #require(companies.count == 2, "\(platform.name)")
      let role = try await harness.role(of: companies[0], personal: false)
      try await checkTables(tables, role, company: companies[0], platform)
      try await checkViews(role, company: companies[0], other: companies[1], platform)
    }
  }

  private func checkTables(_ tables: [[String?]], _ role: String, company: String, _ platform: Platform) async throws {
    let members = Set(
      facts.states.values.filter { $0.type == "membership" && $0.organization?.text == company }
        .compactMap { $0.fields["user_id"]?.stringValue })
    try await PostgresConnection.with(role) { connection in
      for table in tables {
        let name = PostgresIdentifier.quote(table[0] ?? "")
        if table[1] == "t" {
          let seen = try await connection.query(
            "SELECT organization_id::text, count(*) FROM daybook.\(name) GROUP BY 1")
          let all = try await harness.settledRows(
            "SELECT count(*) FROM daybook.\(name) WHERE organization_id = '\(company)' AND \(shown(of: table[0]))")
          // What another company made public is seen, and nothing else of theirs.
          let publicFields = harness.catalog.types.first { $0.plural == table[0] }?.publicFields ?? []
          let secret = publicFields.isEmpty ? "true" : "(\(publicFields.joined(separator: " OR "))) IS NOT TRUE"
          let foreign = try await connection.query(
            "SELECT count(*) FROM daybook.\(name) WHERE organization_id <> '\(company)' AND \(secret)")
          #expect(foreign.rows == [["0"]], "a role of \(platform.name) sees others' rows of daybook.\(name)")
          let own = seen.rows.first { $0[0] == company }?[1] ?? "0"
          #expect(own == all[0][0], "a role of \(platform.name) sees \(own) of its rows of daybook.\(name)")
        } else {
          let seen = Set(try await connection.query("SELECT id::text FROM daybook.\(name)").rows.compactMap { $0[0] })
          switch table[0] {
          case "organizations": #expect(seen == [company], "\(platform.name): daybook.\(name)")
          case "users": #expect(seen.isSubset(of: members) && !seen.isEmpty, "\(platform.name): daybook.\(name)")
          case "disclosures": #expect(seen.isEmpty, "\(platform.name): who read whom is for no SQL role")
          default: Issue.record("nothing says whose the rows of daybook.\(name) are")
          }
        }
      }
    }
  }

  /// Of its own, what a role sees of a table: nothing that only offices see, nor records of it. A role stands where who
  /// administers the organization stands.
  private func shown(of table: String?) -> String {
    let veiled = self.veiled
    if veiled.contains(where: { $0.plural == table }) { return "false" }
    return table == "audit_trail"
      ? "resource_type <> ALL ('{\(veiled.map(\.name).joined(separator: ","))}')" : "true"
  }

  /// The types that no SQL role is shown: offices alone see them, and who administers an organization holds none.
  private var veiled: [ResourceType] {
    harness.catalog.types.filter { type in type.recipients.map { !$0.contains(.organizationAdministrators) } ?? false }
  }

  private func checkViews(_ role: String, company: String, other: String, _ platform: Platform) async throws {
    let second = try await harness.role(of: other, personal: false)
    for schema in harness.catalog.platforms {
      let checks = try PlatformChecks(harness, schema.name)
      let mine = try await checks.counts(at: role)
      if schema.name != platform.name {
        for (view, count) in mine { #expect(count == 0, "a role of \(platform.name) sees \(schema.name).\(view)") }
        continue
      }
      let all = try await checks.counts(at: harness.url)
      let theirs = try await checks.counts(at: second)
      let (ids, otherIDs) = (try await checks.identifiers(at: role), try await checks.identifiers(at: second))
      for view in schema.tables.map(\.name) + schema.views.map(\.name) {
        let (own, foreign, whole) = (mine[view] ?? 0, theirs[view] ?? 0, all[view] ?? 0)
        // A short month has not some of everything in each company.
        #expect(own > 0 && foreign > 0 || whole < 10, "\(schema.name).\(view): \(own) and \(foreign) of \(whole)")
        let nobodys = view == "audit_trail" ? try await ofNoOrganization(schema.name) : 0
        #expect(own + foreign + nobodys == whole, "\(schema.name).\(view): \(own) and \(foreign) of \(whole)")
        #expect((ids[view] ?? []).isDisjoint(with: otherIDs[view] ?? []), "\(schema.name).\(view)")
      }
    }
  }

  /// Rows of the audit trail that no organization's role sees: about people, who belong to none, and what only offices
  /// see, such as who read whose data.
  private func ofNoOrganization(_ schema: String) async throws -> Int {
    let veiled = veiled.map(\.name).joined(separator: ",")
    let rows = try await harness.settledRows(
      """
      SELECT count(*) FROM \(schema).audit_trail WHERE organization_id IS NULL OR resource_type = ANY ('{\(veiled)}')
      """)
    return Int(rows[0][0] ?? "") ?? -1
  }
}
