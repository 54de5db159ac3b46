import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  @Suite struct PipelineTests {
    @Test(.timeLimit(.minutes(2)))
    func `a pipeline edited three times has versions, diffs, and rolls back to version 1 as version 4`() async throws {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let tenant = try await Tenant.make(admin, "pipes")
      // A person does the editing, so that the history has someone to name.
      let client = try await server.client(email: tenant.email, password: tenant.password)
      let created = try await client.call(
        "pipeline.create",
        [
          "organization_id": .string(tenant.organization), "name": .string("load \(tenant.slug)"),
          "config": ["batch": ["size": 100, "mode": "fast"], "a/b": [1, 2]],
        ])
      let id = try #require(created["id"]?.stringValue)
      let one = try await client.item("pipeline", id)
      let edits: [JSONObject] = [
        ["config": ["batch": ["size": 200, "mode": "fast"], "a/b": [1, 2]], "reason": "bigger batches"],
        ["config": ["a/b": [1, 2], "batch": ["mode": "fast", "size": 200]], "reason": "only the order of keys"],
        ["config": ["batch": ["size": 200, "mode": "slow"], "a/b": [1, 3]], "schedule": "@daily"],
      ]
      var positions: [Int64] = [try #require(created.position)]
      for (number, edit) in edits.enumerated() {
        let result: JSON
        if number == 1 {
          // As it is written, in another order.
          let socket = try RawSocket.connect(to: try await server.tcpAddress())
          _ = try await socket.call(
            "session.open", ["email": .string(tenant.email), "password": .string(tenant.password)])
          let answer = try await socket.ask(
            #"{"jsonrpc":"2.0","id":1,"method":"pipeline.edit","params":{"id":"\#(id)","config":{"a/b":[1,2],"batch":{"mode":"fast","size":200}}}}"#
          )
          result = try #require(answer["result"], "\(answer.canonicalString)")
          #expect(result["events"] == [], "an edit that changes only key order records nothing")
        } else {
          result = try await client.call("pipeline.edit", edit.merging(["id": .string(id)]))
          positions.append(try #require(result.position))
        }
      }
      #expect(try await versionNumbers(client, id) == [1, 2, 3])

      let diff = try await client.call("pipeline.diff", ["id": .string(id), "from_version": 1, "to_version": 3])
      let changes = try #require(diff["changes"]?.objectValue)
      #expect(changes.contains("config") && changes.contains("schedule") && !changes.contains("name"))
      let config = try #require(changes["config"]?.canonicalString)
      for place in [#""/batch/size""#, #""/batch/mode""#, #""/a~1b/1""#] {
        #expect(config.contains(place), "\(place) is not in \(config)")
      }
      #expect(changes["schedule"]?["to"] == "@daily")
      let small = try await client.call("pipeline.diff", ["id": .string(id), "from_version": 1, "to_version": 2])
      #expect(small["changes"]?.objectValue?["config"]?.canonicalString.contains(#""/batch/mode""#) == false)

      let rolled = try await client.call(
        "pipeline.rollback", ["id": .string(id), "to_version": 1, "reason": "the slow mode missed a day"])
      #expect(rolled["events"]?.arrayValue?.compactMap { $0["event"]?.stringValue } == ["pipeline.rolled_back"])
      let four = try await client.item("pipeline", id)
      #expect(four["version_number"] == 4)
      for name in ["name", "config", "schedule", "description", "steps", "tags"] {
        #expect(four[name] == one[name], "\(name) is that of version 1")
      }
      #expect(try await versionNumbers(client, id) == [1, 2, 3, 4])
      let missing = try await client.refusal(
        "pipeline.rollback", ["id": .string(id), "to_version": 9, "reason": "there is none"])
      #expect([.invalidParams, .notFound].contains(missing.code), "\(missing)")

      try await checkHistory(client, id, tenant)
      // As it was, by position and by time.
      let two = try await client.call("pipeline.get", ["id": .string(id), "as_of": .integer(positions[1])])["item"]
      #expect(
        two?["version_number"] == 2 && two?["config"]?["batch"]?["size"] == 200
          && two?["config"]?["batch"]?["mode"] == "fast")
      let at = try #require(two?["updated_at"])
      let then = try await client.call("pipeline.get", ["id": .string(id), "as_of": at])["item"]
      #expect(then?["version_number"] == 2)

      try await checkCommandLine(server, id, name: "load \(tenant.slug)")
    }

    private func versionNumbers(_ client: DaybookClient, _ id: String) async throws -> [Int64] {
      try await client.all("pipeline.versions", ["id": .string(id)]).compactMap { $0["version_number"]?.integerValue }
        .sorted()
    }

    private func checkHistory(_ client: DaybookClient, _ id: String, _ tenant: Tenant) async throws {
      let history = try await client.all("pipeline.history", ["id": .string(id)])
      #expect(
        history.compactMap { $0["event"]?.stringValue } == [
          "pipeline.created", "pipeline.edited", "pipeline.edited", "pipeline.rolled_back",
        ])
      #expect(history.compactMap { $0["version"]?.integerValue } == [1, 2, 3, 4])
      #expect(history.allSatisfy { $0["actor"]?.stringValue == "user:\(tenant.user)" }, "who")
      #expect(history.allSatisfy { $0["at"]?.stringValue?.hasSuffix("Z") == true && ($0.position ?? 0) > 0 }, "when")
      #expect(history[1]["reason"] == "bigger batches" && history[3]["reason"] == "the slow mode missed a day", "why")
      let change = try #require(history[3]["changes"]?["config"], "from and to")
      #expect(change["from"]?["batch"]?["mode"] == "slow" && change["to"]?["batch"]?["size"] == 100)
      #expect(
        history[3]["changes"]?["schedule"]?["from"] == "@daily"
          && history[3]["changes"]?["schedule"]?["to"]?.isNull == true)
      // The same by pages of one.
      let pages = try await client.all("pipeline.history", ["id": .string(id)], limit: 1)
      #expect(pages == history)
    }

    private func checkCommandLine(_ server: DaybookProcess, _ id: String, name: String) async throws {
      let rolled = try await server.run(["rollback", id, "2", "--reason", "by hand"])
      #expect(rolled.status == .code(0), "\(rolled.errors)")
      let history = try await server.run(["history", "pipeline", id, "--json"])
      #expect(
        history.status == .code(0) && history.output.contains("by hand")
          && history.output.contains("pipeline.rolled_back"))
      let table = try await server.run(["history", "pipeline", id])
      #expect(table.status == .code(0) && table.output.contains("by hand"), "\(table.output) \(table.errors)")
      let wrong = try await server.run(["rollback", newID(), "1", "--reason", "nobody has it"])
      #expect(wrong.status == .code(1), "\(wrong)")
      let usage = try await server.run(["rollback"])
      #expect(usage.status == .code(64), "\(usage)")
    }

    @Test(.timeLimit(.minutes(1)))
    func `a rollback to content that is there already changes nothing, records nothing and says so`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("same")
      let pipeline = try await client.created("pipeline", ["organization_id": .string(organization), "name": "p"])
      let acts = try await client.acts()
      let rolled = try await client.call(
        "pipeline.rollback", ["id": .string(pipeline), "to_version": 1, "reason": "again"])
      #expect(rolled["events"] == [])
      #expect(try await client.acts() == acts)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a run is pinned to the version it ran, and walks its states`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("runs")
      let pipeline = try await client.created(
        "pipeline", ["organization_id": .string(organization), "name": "p", "config": ["v": 1]])
      _ = try await client.call("pipeline.edit", ["id": .string(pipeline), "config": ["v": 2]])
      let started = try await client.call("run.start", ["pipeline_id": .string(pipeline), "trigger_type": "manual"])
      let run = try #require(started["id"]?.stringValue)
      _ = try await client.call("pipeline.edit", ["id": .string(pipeline), "config": ["v": 3]])
      var item = try await client.item("run", run)
      #expect(item["status"] == "running" && item["pipeline_version"] == 2 && item["started_at"]?.stringValue != nil)
      #expect(item["organization_id"]?.stringValue == organization)
      _ = try await client.call(
        "run.log", ["id": .string(run), "lines": [["message": "hello"], ["message": "bye", "level": "ERROR"]]])
      _ = try await client.call(
        "run.measure", ["id": .string(run), "node_id": "n1", "rows_input": 10, "rows_output": 9])
      _ = try await client.call("run.finish", ["id": .string(run), "status": "success", "rows_processed": 9])
      item = try await client.item("run", run)
      #expect(item["status"] == "success" && item["rows_processed"] == 9 && item["completed_at"]?.stringValue != nil)
      let server = try await SharedServer.get()
      try await client.caughtUp()
      #expect(try await server.psql("SELECT count(*) FROM daybook.run_logs WHERE run_id = '\(run)'") == "2")
      #expect(
        try await server.psql(
          "SELECT message FROM personal.run_logs JOIN daybook.run_logs USING (id) WHERE run_id = '\(run)' AND level = 'ERROR'"
        )
          == "bye")
      #expect(
        try await server.psql("SELECT rows_input, rows_output FROM daybook.run_metrics WHERE run_id = '\(run)'")
          == "10|9")
    }

    @Test(.timeLimit(.minutes(1)))
    func `deletion follows references, cascades with an event each, or is refused and names what refers`() async throws
    {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("refs")
      let credential = try await client.created(
        "credential", ["organization_id": .string(organization), "name": "c", "data": ["token": "t"]])
      let connection = try await client.created(
        "connection",
        [
          "organization_id": .string(organization), "name": "db", "type": "postgres",
          "credential_id": .string(credential),
        ])
      let refused = try await client.refusal("credential.delete", ["id": .string(credential)])
      #expect(refused.number == -32009 && refused.data["reason"] == "reference")
      #expect(refused.data["referrers"]?.canonicalString.contains(connection) == true, "\(refused.data)")
      let pipeline = try await client.created("pipeline", ["organization_id": .string(organization), "name": "p"])
      let run = try #require(try await client.call("run.start", ["pipeline_id": .string(pipeline)])["id"]?.stringValue)
      let gone = try await client.call("pipeline.delete", ["id": .string(pipeline)])
      let events = gone["events"]?.arrayValue?.compactMap { $0["event"]?.stringValue } ?? []
      #expect(Set(events) == ["pipeline.deleted", "run.deleted"], "\(events)")
      for (type, id) in [("pipeline", pipeline), ("run", run)] {
        let refusal = try await client.refusal("\(type).get", ["id": .string(id)])
        #expect([.gone, .notFound].contains(refusal.code), "\(refusal)")
        let history = try await client.all("\(type).history", ["id": .string(id)])
        #expect(history.last?["event"]?.stringValue == "\(type).deleted", "a deleted resource keeps its history")
      }
    }
  }
}
