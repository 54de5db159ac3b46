import BasicTypes
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// What the month came to, and what to look at next.
struct Summary: Sendable {
  let setting: Setting
  let tenants: [Tenant]
  let endpoint: Endpoint
  let tally: Tally
  let seconds: Double
  /// The log's last position before and after.
  let before: Int
  let after: Int
  /// Where the read models can be asked in SQL, as the server tells its administrators.
  let postgres: String?
  /// Whether the log has the month's own times.
  let isDemonstration: Bool
  /// Whether the read models have come as far.
  let hasReadModels: Bool

  /// Whether nothing was refused but what the story tells of.
  var isClean: Bool { tally.refused == 0 }

  // MARK: - For programs

  var json: JSONObject {
    let total = tally.total
    return [
      "seed": .string(String(setting.seed)), "scale": .number(setting.scale), "days": .count(setting.days),
      "month_ends": .time(setting.end), "commands": .count(total.commands), "replayed": .count(total.replayed),
      "unchanged": .count(total.unchanged), "events": .count(total.events), "position_before": .count(before),
      "position": .count(after),
      "refused": .count(tally.refused), "refused_as_planned": .count(total.planned),
      "not_repeated": .count(tally.shownOnceBefore), "seconds": .number((seconds * 1000).rounded() / 1000),
      "commands_per_second": .count(rate),
      "platforms": .object(
        JSONObject(
          members: tally.platforms.map { platform, counts in
            (
              key: platform,
              value: [
                "commands": .count(counts.commands), "replayed": .count(counts.replayed),
                "unchanged": .count(counts.unchanged), "events": .count(counts.events),
                "refused_as_planned": .count(counts.planned),
              ]
            )
          })),
      "made": .object(JSONObject(members: tally.made.map { (key: $0.key, value: .count($0.value)) })),
      "refusals": .array(
        tally.surprises.map { ["method": .string($0.method), "message": .string($0.message)] }),
    ]
  }

  // MARK: - For people

  /// Writes it: tables to standard output, refusals to standard error.
  func show() {
    for line in lines { say(line) }
    guard !isClean else { return }
    complain("")
    complain("\(grouped(tally.refused)) refusals that the story doesn't tell of:")
    for surprise in tally.surprises { complain("  \(surprise.method): \(surprise.message)") }
    if tally.refused > tally.surprises.count {
      complain("  and \(grouped(tally.refused - tally.surprises.count)) more")
    }
  }

  private var rate: Int { Int(Double(tally.total.commands) / max(0.001, seconds)) }

  private var lines: [String] {
    let platforms = tally.platforms
    var rows = [["PLATFORM", "COMMANDS", "EVENTS", "KNOWN ALREADY", "REFUSED, AS PLANNED"]]
    for platform in Platform.allCases {
      guard let counts = platforms[platform.rawValue] else { continue }
      rows.append(
        [
          platform.rawValue, grouped(counts.commands), grouped(counts.events), grouped(counts.replayed),
          grouped(counts.planned),
        ])
    }
    let total = tally.total
    rows.append(
      ["together", grouped(total.commands), grouped(total.events), grouped(total.replayed), grouped(total.planned)])
    let first = setting.time(day: 0, hour: 0).text.prefix(10)
    let last = setting.time(day: setting.days - 1, hour: 0).text.prefix(10)
    let duration = (seconds * 10).rounded() / 10
    var lines = aligned(rows)
    lines += ["", "\(first) to \(last), seed \(setting.seed): " + made, ""]
    lines.append(
      "\(grouped(total.commands)) commands in \(duration) s, \(grouped(rate)) a second; refused against the plan: \(tally.refused)."
    )
    lines.append("The log went from position \(grouped(before)) to \(grouped(after)).")
    if total.replayed > 0, total.replayed == total.commands {
      lines.append("It knew the whole story already: every answer was the first one again; only the sign-ins are new.")
    }
    if tally.shownOnceBefore > 0 {
      lines.append(
        "\(tally.shownOnceBefore) scenes were left out: they need a key or a link that was shown only the first time.")
    }
    if !hasReadModels {
      lines.append("The read models are still on their way; daybook projections shows how far they are.")
    }
    return lines + ["", "What to try next, in another terminal:"] + ([environment] + nextSteps).map { "  " + $0 }
  }

