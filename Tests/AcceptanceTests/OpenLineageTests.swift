import BasicTypes
import CanonicalJSON
import DaybookClient
import Foundation
import TestBasics
import Testing

extension Acceptance {
  @Suite(.needsSharedData)
  struct OpenLineageTests {
    private static let names = [
      "openlineage/compatibility_74_run_events.ndjson", "marquez/metadata_26_run_events.json",
      "marquez/event_large.json",
      "marquez/event_required_no_timezone.json", "marquez/event_unicode.json", "marquez/event_without_schema_url.json",
    ]

    private func files() throws -> [String] {
      let folder = try #require(Repository.sharedData)
      return Self.names.map { "\(folder)/\($0)" }
    }

    /// All events of all files.
    private func events() throws -> [JSON] {
      try files().flatMap { file -> [JSON] in
        let bytes = try TestFiles.bytes(file)
        if file.hasSuffix(".ndjson") { return try bytes.split(separator: 0x0A).map { try JSON.parse(Array($0)) } }
        let whole = try JSON.parse(bytes)
        return whole.arrayValue ?? [whole]
      }
    }

    @Test(.seeded, .timeLimit(.minutes(4)))
    func `all files load completely, and shuffled and doubled they give the same states`() async throws {
      let seed = try Seeded().seed
      let events = try events()
      #expect(events.count == 74 + 26 + 4)
      let inOrder = try await withServer { server in
        let result = try await server.run(["import", "openlineage", "--json"] + (try files()))
        #expect(result.status == .code(0), "\(result.output) \(result.errors)")
        #expect(try result.json()["failed"] == 0 && result.json()["read"]?.integerValue == Int64(events.count))
        let client = try await server.client()
        // A new cluster may take longer than a call waits for it.
        try await client.caughtUp()
        let acts = try await client.acts()
        let again = try await server.run(["import", "openlineage", "--json"] + (try files()))
        #expect(again.status == .code(0), "\(again.errors)")
        #expect(try await client.acts() == acts, "a second import records nothing: \(again.output)")
        try await checkRuns(client, events)
        try await checkColumnLineage(server, client, events)
        return try await states(server)
      }
      for round in 0..<(isThorough ? 5 : 1) {
        var chance = Seeded(seed: seed &+ UInt64(round))
        let shuffled = (events + events).shuffled(using: &chance)
        let mixed = try await withServer { server in
          let file = server.folder.path + "/shuffled.ndjson"
          try TestFiles.write(shuffled.flatMap { $0.canonicalBytes + [0x0A] }, to: file)
          let result = try await server.run(["import", "openlineage", file, "--json"])
          #expect(result.status == .code(0), "\(result.output) \(result.errors)")
          return try await states(server)
        }
        #expect(Set(mixed.keys) == Set(inOrder.keys), "round \(round)")
        for (name, state) in inOrder.sorted(by: { $0.key < $1.key }) {
          guard let other = mixed[name], other != state else { continue }
          for field in Set(state.keys + other.keys).sorted() where state[field] != other[field] {
            let (was, became) = (
              state[field]?.canonicalString.prefix(300) ?? "-", other[field]?.canonicalString.prefix(300) ?? "-"
            )
            Issue.record(
              "round \(round): \(name) \(field): in order \(was), shuffled and doubled \(became)")
          }
        }
      }
    }

    /// Every state by a name that doesn't depend on the order of arrival, without what does by nature: ids made by the
    /// server, numbers, versions, times.
    private func states(_ server: DaybookProcess) async throws -> [String: JSONObject] {
      let client = try await server.client()
      try await client.caughtUp()
      var names: [String: String] = [:]
      var items: [(String, JSONObject)] = []
      for type in ["organization", "pipeline", "run", "dataset", "lineage_edge"] {
        for item in try await client.all(
          "\(type).list", ["at_least": .integer(try await client.head()), "timeout_ms": 60_000])
        {
          let object = try #require(item.objectValue)
          let id = try #require(object["id"]?.stringValue)
          let own = [object["slug"], object["namespace"], object["name"]].compactMap { $0?.stringValue }.joined(
            separator: " ")
          let organization = names[object["organization_id"]?.stringValue ?? ""] ?? ""
          switch type {
          case "organization": names[id] = "organization \(own)"
          case "run": names[id] = "run \(object["external_id"]?.stringValue ?? id)"
          case "lineage_edge":
            names[id] =
              "edge \(names[object["source_id"]?.stringValue ?? ""] ?? "?") -> \(names[object["target_id"]?.stringValue ?? ""] ?? "?")"
          default: names[id] = "\(type) \(organization) \(own)"
          }
          items.append((id, object))
        }
      }
      let byNature: Set<String> = [
        "id", "number", "version", "created_at", "updated_at", "created_by", "version_number", "pipeline_version",
        "published_at",
      ]
      func renamed(_ value: JSON) -> JSON {
        switch value {
        case .string(let text): return .string(names[text] ?? text)
        case .array(let elements):
          let all = elements.map(renamed)
          // Ids stand in the order of arrival, and mean a set.
          let texts = all.compactMap(\.stringValue)
          return texts.count == all.count && elements != all ? .array(texts.sorted().map(JSON.string)) : .array(all)
        case .object(let object): return .object(object.mapValues(renamed))
        default: return value
        }
      }
      var states: [String: JSONObject] = [:]
      for (id, object) in items {
        let name = try #require(names[id])
        #expect(states[name] == nil, "twice: \(name)")
        states[name] = object.filter { !byNature.contains($0.key) }.mapValues(renamed)
      }
      #expect(states.count > 60)
      return states
    }

