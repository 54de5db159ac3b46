import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Postgres
import Testing
import Vault

/// Holds a platform's schema against the list made from its document, and its rows against the log.
struct PlatformChecks {
  let harness: TestReadModels
  let platform: Platform

  init(_ harness: TestReadModels, _ name: String) throws {
    self.harness = harness
    platform = try #require(harness.catalog.platforms.first { $0.name == name }, "there is no list of \(name)")
  }

  // MARK: - Columns

  /// Every documented table, view and column is there in the documented order with
  /// the documented type, and nothing else.
  func expectDocumentedColumns() async throws {
    let found = try await harness.settledRows(
      """
      SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
      FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
      """, [.text(platform.name)])
    var views: [String: [[String]]] = [:]
    for row in found { views[row[0] ?? "", default: []].append([row[1] ?? "", row[2] ?? ""]) }
    var documented: [String: [[String]]] = [:]
    for table in platform.tables { documented[table.name] = table.columns.map { [$0.name, Self.written($0.type)] } }
    for view in platform.views { documented[view.name] = view.columns.map { [$0.name, Self.written($0.type)] } }
    #expect(Set(views.keys) == Set(documented.keys), "the views of \(platform.name)")
    for (name, columns) in documented { #expect(views[name] == columns, "\(platform.name).\(name)") }
    let invokers = try await harness.settledRows(
      """
      SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind = 'v' AND c.reloptions @> ARRAY['security_invoker=true']
      """, [.text(platform.name)])
    #expect(invokers.count == documented.count, "every view asks with the rights of whoever reads it")
  }

  /// A type as PostgreSQL writes it.
  private static func written(_ type: String) -> String {
    if type.hasPrefix("varchar") { return "character varying" + type.dropFirst("varchar".count) }
    switch type {
    case "timestamptz": return "timestamp with time zone"
    case "timestamp": return "timestamp without time zone"
    default: return type
    }
  }

  // MARK: - Values

  /// No documented column is empty in every row, but for those that are said to be absent.
  func expectValuesInEveryColumn(except: Set<String> = []) async throws {
    for table in platform.tables {
      let counts = table.columns.map { "count(\(PostgresIdentifier.quote($0.name)))" }.joined(separator: ", ")
      let found = try await harness.settledRows(
        "SELECT \(counts) FROM \(platform.name).\(PostgresIdentifier.quote(table.name))")
      for (column, count) in zip(table.columns, found[0])
      where !except.contains("\(table.name).\(column.name)") {
        #expect(count != "0", "\(platform.name).\(table.name).\(column.name) has a value nowhere")
      }
    }
  }

  /// What the document says is never NULL isn't.
  func expectNothingMissing() async throws {
    for table in platform.tables {
      let columns = table.columns.filter { $0.isNotNull || $0.name == "id" }
      for column in columns {
        let count = try await harness.settledRows(
          "SELECT count(*) FROM \(platform.name).\(PostgresIdentifier.quote(table.name)) WHERE \(PostgresIdentifier.quote(column.name)) IS NULL"
        )
        #expect(count == [["0"]], "\(platform.name).\(table.name).\(column.name) is NULL somewhere")
      }
    }
  }

  /// How one column shows another value than its field has.
  typealias Shown = (JSON?, ResourceState) -> JSON?

  /// Every table that shows resources has a row for each living one that belongs there by the log, and no other; each
  /// column that shows a field has the log's value.
  /// - Parameters:
  ///   - shown: by `table.column`, what is shown of a field's value where it isn't the value itself.
  ///   - belongs: by table, what else must hold for a resource to be there.
  func expectRowsOfTheLog(
    shown: [String: Shown] = [:], belongs: [String: (ResourceState) throws -> Bool] = [:]
  ) async throws {
    let states = try states()
    let byID = Dictionary(uniqueKeysWithValues: states.map { ($0.id, $0) })
    for table in platform.tables {
      guard let type = table.resource else { continue }
      let key = table.columns.first { $0.source == .field("id") || $0.source == .field("number") }
      guard let key else { continue }
      var expected: [String: ResourceState] = [:]
      for state in states where state.type == type && state.fields["deleted_at"] == nil {
        let isHere = try isIn(table, state, states, byID) && belongs[table.name]?(state) ?? true
        guard isHere else { continue }
        expected[key.source == .field("id") ? state.id.text : state.fields["number"]?.canonicalString ?? ""] = state
      }
      var rows = try await harness.objects("SELECT * FROM \(platform.name).\(PostgresIdentifier.quote(table.name))")
      func name(_ row: JSON) -> String { row[key.name]?.stringValue ?? row[key.name]?.canonicalString ?? "" }
      if type == "user" {
        // Besides the members, whoever else is named.
        let strangers = Set(rows.map(name)).subtracting(expected.keys)
        #expect(try await strangers.isSubset(of: peopleNamed()), "the rows of \(platform.name).\(table.name)")
        rows.removeAll { strangers.contains(name($0)) }
        try await expectPeopleFound()
      }
      #expect(Set(rows.map(name)) == Set(expected.keys), "the rows of \(platform.name).\(table.name)")
      #expect(rows.count == expected.count, "the rows of \(platform.name).\(table.name)")
      for row in rows {
        guard let state = expected[name(row)] else { continue }
        for column in table.columns {
          guard case .field(let field) = column.source else { continue }
          let place = "\(table.name).\(column.name)"
          var value = try self.value(field, of: state)
          if let word = value?.stringValue.flatMap({ column.words[$0] }) { value = .string(word) }
          if let shown = shown[place] {
            value = shown(value, state)
          } else if value == nil, column.isNotNull {
            value = column.defaultValue ?? "!"
          }
          #expect(
            Self.isSame(row[column.name] ?? .null, value ?? .null),
            "\(platform.name).\(place) is \((row[column.name] ?? .null).canonicalString), by the log \((value ?? .null).canonicalString)"
          )
        }
      }
    }
  }

