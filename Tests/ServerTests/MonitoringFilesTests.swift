import CanonicalJSON
import DaybookClient
import Foundation
import Metrics
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// What `tools/monitoring` and the page Monitoring say, against what a server tells.
@Suite(.timeLimit(.minutes(5))) struct MonitoringFilesTests {
  private static let folder = Repository.root + "/tools/monitoring"
  private static let page = Repository.root + "/Sources/daybook/Daybook.docc/Monitoring.md"

  private static func has(_ program: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
    }
  }

  /// The rows of a section's table, without its head; cells without the spaces around them.
  private static func rows(of section: String) -> [[String]] {
    let lines = TestFiles.text(page).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let rest = lines.drop { $0 != "## " + section }.dropFirst().prefix { !$0.hasPrefix("## ") }
    return rest.filter { $0.hasPrefix("| ") }.dropFirst().map { line in
      line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
        .map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  /// The names of metrics in a text.
  private static func names(in text: String) -> Set<String> {
    Set(text.matches(of: /\b(daybook|process)_[a-z_]+[a-z]/).map { String($0.output.0) })
  }

  private struct Panel {
    let title: String
    let expressions: [String]
  }

  private static func panels() throws -> [Panel] {
    let board = try JSON.parse(TestFiles.bytes(folder + "/daybook.dashboard.json"))
    return (board["panels"]?.arrayValue ?? []).filter { $0["type"] != "row" }.map { panel in
      Panel(
        title: panel["title"]?.stringValue ?? "",
        expressions: (panel["targets"]?.arrayValue ?? []).compactMap { $0["expr"]?.stringValue })
    }
  }

  /// The rules without their comments: each alert, and the whole of what stands under it.
  private static var rules: [(alert: String, text: String)] {
    TestFiles.text(folder + "/daybook.rules.yml").components(separatedBy: "      - alert: ").dropFirst().map { text in
      (String(text.prefix { $0 != "\n" }), text)
    }
  }

  /// A server with something in each family.
  private static func run(_ body: @escaping (TestServer) async throws -> Void) async throws {
    try await TemporaryFolder.with { folder in
      try await TestServer.run { configuration in
        configuration.http = ("127.0.0.1", 0)
        configuration.timedWorkInterval = .milliseconds(200)
        configuration.backups = BackupSchedule(folder: folder.path + "/backups", seconds: 3600, keep: 2) { _ in }
      } _: { test in
        _ = try await test.organization("acme")
        try await body(test)
      }
    }
  }

  private static func text(_ test: TestServer, isOpenMetrics: Bool = false) async throws -> String {
    let http = try await test.http()
    let headers = isOpenMetrics ? ["Accept: \(MonitoringTests.openMetrics)"] : []
    let reply = try await http.ask(HTTPSocket.request("GET", "/metrics", headers: headers))
    await http.close()
    #expect(reply.status == 200)
    return reply.text
  }

  // MARK: The page

  @Test func `the page lists every metric as the server declares it`() {
    let listed = Self.rows(of: "The metrics")
    let declared = ServerFamilies.all.map { family in
      [
        "`\(family.name)`", family.kind.rawValue, family.labels.map { "`\($0)`" }.joined(separator: " "), family.help,
      ]
    }
    #expect(listed == declared)
  }

  @Test func `the page says of every alert how grave it is, what it means and what to do`() {
    let listed = Self.rows(of: "The alerts")
    #expect(listed.map { $0.first } == Self.rules.map { "`\($0.alert)`" })
    for (row, rule) in zip(listed, Self.rules) {
      #expect(row.count == 4 && rule.text.contains("severity: \(row[1])}"), "\(rule.alert)")
      #expect(rule.text.contains("description: \(row[2])\n"), "\(rule.alert): \(row[2])")
      #expect(row[3].count > 20, "\(rule.alert)")
    }
  }

  // MARK: Dashboard and rules

  @Test func `what dashboard and rules speak of is told by a server, and the dashboard shows every metric`()
    async throws
  {
    let panels = try Self.panels()
    #expect(panels.count > 30)
    let shown = Self.names(in: panels.flatMap(\.expressions).joined(separator: "\n"))
    let watched = Self.names(in: Self.rules.map(\.text).joined(separator: "\n"))
    try await Self.run { test in
      let read = try MetricsText(try await Self.text(test), isOpenMetrics: false)
      let told = Set(
        read.families.flatMap { family in
          family.kind == "histogram" ? ["_bucket", "_sum", "_count"].map { family.name + $0 } : [family.name]
        })
      #expect(shown.isSubset(of: told), "\(shown.subtracting(told))")
      #expect(watched.isSubset(of: told), "\(watched.subtracting(told))")
      for family in ServerFamilies.all {
        #expect(!shown.isDisjoint(with: family.sampleNames), "no panel shows \(family.name)")
      }
    }
    #expect(Self.rules.count > 20)
    let tests = TestFiles.text(Self.folder + "/daybook.rules.test.yml")
    for (alert, _) in Self.rules {
      #expect(tests.contains("name: \(alert), bad") && tests.contains("name: \(alert), good"), "\(alert)")
    }
  }

  @Test func `the dashboard is whole: of the present schema, each panel with an id, a place and a source of its own`()
    throws
  {
    let board = try JSON.parse(TestFiles.bytes(Self.folder + "/daybook.dashboard.json"))
    #expect((board["schemaVersion"]?.integerValue ?? 0) >= 41)
    let variables = board["templating"]?["list"]?.arrayValue ?? []
    #expect(variables.compactMap { $0["name"]?.stringValue } == ["datasource", "instance"])
    let panels = board["panels"]?.arrayValue ?? []
    let ids = panels.compactMap { $0["id"]?.integerValue }
    #expect(ids.count == panels.count && Set(ids).count == ids.count)
    var taken: Set<[Int64]> = []
    for panel in panels {
      let title = panel["title"]?.stringValue ?? ""
      let place = try #require(panel["gridPos"], "\(title)")
      let (x, y) = (place["x"]?.integerValue ?? -1, place["y"]?.integerValue ?? -1)
      let (width, height) = (place["w"]?.integerValue ?? 0, place["h"]?.integerValue ?? 0)
      #expect(x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= 24, "\(title)")
      for column in x..<(x + width) {
        for row in y..<(y + height) { #expect(taken.insert([column, row]).inserted, "\(title) lies over another") }
      }
      guard panel["type"] != "row" else { continue }
      #expect(panel["datasource"]?["uid"] == "${datasource}" && panel["description"]?.stringValue != "", "\(title)")
      for target in panel["targets"]?.arrayValue ?? [] {
        #expect(target["expr"]?.stringValue?.contains("$instance") == true, "\(title)")
      }
    }
  }

  // MARK: As other programs read it

  @Test(.enabled(if: has("promtool"), "promtool is not installed (Debian's prometheus)"))
  func
    `promtool finds nothing wrong with the metrics, the rules and the configuration, and the rules pass their tests`()
    async throws
  {
    try await TemporaryFolder.with { folder in
      for arguments in [
        ["check", "rules", "daybook.rules.yml"], ["check", "config", "prometheus.yml"],
        ["test", "rules", "daybook.rules.test.yml"],
      ] {
        let result = try await runProgram(["promtool"] + arguments, in: folder, directory: Self.folder)
        #expect(result.status == .code(0), "\(arguments): \(result.output) \(result.errors)")
      }
      try await Self.run { test in
        let result = try await runProgram(
          ["promtool", "check", "metrics"], in: folder, input: try await Self.text(test))
        #expect(result.status == .code(0), "\(result.output) \(result.errors)")
        #expect((result.output + result.errors).trimmingCharacters(in: .whitespacesAndNewlines).isEmpty)
      }
    }
  }

  private static let reader = """
    import sys
    from prometheus_client.parser import text_string_to_metric_families as text
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
    read = openmetrics if sys.argv[2] == 'open' else text
    for family in read(open(sys.argv[1]).read()):
        print(family.name, family.type, family.unit, len(family.samples))
    """

  @Test(
    .enabled(
      if: Validators.have("prometheus_client"), "PyPI's prometheus-client is not installed for DAYBOOK_VALIDATORS"))
  func `Prometheus's own client reads both formats`() async throws {
    try await TemporaryFolder.with { folder in
      try await Self.run { test in
        for isOpen in [false, true] {
          let file = folder.path + "/metrics"
          try TestFiles.write(try await Self.text(test, isOpenMetrics: isOpen).utf8, to: file)
          let lines = try await Validators.run(Self.reader, file, isOpen ? "open" : "text", in: folder)
            .split(separator: "\n")
          #expect(lines.count == ServerFamilies.all.count, "\(isOpen)")
          for line in ["daybook_commands counter", "daybook_log_commit_duration_seconds histogram"] {
            #expect(lines.contains { $0.hasPrefix(line) }, "\(line)")
          }
          if isOpen {
            #expect(lines.contains { $0.hasPrefix("daybook_build info") })
            #expect(lines.contains { $0.hasPrefix("process_cpu_seconds counter seconds") })
          }
        }
      }
    }
  }

  @Test(.enabled(if: has("prometheus") && has("promtool"), "Debian's prometheus is not installed"))
  func `a Prometheus that scrapes a server has something to show in every panel`() async throws {
    let panels = try Self.panels()
    try await TemporaryFolder.with { folder in
      try await Self.run { test in
        let client = try await test.administrator()
        _ = try await client.call("log.subscribe")
        let port = try Self.freePort()
        try TestFiles.write(
          """
          global: {scrape_interval: 1s}
          scrape_configs:
            - job_name: daybook
              static_configs: [{targets: ["127.0.0.1:\(try test.httpPort)"]}]
          """.utf8, to: folder.path + "/prometheus.yml")
        let process = try SpawnedProcess(
          [
            "prometheus", "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
            "--web.listen-address=127.0.0.1:\(port)",
          ], outputFile: folder.path + "/out", errorFile: folder.path + "/err")
        try folder.note(process.pid)
        func ask(_ expression: String) async throws -> String {
          let result = try await runProgram(
            ["promtool", "query", "instant", "http://127.0.0.1:\(port)", expression], in: folder)
          guard result.status == .code(0) else { throw HarnessError("\(expression): \(result.errors)") }
          return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        func evaluate(_ expression: String) async throws -> String {
          try await ask(
            expression.replacing("$__rate_interval", with: "1m").replacing("$instance", with: ".*"))
        }
        var number = 0
        // Rates need two scrapes with something between them.
        _ = try await eventually("Prometheus has scraped", within: .seconds(60)) { () -> Bool? in
          number += 1
          _ = try await client.call("organization.create", ["name": "a", "slug": .string("a\(number)")])
          _ = try? await client.call("organization.get", ["id": "x"])
          _ = try await client.call("server.ping")
          let seen = try? await evaluate(#"count_over_time(up{job="daybook"}[1m]) > 4"#)
          return seen?.isEmpty == false ? true : nil
        }
        for panel in panels {
          for expression in panel.expressions {
            let answer = try await evaluate(expression)
            #expect(!answer.isEmpty, "\(panel.title): \(expression)")
          }
        }
        #expect(try await ask(#"up{job="daybook"} == 1"#).isEmpty == false, "\(TestFiles.tail(folder.path + "/err"))")
        process.send(SIGTERM)
        _ = try await process.wait(within: .seconds(30))
        try await client.close()
      }
    }
  }

  private static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw HarnessError("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