    /// Each run's state as the resources page decides it, worked out here from the events alone.
    private func checkRuns(_ client: DaybookClient, _ events: [JSON]) async throws {
      let rank = ["COMPLETE": 3, "FAIL": 2, "ABORT": 1]
      let final = ["COMPLETE": "success", "FAIL": "failed", "ABORT": "cancelled"]
      var reports: [String: [(kind: String, at: Timestamp)]] = [:]
      for event in events {
        let run = try #require(event["run"]?["runId"]?.stringValue)
        let at = try #require(event["eventTime"]?.stringValue.flatMap { Timestamp($0, assumingUTC: true) })
        reports[run, default: []].append((event["eventType"]?.stringValue ?? "OTHER", at))
      }
      let items = try await client.all(
        "run.list", ["at_least": .integer(try await client.head()), "timeout_ms": 60_000]
      ).compactMap(
        \.objectValue)
      for (run, all) in reports {
        guard
          let item = items.first(where: {
            ($0["external_id"]?.stringValue ?? $0["id"]?.stringValue) == run || $0["id"]?.stringValue == run
          })
        else {
          Issue.record("no run \(run)")
          continue
        }
        let last = all.filter { final[$0.kind] != nil }.max {
          ($0.at, rank[$0.kind] ?? 0) < ($1.at, rank[$1.kind] ?? 0)
        }
        let begins = all.filter { $0.kind == "START" || $0.kind == "RUNNING" }.map(\.at)
        let expected = last.flatMap { final[$0.kind] } ?? (begins.isEmpty ? "pending" : "running")
        #expect(item["status"]?.stringValue == expected, "run \(run)")
        #expect(
          item["completed_at"]?.stringValue.flatMap { Timestamp($0) } == last?.at,
          "run \(run) ended at \(item["completed_at"] ?? nil)")
        let isOneTry = all.count { final[$0.kind] != nil } <= 1 && all.count { $0.kind == "START" } <= 1
        if isOneTry, let start = all.filter({ $0.kind == "START" }).map(\.at).min() {
          #expect(
            item["started_at"]?.stringValue.flatMap { Timestamp($0) } == begins.min() ?? start, "run \(run) began")
        }
      }
    }

    /// Upstream and downstream of each dataset with column lineage from Spark, over the socket and on the command line.
    private func checkColumnLineage(_ server: DaybookProcess, _ client: DaybookClient, _ events: [JSON]) async throws {
      var seen: Set<String> = []
      for event in events where event["producer"]?.stringValue?.contains("spark") == true {
        for output in event["outputs"]?.arrayValue ?? [] {
          guard let fields = output["facets"]?["columnLineage"]?["fields"]?.objectValue,
            let job = event["job"]?["namespace"]?.stringValue, let namespace = output["namespace"]?.stringValue,
            let name = output["name"]?.stringValue, seen.insert("\(job) \(namespace) \(name)").inserted
          else { continue }
          let organizations = try await client.all("organization.list", ["where": ["slug": "openlineage"]])
          let organization = try #require(organizations.first?["id"], "the organization for all namespaces, \(job) too")
          func dataset(_ namespace: String, _ name: String) async throws -> String {
            let found = try await client.all(
              "dataset.list",
              ["where": ["organization_id": organization, "namespace": .string(namespace), "name": .string(name)]])
            #expect(found.count == 1, "\(namespace) \(name)")
            return try #require(found.first?["id"]?.stringValue)
          }
          let target = try await dataset(namespace, name)
          let up = try await client.call("lineage.graph", ["id": .string(target), "direction": "up", "depth": 1])
          #expect(up["truncated"] == false)
          for (column, entry) in fields {
            for input in entry["inputFields"]?.arrayValue ?? [] {
              let source = try await dataset(input["namespace"]?.stringValue ?? "", input["name"]?.stringValue ?? "")
              #expect(up["nodes"]?.arrayValue?.contains { $0["id"]?.stringValue == source } == true)
              let edge = up["edges"]?.arrayValue?.first {
                $0["source_id"]?.stringValue == source && $0["target_id"]?.stringValue == target
              }
              let columns = edge?["columns"]?.arrayValue ?? []
              #expect(
                columns.contains { $0["target"]?.stringValue == column && $0["source"] == input["field"] },
                "\(name).\(column) ← \(input.canonicalString.prefix(200)): \(edge?.canonicalString.prefix(400) ?? "no edge")"
              )
              let down = try await client.call("lineage.graph", ["id": .string(source), "direction": "down"])
              #expect(
                down["nodes"]?.arrayValue?.contains { $0["id"]?.stringValue == target } == true,
                "downstream of \(input)")
            }
          }
          let first = fields.first { !($0.value["inputFields"]?.arrayValue ?? []).isEmpty }?.value["inputFields"]?
            .arrayValue?.first
          let inputName = try #require(first?["name"]?.stringValue)
          let drawn = try await server.run(["lineage", target, "--direction", "up"])
          #expect(drawn.status == .code(0) && drawn.output.contains(inputName), "\(drawn.output) \(drawn.errors)")
          let source = try await dataset(first?["namespace"]?.stringValue ?? "", inputName)
          let below = try await server.run(["lineage", source, "--direction", "down"])
          #expect(below.status == .code(0) && below.output.contains(name), "\(below.output) \(below.errors)")
        }
      }
      #expect(seen.count >= 3, "\(seen)")
    }

    @Test(.timeLimit(.minutes(1)))
    func `a key's import stays in its own organization`() async throws {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let tenant = try await Tenant.make(admin, "import")
      let before = try await admin.all("organization.list").count
      let file = try #require(Repository.sharedData) + "/marquez/event_unicode.json"
      let result = try await runProgram(
        [try Programs.built("daybook"), "import", "openlineage", file, "--json"], in: server.folder,
        environment: ["DAYBOOK_CONNECT": try await server.tcpAddress().description, "DAYBOOK_API_KEY": tenant.apiKey])
      #expect(result.status == .code(0), "\(result.errors)")
      #expect(try await admin.all("organization.list").count == before)
      let client = try await server.client(apiKey: tenant.apiKey)
      let head: JSON = .integer(try await admin.head())
      let pipelines = try await client.all("pipeline.list", ["at_least": head, "timeout_ms": 60_000])
      #expect(pipelines.compactMap { $0["name"]?.stringValue } == ["myjob.buggy_task🕷"])
      #expect(try await client.all("dataset.list", ["at_least": head, "timeout_ms": 60_000]).count == 3)
    }

    @Test(.timeLimit(.minutes(1)))
    func `standard input is imported too, and what can't be recorded is told with its line`() async throws {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let organization = try await admin.organization("stdin")
      let good =
        #"{"eventType":"START","eventTime":"2026-01-01T00:00:00Z","run":{"runId":"no uuid at all"},"job":{"namespace":"n","name":"j"}}"#
      let file = server.folder.path + "/bad.ndjson"
      try TestFiles.write(Array("\(good)\n{\"eventType\":\"START\"}\nnot json\n".utf8), to: file)
      let result = try await runProgram(
        [
          "sh", "-c", "exec \"$0\" import openlineage - --organization \"$1\" --json < \"$2\"",
          try Programs.built("daybook"), organization, file,
        ],
        in: server.folder, environment: ["DAYBOOK_CONNECT": server.unixAddress.description])
      #expect(result.status == .code(1), "\(result)")
      #expect(result.errors.contains("2"), "\(result.errors)")
      #expect(result.output.contains(#""passed_over":1"#), "what is no event is counted: \(result.output)")
      let runs = try await admin.all(
        "run.list",
        [
          "where": ["organization_id": .string(organization)], "at_least": .integer(try await admin.head()),
          "timeout_ms": 60_000,
        ])
      #expect(runs.count == 1 && runs.first?["external_id"] == "no uuid at all" && runs.first?["status"] == "running")
    }
  }
}