  /// Every resource that the log knows, deleted ones too.
  func states() throws -> [ResourceState] {
    try harness.log.read { snapshot in
      var ids: [Identifier] = []
      var seen: Set<Identifier> = []
      var position: UInt64 = 1
      while position <= snapshot.head.position {
        let records = try snapshot.records(from: position, limit: 1000, maximumBytes: 1 << 24)
        guard !records.isEmpty else { break }
        for record in records {
          let id = try record.parsedHeader().resource
          if seen.insert(id).inserted { ids.append(id) }
        }
        position += UInt64(records.count)
      }
      return try ids.compactMap { try snapshot.state($0) }
    }
  }

  /// Whether a resource is one of the table's, by the list's own conditions.
  private func isIn(
    _ table: PlatformTable, _ state: ResourceState, _ states: [ResourceState], _ byID: [Identifier: ResourceState]
  ) throws -> Bool {
    func platform(of organization: Identifier?) -> String? {
      guard let found = organization.flatMap({ byID[$0] }), found.fields["deleted_at"] == nil else { return nil }
      return found.fields["platform"]?.stringValue
    }
    switch state.type {
    case "organization":
      guard state.fields["platform"]?.stringValue == self.platform.name else { return false }
    case "user":
      let isMember = states.contains { other in
        other.type == "membership" && other.fields["deleted_at"] == nil
          && other.fields["user_id"]?.stringValue == state.id.text
          && platform(of: other.organization) == self.platform.name
      }
      guard isMember else { return false }
    default:
      guard platform(of: state.organization) == self.platform.name else { return false }
    }
    for condition in table.when {
      var meant: ResourceState? = state
      if let reference = condition.reference {
        meant = state.fields[reference]?.stringValue.flatMap { Identifier($0) }.flatMap { byID[$0] }
      }
      // What a report didn't say counts as the default.
      let told = meant.flatMap {
        $0.fields[condition.field] ?? harness.catalog.type($0.type)?.field(condition.field)?.defaultValue
      }
      guard let word = told?.stringValue else {
        if condition.includesAbsent { continue }
        return false
      }
      guard condition.words.contains(word) else { return false }
    }
    return true
  }

  /// A field's value in the clear; tokens inside of values stay.
  private func value(_ field: String, of state: ResourceState) throws -> JSON? {
    switch field {
    case "id": return .string(state.id.text)
    case "organization_id": return state.organization.map { .string($0.text) }
    case "created_at": return .string(state.createdAt.text)
    case "updated_at": return .string(state.updatedAt.text)
    case "version": return .integer(state.version)
    default:
      guard let stored = state.fields[field], Vault.isSealed(stored) else { return state.fields[field] }
      guard case .value(let value) = try harness.vault.open(stored, resourceID: state.id, field: field) else {
        return nil
      }
      return value
    }
  }

  /// Equal as PostgreSQL would have it: moments and addresses however written, numbers by value.
  static func isSame(_ left: JSON, _ right: JSON) -> Bool {
    if left == right { return true }
    if let left = left.doubleValue, let right = right.doubleValue { return left == right }
    if let left = left.stringValue, let right = right.stringValue {
      if let one = moment(left), let other = moment(right) { return one == other }
      return false
    }
    if let left = left.arrayValue, let right = right.arrayValue {
      return left.count == right.count && zip(left, right).allSatisfy { isSame($0, $1) }
    }
    if let left = left.objectValue, let right = right.objectValue {
      return left.count == right.count
        && left.allSatisfy { key, value in right[key].map { isSame(value, $0) } ?? false }
    }
    return false
  }

