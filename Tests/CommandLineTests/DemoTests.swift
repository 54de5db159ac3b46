import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct DemoTests {
  @Test func `a month is told without a surprise, and told again adds nothing`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let first = try await tell(desk, "--scale", "0.05", "--days", "4")
        #expect(first.status == .code(0), "\(first.output) \(first.errors)")
        let summary = try first.json()
        #expect(summary["refused"] == 0, "\(summary["refusals"]?.canonicalString ?? "")")
        #expect(summary["replayed"] == 0)
        #expect(summary["not_repeated"] == 0)
        for platform in ["etl_builder", "django_etl", "data_aggregator", "mecapy", "etlab"] {
          let counts = summary["platforms"]?[platform]
          #expect((counts?["commands"]?.integerValue ?? 0) > 50, "\(platform)")
          #expect((counts?["refused_as_planned"]?.integerValue ?? 0) > 18, "\(platform)")
        }
        let organizations = try await desk.call("organization.list", [:])
        let names = organizations["items"]?.arrayValue ?? []
        #expect(names.count == 10)
        #expect(Set(names.compactMap { $0["platform"]?.stringValue }).count == 5)

        let position = try #require(summary["position"]?.integerValue)
        let again = try await tell(desk, "--scale", "0.05", "--days", "4")
        #expect(again.status == .code(0), "\(again.output) \(again.errors)")
        let retold = try again.json()
        #expect(retold["events"] == 0)
        #expect((retold["commands"]?.integerValue ?? 0) > 500)
        // What found nothing to change the first time finds nothing now; everything else is known.
        let known = (retold["replayed"]?.integerValue ?? 0) + (retold["unchanged"]?.integerValue ?? 0)
        #expect(.integer(known) == retold["commands"])
        #expect(retold["unchanged"] == summary["unchanged"])
        let page = try await desk.call("log.read", ["from": .integer(position + 1), "limit": 1000])
        for record in page["records"]?.arrayValue ?? [] {
          let header = record["header"]
          let isOfTheServer = header?["actor"] == "server"
          #expect(header?["event"] == "user.logged_in" || isOfTheServer, "\(header?.canonicalString ?? "")")
        }
      }
    }
  }

  @Test func `a seed tells the same story on every server, and another seed another one`() async throws {
    var told: [[String]] = []
    for seed in ["7", "7", "8"] {
      try await withDesk { desk in
        try await desk.withServer {
          let outcome = try await tell(desk, "--scale", "0.2", "--days", "2", "--seed", seed, "--platform", "mecapy")
          #expect(outcome.status == .code(0), "\(outcome.output) \(outcome.errors)")
          let calculations = try await desk.call("calculation.list", ["limit": 1000])
          told.append((calculations["items"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }.sorted())
        }
      }
    }
    #expect(told[0].count > 10)
    #expect(told[0] == told[1])
    #expect(told[0] != told[2])
  }

  @Test func `people get a table and what to try next`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let outcome = try await run(desk, "--scale", "0.02", "--days", "1", "--platform", "etl_builder")
        #expect(outcome.status == .code(0), "\(outcome.output) \(outcome.errors)")
        #expect(outcome.lines.first?.hasPrefix("PLATFORM") == true)
        #expect(outcome.output.contains("refused against the plan: 0."))
        let steps = outcome.lines.filter { $0.hasPrefix("  ") }
        #expect(steps.count == 6 && steps[0].hasPrefix("  export PATH="), "\(outcome.output)")
        // What it proposes works as it stands.
        let history = try #require(steps.first { $0.contains("daybook history") })
        let words = history.split(separator: " ").map(String.init)
        let shown = try await desk.daybook("history", words[2], words[3])
        #expect(shown.status == .code(0), "\(shown.errors)")
        #expect(shown.output.contains("pipeline.created"))
        let lineage = try #require(steps.first { $0.contains("daybook lineage") }?.split(separator: " ").last)
        let graph = try await desk.daybook("lineage", String(lineage))
        #expect(graph.status == .code(0), "\(graph.errors)")
        #expect(graph.output.contains("raw."))
      }
    }
  }

  @Test func `a demonstration's log has the month's own times, and says of itself that it is one`() async throws {
    try await withDesk { desk in
      let url = try await ThrowawayPostgres.database()
      let midnight = Timestamp.now.microseconds / 86_400_000_000 * 86_400_000_000
      let month = Timestamp(microseconds: midnight - 3 * 86_400_000_000)...Timestamp(microseconds: midnight)
      try await desk.withServer(url: url, ["--demo", "3"]) {
        let told = try await run(desk, "--scale", "0.02", "--days", "3", "--platform", "etl_builder")
        #expect(told.status == .code(0), "\(told.output) \(told.errors)")
        let step = try #require(told.lines.first { $0.contains("daybook get pipeline") }, "\(told.output)")
        let words = step.split(separator: " ").map(String.init)
        let before = try await desk.daybook("get", "pipeline", words[3], "--as-of", "yesterday")
        #expect(before.status == .code(0) && before.errors.contains("As it was at"), "\(before.errors)")
        var days: Set<Substring> = []
        var from = 1
        while true {
          let page = try await desk.call("log.read", ["from": .integer(Int64(from)), "limit": 1000])
          let records = page["records"]?.arrayValue ?? []
          if records.isEmpty { break }
          from += records.count
          for record in records {
            let header = record["header"]
            let at = try #require(header?["at"]?.stringValue.flatMap { Timestamp($0) })
            // What came after the story has the machine's time.
            guard at <= month.upperBound else { continue }
            #expect(month.contains(at), "\(header?.canonicalString ?? "")")
            let recorded = record["body"]?["clock"]?.stringValue.flatMap { Timestamp($0) }
            #expect(recorded.map { $0 > month.upperBound } == true, "\(header?.canonicalString ?? "")")
            days.insert(at.text.prefix(10))
          }
        }
        // Three days back touch four dates, but where the story's day has only begun.
        #expect((3...4).contains(days.count), "\(days)")
        // The beginning, six chapters of which three are days, and the end.
        let ends = try await desk.call("audit.search", ["event": "clock.told", "limit": 100])
        #expect(ends["items"]?.arrayValue?.count == 8)
        #expect(try await desk.daybook("status").output.contains("demo         this log tells a story"))
      }
      // It is one for ever; its own clock is the machine's again.
      try await desk.withServer(url: url) {
        let status = try await desk.call("server.status")
        #expect(status["demo"] == true && status["clock"]?["standing"] == "trusted")
        let refused = try await desk.daybook("call", "clock.tell", "{}")
        #expect(refused.status == .code(1) && refused.errors.contains("serve --demo DAYS"), "\(refused.errors)")
      }
    }
  }

  @Test func `a log of what happened becomes no demonstration`() async throws {
    try await withDesk { desk in
      let url = try await ThrowawayPostgres.database()
      try await desk.withServer(url: url) {
        try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])
        #expect(try await desk.call("server.status")["demo"] == nil)
      }
      let refused = try await desk.daybook("serve", "--listen", "none", "--postgres", url, "--demo", "3")
      #expect(refused.status == .code(1) && refused.errors.contains("Choose a data folder"), "\(refused.errors)")
    }
  }

  @Test func `wrong usage and an absent server have their exit codes`() async throws {
    try await withDesk { desk in
      #expect(try await run(desk, "--scale", "0").status == .code(64))
      #expect(try await run(desk, "--days", "0").status == .code(64))
      #expect(try await run(desk, "--platform", "teletext").status == .code(64))
      #expect(try await run(desk, "--connect", "smoke:signals").status == .code(64))
      let away = try await run(desk, "--connect", "unix:\(desk.folder)/nobody.sock")
      #expect(away.status == .code(69))
      #expect(away.errors.contains("tools/run"))
    }
  }

  private func tell(_ desk: Desk, _ arguments: String...) async throws -> ProgramResult {
    try await run(desk, arguments + ["--json"])
  }

  private func run(_ desk: Desk, _ arguments: String...) async throws -> ProgramResult {
    try await run(desk, arguments)
  }

  /// Runs the built demo against the desk's server, to its end.
  private func run(_ desk: Desk, _ arguments: [String]) async throws -> ProgramResult {
    try await desk.run(arguments, program: "daybook-demo")
  }
}
