import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Postgres
import Projections
import TestBasics
import Testing
import Vault

/// Rows against the log's own states.
@Suite struct FoldTests {
  @Test(.seeded) func `rows are what the events add up to`() async throws {
    let seed = try Seeded().seed
    let models = try await TestReadModels()
    var source = try EventSource(seed: seed, catalog: models.catalog, vault: models.vault)
    // Many small chunks, then a large one: where chunks are cut must not matter.
    for size in [1, 2, 3, 10, 50, 400, 1200] {
      try await models.append(try source.events(size))
      if size < 100 { try await models.settle() }
    }
    try await models.settle()
    for type in models.catalog.types where type.hasReadModel { try await compare(type, models) }
    let head = models.log.head.position
    let audit = try await models.rows("SELECT count(*), max(id), count(DISTINCT event_id) FROM daybook.audit_trail")
    #expect(audit == [[String(head), String(head), String(head)]])
    try await compareVersions(models)
    try await models.close()
  }

  /// New rows are laid out by Daybook, and what is unusual is left to PostgreSQL: there must be no difference to see.
  @Test func `a row is what PostgreSQL itself makes of the fields`() async throws {
    let models = try await TestReadModels()
    let fields: [JSONObject] = [
      [
        "status": "running", "error_message": "a \"quoted\"\ttab\nline \\ back", "code": "", "params": [:],
        "result": .null,
      ],
      ["error_message": "Grüße, 世界 🙂", "rows_processed": .integer(.max), "data_size_bytes": .integer(.min)],
      ["rows_processed": -1, "duration_seconds": 0.1, "pipeline_version": 2_147_483_647],
      ["duration_seconds": 1e-7, "pipeline_version": -2_147_483_648, "result": [1, 2.5, "x", [:], .null]],
      ["duration_seconds": 2.5e-300, "result": "text", "result_summary": false, "language": "é"],
      ["duration_seconds": 1.7976931348623157e308, "number": 0, "context": ["\u{7}": "\u{1F}"]],
      ["duration_seconds": 0, "started_at": "2026-02-28T23:59:60Z", "completed_at": "0001-01-01T00:00:00Z"],
      ["started_at": "2026-11-21T09:37:40.480638Z", "completed_at": "2026-11-21T09:37:40.5Z"],
      ["started_at": "2026-11-21T10:37:40.1234567+01:00", "completed_at": "9999-12-31T23:59:59.999999Z"],
      ["input_dataset_ids": [], "output_dataset_ids": ["a", "", "NULL", "{}", "a,b", "ü"]],
      ["input_dataset_ids": ["a\"b", "c\\d"], "output_dataset_ids": .null],
      ["pipeline_id": "01A1FD77-F2A3-76CC-9D9F-3EDAD669C882", "triggered_by": .null],
      // Not of the columns' usual form.
      ["error_message": 12, "code": ["a": 1], "language": true, "rows_processed": "17", "started_at": "2026-11-21"],
    ]
    var drafts: [EventDraft] = []
    for set in fields {
      var draft = EventDraft(event: "run.started", type: "run", resource: .version7(at: .now), actor: "local:0")
      draft.set = set
      drafts.append(draft)
    }
    try await models.append(drafts)
    try await models.settle()
    for draft in drafts {
      // *= compares the bytes.
      let same = try await models.rows(
        """
        SELECT r *= jsonb_populate_record(
          jsonb_populate_record(NULL::daybook.runs, jsonb_build_object(
            'id', r.id, 'created_at', r.created_at, 'updated_at', r.updated_at, 'version', r.version)), $2::jsonb)
        FROM daybook.runs AS r WHERE r.id = $1::uuid
        """, [.text(draft.resource.text), .text(JSON.object(draft.set).canonicalString)])
      #expect(same == [["t"]], "\(draft.set)")
    }
    #expect(try await models.projections.rebuild(["runs"]).differences == [])
    try await models.close()
  }

  /// Compares every row of a type with the state that the log keeps.
  private func compare(_ type: ResourceType, _ models: TestReadModels) async throws {
    let rows = try await models.rows("SELECT id, to_jsonb(t) FROM daybook.\(type.plural) AS t")
    let personal =
      type.hasPersonalFields ? try await models.rows("SELECT id, to_jsonb(t) FROM personal.\(type.plural) AS t") : []
    let personalRows = Dictionary(uniqueKeysWithValues: personal.map { ($0[0] ?? "", $0[1] ?? "{}") })
    let states = try models.log.read { snapshot in
      try rows.compactMap { row in try row[0].flatMap { Identifier($0) }.flatMap { try snapshot.state($0) } }
    }
    #expect(states.count == rows.count)
    #expect(!rows.isEmpty || type.name == "sql_role", "no rows of \(type.name)")
    for (row, state) in zip(rows, states) {
      let columns = try JSON.parse(row[1] ?? "")
      #expect(columns["version"] == .integer(state.version))
      #expect(columns["created_at"]?.stringValue.flatMap { Timestamp($0) } == state.createdAt)
      #expect(columns["updated_at"]?.stringValue.flatMap { Timestamp($0) } == state.updatedAt)
      let opened = try JSON.parse(personalRows[state.id.text] ?? "{}")
      for field in type.fields where field.secret != .hash && field.secret != .password {
        var expected = state.fields[field.name] ?? .null
        if field.personal != nil, Vault.isSealed(expected) {
          guard case .value(let value) = try models.vault.open(expected, resourceID: state.id, field: field.name) else {
            Issue.record("a value can't be opened")
            continue
          }
          expected = value
        }
        if field.secret == .whole { expected = expected["$sealed"] ?? .null }
        let found = (field.personal == nil ? columns : opened)[field.name] ?? .null
        if field.type == .timestamp {
          #expect(
            found.stringValue.flatMap { Timestamp($0) } == expected.stringValue.flatMap { Timestamp($0) },
            "\(type.name).\(field.name)")
        } else if field.type == .float {
          #expect(found.doubleValue == expected.doubleValue, "\(type.name).\(field.name)")
        } else {
          #expect(found == expected, "\(type.name).\(field.name)")
        }
      }
    }
  }

  /// Compares every snapshot with the state folded up to the event that made it.
  private func compareVersions(_ models: TestReadModels) async throws {
    guard let type = models.catalog.type("pipeline") else { return }
    let rows = try await models.rows(
      "SELECT pipeline_id, position, snapshot, version_number, is_active FROM daybook.pipeline_versions ORDER BY position"
    )
    #expect(rows.count > 10)
    var last: [Identifier: Int64] = [:]
    for row in rows {
      guard let id = row[0].flatMap({ Identifier($0) }), let position = row[1].flatMap({ UInt64($0) }) else {
        Issue.record("a version without pipeline or position")
        continue
      }
      let state = try models.log.read { try $0.fold(id, through: position) }
      let expected = state?.fields.filter { type.versionedContent.contains($0.key) } ?? [:]
      #expect(try JSON.parse(row[2] ?? "").objectValue == expected)
      let number = state?.fields["version_number"]?.integerValue ?? 0
      #expect(row[3] == String(number))
      last[id] = number
    }
    for row in rows {
      guard let id = row[0].flatMap({ Identifier($0) }), let number = row[3].flatMap({ Int64($0) }) else { continue }
      #expect((row[4] == "t") == (last[id] == number))
    }
  }
}