  /// Whether a resource was made before another of its type: of several that one commit recorded, numbers tell.
  static func madeBefore(_ one: ResourceState, _ other: ResourceState) -> Bool {
    func number(_ state: ResourceState) -> Int64 { state.fields["number"]?.integerValue ?? 0 }
    return (one.createdAt, number(one)) < (other.createdAt, number(other))
  }

  /// A moment; what has no zone is in UTC.
  static func moment(_ text: String) -> Timestamp? { Timestamp(text) ?? Timestamp(text + "Z") }

  // MARK: - Keys

  /// The columns that name a person, by whatever table.
  private static let peoplesColumns: Set<String> = [
    "created_by", "created_by_id", "owner_id", "user_id", "author_id", "triggered_by", "triggered_by_id",
    "acknowledged_by", "resolved_by",
  ]

  /// Whom the rows of the platform name.
  func peopleNamed() async throws -> Set<String> {
    var named: Set<String> = []
    for table in platform.tables where table.resource != "user" {
      for column in table.columns where Self.peoplesColumns.contains(column.name) {
        let rows = try await harness.settledRows(
          "SELECT DISTINCT \(column.name)::text FROM \(platform.name).\(PostgresIdentifier.quote(table.name))")
        named.formUnion(rows.compactMap { $0.first ?? nil })
      }
    }
    return named
  }

  /// The table of the platform's users.
  var users: PlatformTable? { platform.tables.first { $0.resource == "user" } }

  /// Every key that leads to a person finds them.
  func expectPeopleFound() async throws {
    let table = try #require(users)
    let rows = try await harness.settledRows(
      "SELECT id::text FROM \(platform.name).\(PostgresIdentifier.quote(table.name))")
    let lost = try await peopleNamed().subtracting(rows.compactMap { $0.first ?? nil })
    #expect(lost.isEmpty, "\(platform.name) names people whom it doesn't show")
  }

  // MARK: - Who sees what

  /// The views of the schema with the number of rows that whoever signs in by a URL sees in each.
  func counts(at url: String, setting: String? = nil) async throws -> [String: Int] {
    try await PostgresConnection.with(url) { connection in
      if let setting { try await connection.execute("SET app.current_user_id = '\(setting)'") }
      var counts: [String: Int] = [:]
      for name in platform.tables.map(\.name) + platform.views.map(\.name) {
        let found = try await connection.query(
          "SELECT count(*) FROM \(platform.name).\(PostgresIdentifier.quote(name))")
        counts[name] = found.rows[0][0].flatMap { Int($0) }
      }
      return counts
    }
  }

  /// All ids and references in the rows that whoever signs in by a URL sees.
  func identifiers(at url: String) async throws -> [String: Set<String>] {
    try await PostgresConnection.with(url) { connection in
      var found: [String: Set<String>] = [:]
      for table in platform.tables {
        let rows = try await connection.query(
          "SELECT DISTINCT to_jsonb(t) ->> 'id' FROM \(platform.name).\(PostgresIdentifier.quote(table.name)) AS t")
        found[table.name] = Set(rows.rows.compactMap { $0[0] })
      }
      return found
    }
  }

  /// Every tenant's role sees some rows in every view, no row of the other's, and both together see all but those of no
  /// organization.
  func expectApart(_ one: String, _ other: String) async throws {
    let mine = try await identifiers(at: one)
    let theirs = try await identifiers(at: other)
    let all = try await identifiers(at: harness.url)
    for table in platform.tables where table.columns.contains(where: { $0.name == "id" }) {
      let (left, right) = (mine[table.name] ?? [], theirs[table.name] ?? [])
      #expect(!left.isEmpty && !right.isEmpty && left.isDisjoint(with: right), "\(table.name)")
      // What was done to users, who belong to no organization, is for the owner of the database alone.
      var nobodys: Set<String> = []
      if table.name == "audit_trail" {
        let rows = try await harness.settledRows(
          "SELECT id FROM \(platform.name).audit_trail WHERE organization_id IS NULL")
        nobodys = Set(rows.compactMap { $0[0] })
        #expect(!nobodys.isEmpty && nobodys.isDisjoint(with: left.union(right)), "\(table.name)")
      }
      #expect(left.union(right).union(nobodys) == all[table.name], "\(table.name)")
    }
    let counts = try await counts(at: one)
    for (view, count) in try await self.counts(at: other) {
      #expect(count > 0 && counts[view] ?? 0 > 0, "\(view)")
    }
  }

  /// Every documented query runs, but for one that needs an extension and says so.
  func expectQueriesRun() async throws {
    for query in platform.queries {
      guard let sql = query.sql else { continue }
      do {
        _ = try await harness.settledRows(sql)
      } catch let error as PostgresError where sql.contains("FROM pg_stat_statements") {
        #expect(error.sqlState == "42P01", "\(query.title): \(error)")
      } catch {
        Issue.record("\(platform.name): \(query.title): \(error)")
      }
    }
  }
}