  private var made: String {
    let made = tally.made
    func count(_ verbs: String...) -> Int { verbs.reduce(0) { $0 + (made[$1] ?? 0) } }
    let parts = [
      (count("user.created"), "people"), (count("pipeline.created"), "pipelines"),
      (count("run.created", "run.started"), "runs"), (count("task_run.created", "task_run.started"), "task runs"),
      (count("calculation.created", "calculation.started"), "calculations"), (count("file.created"), "files"),
      (count("alert.raised"), "alerts"),
    ]
    return parts.map { "\(grouped($0.0)) \($0.1)" }.joined(separator: ", ") + "."
  }

  /// What another terminal needs to find the programs and the server.
  private var environment: String {
    let program = "/proc/self/exe".withCString { realpath($0, nil) }
    defer { free(program) }
    let path = program.map { String(cString: $0) } ?? CommandLine.arguments[0]
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    guard case .unix(let socket) = endpoint, let absolute = realpath(socket, nil) else {
      return "export PATH='\(folder)':$PATH DAYBOOK_CONNECT=\(endpoint)"
    }
    defer { free(absolute) }
    return "export PATH='\(folder)':$PATH DAYBOOK_CONNECT='unix:\(String(cString: absolute))'"
  }

  /// Commands to look around with, of what was told of.
  private var nextSteps: [String] {
    guard let first = tenants.first else { return [] }
    func tenant(_ platform: Platform) -> Tenant? { tenants.first { $0.platform == platform } }
    func id(_ tenant: Tenant, _ name: String) -> String { setting.identifier("\(tenant.slug) \(name)").text }
    var steps: [String] = []
    switch first.platform {
    case .mecapy:
      steps.append("daybook history tool \(id(first, "tool beam_deflection"))")
    case .etlBuilder, .djangoETL, .dataAggregator, .etlab:
      let pipeline = id(first, first.platform == .etlab ? "page 0" : "flow 0")
      steps.append("daybook history pipeline \(pipeline)")
      let moment = setting.days > 8 ? "last tuesday" : "yesterday"
      if isDemonstration { steps.append("daybook get pipeline \(pipeline) --as-of \"\(moment)\"") }
      steps.append("daybook rollback \(pipeline) 1 --reason \"as it began\"")
    }
    if let builder = tenant(.etlBuilder) { steps.append("daybook lineage \(OpenLineage.reportedTable(of: builder))") }
    if let django = tenant(.djangoETL) {
      steps.append("daybook audit --resource \(id(django, "credential api"))")
    } else {
      steps.append("daybook audit --organization \(setting.own(first.slug))")
    }
    guard let postgres else { return steps + ["daybook projections"] }
    let question =
      switch first.platform {
      case .etlBuilder: "name, status, last_execution_status FROM etl_builder.pipelines_with_last_execution"
      case .djangoETL: "status, count(*) FROM django_etl.task_runs GROUP BY status"
      case .dataAggregator: "severity, status, metric_value, message FROM data_aggregator.alerts"
      case .mecapy: "* FROM mecapy.recent_calculations LIMIT 20"
      case .etlab: "name, dag_id, sync_status FROM etlab.dag_definitions"
      }
    return steps + ["psql '\(postgres)' -c 'SELECT \(question)'"]
  }

  /// Rows in columns; numbers to the right.
  private func aligned(_ rows: [[String]]) -> [String] {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let gap = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + gap : gap + cell
      }.joined(separator: "  ")
    }
  }
}
