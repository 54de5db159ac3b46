import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// What somebody asks who knows `daybook --help` alone, each in one command, at a terminal of 80 columns.
@Suite(.serialized) struct QuestionCommandTests {
  @Test func `the six questions of the demo's people have a command each`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let told = try await desk.run(["--scale", "0.1", "--days", "6", "--json"], program: "daybook-demo")
        try #require(told.status == .code(0) || told.status == .code(1), "\(told.errors)")
        let help = try await desk.daybook("--help").output
        for word in ["list", "get", "history", "diff", "failed", "who", "access", "expiring", "lineage"] {
          #expect(help.contains("\n  \(word) "), "\(word) is not in the help")
        }
        try await whatFailed(desk)
        try await whoChanged(desk)
        try await whatDepends(desk)
        try await whatExpires(desk)
        try await whoMay(desk)
        try await whatItWas(desk)
        try await whatThereIs(desk)
      }
    }
  }

  /// What failed, and why?
  private func whatFailed(_ desk: Desk) async throws {
    let shown = try await ask(desk, "failed", "--since", "30d", "--limit", "100")
    #expect(shown.lines.first?.hasPrefix("WHAT") == true)
    let runs = try await desk.call("run.list", ["where": ["status": "failed"], "limit": 1000])
    let failed = try #require(runs["items"]?.arrayValue)
    try #require(!failed.isEmpty)
    for run in failed {
      let error = try #require(run["error_message"]?.stringValue)
      #expect(shown.output.contains("why: \(error.prefix(30))"), "\(error)")
    }
    #expect(shown.output.contains(" ERROR "))
    let json = try await desk.daybook("failed", "--since", "30d", "--limit", "1000", "--json").json()
    let ids = Set((json.arrayValue ?? []).filter { $0["resource_type"] == "run" }.compactMap { $0["item"]?["id"] })
    #expect(ids.isSuperset(of: failed.compactMap { $0["id"] }))
    let none = try await desk.daybook("failed", "--since", "1 s", "--until", "now")
    #expect(none.output == "Nothing failed since 1 s until now.\n")
  }

  /// Who changed this pipeline, and put it back?
  private func whoChanged(_ desk: Desk) async throws {
    let back = try await desk.call("audit.search", ["event": "pipeline.rolled_back"])["items"]?.arrayValue?.first
    let event = try #require(back)
    let pipeline = try await desk.call("pipeline.get", ["id": event["resource_id"] ?? .null])["item"] ?? .null
    let person =
      try await desk.call(
        "user.get", ["id": .string(String(event.cell("actor").dropFirst("user:".count)))])["item"] ?? .null
    let name = pipeline.cell("name")
    let shown = try await ask(desk, "who", name.uppercased())
    for heading in ["CHANGED BY", "RUN BY", "WHO"] {
      #expect(shown.lines.contains { $0.hasPrefix(heading) }, "\(shown.output)")
    }
    #expect(shown.output.contains(person.cell("email").prefix(20)), "\(shown.output)")
    let history = try await ask(desk, "history", "pipeline", name)
    #expect(history.output.contains("pipeline.rolled_back") && history.output.contains("    why: "))
    #expect(history.output.contains(person.cell("email").prefix(20)), "\(history.output)")
  }

  /// What depends on this table?
  private func whatDepends(_ desk: Desk) async throws {
    let datasets = try await desk.call("dataset.list", ["limit": 1000])["items"]?.arrayValue ?? []
    let edges = try await desk.call("lineage_edge.list", ["limit": 1000])["items"]?.arrayValue ?? []
    func dataset(_ id: JSON?) -> JSON? { datasets.first { $0["id"] == id } }
    // Some edges are between the tasks of a run.
    let edge = try #require(edges.first { dataset($0["source_id"]) != nil && dataset($0["target_id"]) != nil })
    let source = try #require(dataset(edge["source_id"]))
    let target = try #require(dataset(edge["target_id"]))
    let shown = try await ask(desk, "lineage", source.cell("name").uppercased(), "--direction", "down")
    #expect(shown.lines.contains { $0.contains("─ \(target.cell("name"))") }, "\(shown.output)")
  }

  /// Which credentials expire?
  private func whatExpires(_ desk: Desk) async throws {
    let shown = try await ask(desk, "expiring", "--within", "500d")
    let credentials = try await desk.call("credential.list", ["order": "expires_at", "limit": 1000])
    let first = try #require(credentials["items"]?.arrayValue?.first { $0["expires_at"]?.isNull == false })
    #expect(shown.output.contains("credential \(first.cell("name").prefix(8))"), "\(shown.output)")
    #expect(shown.output.contains("valid"))
    let check = try await desk.daybook("expiring", "--within", "500d", "--check", "--json")
    #expect(check.status == .code(1))
    let times = try check.json().arrayValue?.compactMap { $0["expires_at"]?.stringValue } ?? []
    #expect(!times.isEmpty && times == times.sorted())
    let soon = try await desk.daybook("expiring", "--within", "1 h", "--check")
    #expect(soon.status == .code(0) && soon.output == "Nothing expires within 1 h.\n", "\(soon.output)")
    #expect(try await desk.daybook("expiring", "--within", "soon").status == .code(64))
  }

  /// Who may see or do what, and why?
  private func whoMay(_ desk: Desk) async throws {
    let pipeline = try await desk.call("pipeline.list", ["limit": 1])["items"]?.arrayValue?.first ?? .null
    let shown = try await ask(desk, "access", "pipeline", pipeline.cell("id"))
    #expect(shown.lines.first?.hasPrefix("WHO") == true)
    #expect(shown.output.contains("owner") && shown.output.contains("everything"), "\(shown.output)")
    let piped = try await desk.daybook("access", "pipeline", pipeline.cell("id"))
    #expect(piped.output.contains("read, write, execute, admin"))
    let membership = try await desk.call("membership.list", ["where": ["role": "owner"], "limit": 1])["items"]
    let owner = membership?.arrayValue?.first ?? .null
    let person = try await desk.call("user.get", ["id": owner["user_id"] ?? .null])["item"] ?? .null
    let places = try await ask(desk, "access", "user", person.cell("email"))
    #expect(places.output.contains("owner"), "\(places.output)")
  }

  /// What did it look like then?
  private func whatItWas(_ desk: Desk) async throws {
    let event = try #require(
      try await desk.call("audit.search", ["event": "pipeline.edited", "order": "position"])["items"]?.arrayValue?.first
    )
    let id = event.cell("resource_id")
    let position = try #require(event["position"]?.integerValue)
    let now = try await desk.daybook("get", "pipeline", id, "--json").json()
    let then = try await desk.daybook("get", "pipeline", id, "--as-of", "\(position - 1)", "--json").json()
    #expect(then["version"] != now["version"] && then["item"]?["name"] == now["item"]?["name"])
    let past = try await desk.call("pipeline.get", ["id": .string(id), "as_of": .integer(position - 1)])
    #expect(then["item"] == past["item"])
    let shown = try await ask(desk, "get", "pipeline", id, "--as-of", "now")
    #expect(shown.output.contains("As it was at position"))
    #expect(shown.output.contains("status"))
    // The demo's story is told today: last Tuesday nothing of it was there, which is said.
    let before = try await desk.daybook("get", "pipeline", id, "--as-of", "last tuesday")
    #expect(before.status == .code(1))
    #expect(before.errors.contains("wasn't there at") && before.errors.contains("It was created at"))
    let difference = try await ask(desk, "diff", "pipeline", id, "\(position - 1)", "\(position)")
    let changed = try #require(event["changes"]?.objectValue?.keys.first)
    #expect(difference.lines.contains { $0.contains(changed) }, "\(difference.output)")
    #expect(try await desk.daybook("diff", "pipeline", id, "now").output == "Nothing differs.\n")
  }

  /// What is there?
  private func whatThereIs(_ desk: Desk) async throws {
    let types = try await ask(desk, "list")
    #expect(types.lines.contains { $0.hasPrefix("pipeline ") } && types.lines.contains { $0.hasPrefix("run ") })
    let all = try await desk.call("pipeline.list", ["limit": 1000])["items"]?.arrayValue ?? []
    let shown = try await ask(desk, "list", "pipelines", "--limit", "1000")
    for pipeline in all { #expect(shown.output.contains("…\(pipeline.cell("id").suffix(6))")) }
    #expect(shown.lines.first?.hasPrefix("NAME") == true)
    let piped = try await desk.daybook("list", "pipelines", "--limit", "1000")
    for pipeline in all { #expect(piped.output.contains("\(pipeline.cell("name"))  ")) }
    func count(_ conditions: String...) async throws -> Int? {
      let arguments = conditions.flatMap { ["--where", $0] }
      let found = try await desk.run(["list", "pipeline", "--limit", "1000", "--json"] + arguments)
      try #require(found.status == .code(0), "\(found.errors)")
      return try found.json().arrayValue?.count
    }
    let active = all.count { $0["status"] == "active" }
    let drafts = all.count { $0["status"] == "draft" }
    #expect(try await count("status=active") == active)
    #expect(try await count("status=active", "status=draft") == active + drafts)
    #expect(try await count("status!=active") == all.count - active)
    #expect(try await count("created_at>=yesterday", "created_at<now") == all.count)
    #expect(try await count("workspace=") == all.count { $0["workspace_id"]?.isNull ?? true })
    let first = try #require(all.first)
    #expect(try await count("name=\(first.cell("name"))", "organization_id=\(first.cell("organization_id"))") == 1)
    #expect(try await count("name~\(first.cell("name").dropFirst(2))") ?? 0 >= 1)
    #expect(try await count("name^\(first.cell("name").prefix(3))") ?? 0 >= 1)
    let runs = try await desk.daybook("list", "runs", "--where", "pipeline=\(first.cell("id"))", "--json")
    #expect(try runs.json().arrayValue?.allSatisfy { $0["pipeline_id"] == first["id"] } == true)
    let wrong = try await desk.daybook("list", "pipelines", "--where", "stauts=active")
    #expect(wrong.status == .code(64) && wrong.errors.contains("Did you mean status"))
    #expect(try await desk.daybook("list", "pipelines", "--where", "active").errors.contains("field=value"))
    let columns = try await desk.daybook("list", "pipelines", "--columns", "name,status")
    #expect(columns.lines.first == columns.lines.first.flatMap { $0.hasPrefix("NAME") ? $0 : nil })
    #expect(try await desk.daybook("list", "pipelines", "--columns", "nam").status == .code(64))
  }

  @Test func `call takes names where ids are wanted, and times as people say them`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await desk.makePipeline()
        let created = try await desk.call("pipeline.create", ["organization_id": "acme", "name": "hourly"])
        #expect(created["version"] == 1)
        let got = try await desk.call("pipeline.get", ["id": "Daily Load"])
        #expect(got["item"]?["id"] == .string(id))
        let none = try await desk.daybook("call", "pipeline.get", #"{"id":"daly load"}"#)
        #expect(none.status == .code(1) && none.errors.contains("Did you mean “daily load”?"), "\(none.errors)")
        let past = try await desk.daybook("call", "pipeline.get", #"{"id":"daily load","as_of":"yesterday"}"#)
        #expect(past.status == .code(1) && past.errors.contains("There is no pipeline"), "\(past.errors)")
        let audit = try await desk.call("audit.search", ["since": "an hour ago", "resource_type": "pipeline"])
        #expect(audit["items"]?.arrayValue?.isEmpty == false)
      }
    }
  }

  /// Asks at a terminal of 80 columns, which no line passes.
  private func ask(_ desk: Desk, _ arguments: String...) async throws -> ProgramResult {
    let shown = try await desk.atTerminal(arguments, environment: ["NO_COLOR": "1"])
    #expect(shown.status == .code(0), "\(arguments): \(shown.output)")
    if arguments.first != "lineage" {
      for line in shown.lines { #expect(line.count <= 80, "\(arguments): \(line)") }
    }
    return shown
  }
}

extension JSON {
  /// A member's text, as a column shows it.
  fileprivate func cell(_ key: String) -> String { self[key]?.stringValue ?? self[key]?.canonicalString ?? "" }
}
