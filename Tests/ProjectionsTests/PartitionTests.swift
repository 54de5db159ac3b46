import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Postgres
import Projections
import Testing

/// Months of measurements and log lines.
@Suite struct PartitionTests {
  private static let partitions = """
    SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'daybook' AND i.inhparent = 'daybook.run_metrics'::regclass ORDER BY 1
    """

  /// A measurement as commands record it, with a time of its own.
  private static func measured(_ run: Identifier, _ organization: Identifier, at time: String) -> EventDraft {
    var draft = EventDraft(event: "run.measured", type: "run", resource: run, actor: "local:0")
    draft.organization = organization
    draft.data = ["node_id": "n", "at": .string(time), "rows_input": 1]
    return draft
  }

  private static func deleted(_ run: Identifier, _ organization: Identifier) -> EventDraft {
    var draft = EventDraft(event: "run.deleted", type: "run", resource: run, actor: "local:0")
    draft.organization = organization
    draft.set = ["deleted_at": .string(Timestamp.now.text)]
    return draft
  }

  @Test(.timeLimit(.minutes(2)))
  func `months by the hundred stop nothing, and those long past get no partition of their own`() async throws {
    let models = try await TestReadModels()
    let organization = Identifier.version7(at: .now)
    let run = Identifier.version7(at: .now)
    let first = try #require(Timestamp("1996-01-15T00:00:00Z"))
    var drafts: [EventDraft] = []
    var time = first
    while time < .now {
      drafts.append(Self.measured(run, organization, at: time.text))
      time = time.adding(seconds: 30 * 86_400)
    }
    try await models.append(drafts)
    try await models.settle()
    #expect(try await models.rows("SELECT count(*) FROM daybook.run_metrics") == [["\(drafts.count)"]])
    // Each event more makes a few partitions more, and never one for a month that is long past.
    for _ in 0..<5 {
      try await models.append([Self.measured(run, organization, at: Timestamp.now.text)])
      try await models.settle()
    }
    let names = try await models.rows(Self.partitions).compactMap { $0[0] }
    #expect(names.count > 20 && names.count < 130, "\(names.count) partitions")
    #expect(!names.contains { $0 < "run_metrics_2016" })
    #expect(await models.projections.status().allSatisfy { $0.state == .running })
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `a reader that holds a table keeps no read model waiting`() async throws {
    let models = try await TestReadModels()
    let organization = Identifier.version7(at: .now)
    let run = Identifier.version7(at: .now)
    try await models.append([Self.measured(run, organization, at: "2021-03-01T00:00:00Z")])
    try await models.settle()
    let reader = try await PostgresConnection.connect(models.url)
    try await reader.execute("BEGIN; SELECT count(*) FROM daybook.run_metrics")
    try await models.append([Self.measured(run, organization, at: "2021-05-01T00:00:00Z")])
    try await models.settle()
    #expect(try await models.rows("SELECT count(*) FROM daybook.run_metrics") == [["2"]])
    #expect(try await models.rows("SELECT count(*) FROM daybook.run_metrics_default") == [["1"]])
    await reader.close()
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `every month that has rows has a partition, and months are made ahead`() async throws {
    let models = try await TestReadModels()
    let organization = Identifier.version7(at: .now)
    let runs = (0..<2).map { _ in Identifier.version7(at: .now) }
    try await models.append([
      Self.measured(runs[0], organization, at: "2021-03-31T23:59:59.999999Z"),
      Self.measured(runs[1], organization, at: "2021-04-01T00:00:00Z"),
      Self.measured(runs[1], organization, at: "1987-01-01T00:00:00Z"),
    ])
    try await models.settle()
    try await models.append([Self.measured(runs[0], organization, at: "2021-03-01T00:00:00Z")])
    try await models.settle()
    var expected = ["run_metrics_2021_03", "run_metrics_2021_04"]
    var month = Timestamp.now.month
    for _ in 0..<3 {
      expected.append("run_metrics_" + month.replacing("-", with: "_"))
      month = try #require(Timestamp("\(month)-01", assumingUTC: true)).adding(seconds: 32 * 86_400).month
    }
    expected.append("run_metrics_default")
    #expect(try await models.rows(Self.partitions).map { $0[0] ?? "" } == expected)
    let counts = """
      SELECT c.relname, count(*) FROM daybook.run_metrics AS m JOIN pg_class AS c ON c.oid = m.tableoid GROUP BY 1 ORDER BY 1
      """
    let placed = [
      ["run_metrics_2021_03", "2"], ["run_metrics_2021_04", "1"], ["run_metrics_default", "1"],
    ]
    #expect(try await models.rows(counts) == placed)
    let before = try await models.projections.digests()
    let report = try await models.projections.rebuild(nil)
    #expect(report.differences == [] && report.notes == [] && report.isSwapped)
    #expect(try await models.projections.digests() == before)
    #expect(try await models.rows(counts) == placed)
    #expect(try await models.rows(Self.partitions).map { $0[0] ?? "" } == expected)
    // What goes with a run empties a month, whose partition goes too.
    try await models.append([Self.deleted(runs[0], organization)])
    try await models.settle()
    #expect(try await models.rows(counts) == Array(placed[1...]))
    #expect(try await models.rows(Self.partitions).map { $0[0] ?? "" } == Array(expected[1...]))
    #expect(try await models.projections.rebuild(nil).differences == [])
    // The projector goes on with the new tables.
    try await models.append([Self.measured(runs[1], organization, at: "2021-05-01T00:00:00Z")])
    try await models.settle()
    #expect(try await models.rows("SELECT count(*) FROM daybook.run_metrics_2021_05") == [["1"]])
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `a partition is no way around row-level security`() async throws {
    let models = try await TestReadModels()
    try await models.append([Self.measured(.version7(at: .now), .version7(at: .now), at: "2021-03-01T00:00:00Z")])
    try await models.settle()
    let names = try await models.rows(
      """
      SELECT c.oid::regclass::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'daybook' AND c.relkind = 'r'
      """
    ).compactMap { $0[0] }
    #expect(names.count >= 12, "three tables have three months and a default partition at least")
    for name in names {
      #expect(
        try await models.rows("SELECT has_table_privilege('daybook_sql', $1, 'SELECT')", [.text(name)]) == [["f"]],
        "\(name)")
    }
    #expect(try await models.rows("SELECT has_table_privilege('daybook_sql', 'daybook.run_logs', 'SELECT')") == [["t"]])
    #expect(
      try await models.rows("SELECT relrowsecurity FROM pg_class WHERE oid = 'daybook.run_logs'::regclass") == [["t"]])
    try await models.close()
  }
}
