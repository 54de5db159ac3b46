import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  @Suite struct QueryTests {
    @Test(.timeLimit(.minutes(2)))
    func `lists filter, order, and page by cursors that stay stable while rows are added`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("lists")
      let kinds = ["flow", "page", "dag"]
      for index in 0..<25 {
        var params: JSONObject = [
          "organization_id": .string(organization), "name": .string("list \(index < 10 ? "0" : "")\(index)"),
          "kind": .string(kinds[index % 3]), "tags": index % 2 == 0 ? ["even", "all"] : ["all"],
        ]
        if index % 5 == 0 { params["description"] = .string("every fifth") }
        _ = try await client.call("pipeline.create", params)
      }
      let here: JSON = .string(organization)
      func names(_ filter: JSONObject, _ order: String = "name") async throws -> [String] {
        try await client.all(
          "pipeline.list", ["where": .object(filter.merging(["organization_id": here])), "order": .string(order)],
          limit: 4
        )
        .compactMap { $0["name"]?.stringValue }
      }
      let all = (0..<25).map { "list \($0 < 10 ? "0" : "")\($0)" }
      #expect(try await names([:]) == all)
      #expect(try await names([:], "-name") == all.reversed())
      #expect(try await names(["kind": "page"]) == all.indices.filter { $0 % 3 == 1 }.map { all[$0] })
      #expect(try await names(["kind": ["ne": "page"]]).count == 17)
      #expect(try await names(["kind": ["in": ["page", "dag"]]]).count == 16)
      #expect(try await names(["name": ["gte": "list 05", "lt": "list 08"]]) == ["list 05", "list 06", "list 07"])
      #expect(try await names(["name": ["gt": "list 22", "lte": "list 24"]]) == ["list 23", "list 24"])
      #expect(try await names(["name": ["prefix": "list 1"]]).count == 10)
      #expect(try await names(["tags": ["contains": "even"]]).count == 13)
      #expect(try await names(["description": ["is_null": true]]).count == 20)
      #expect(try await names(["description": ["is_null": false]]).count == 5)
      #expect(try await names(["kind": ["eq": "dag"], "description": "every fifth"]) == ["list 05", "list 20"])

      // Rows that come while somebody pages neither repeat nor push out what was there.
      let first = try await client.call(
        "pipeline.list", ["where": ["organization_id": here], "order": "name", "limit": 10])
      _ = try await client.created("pipeline", ["organization_id": here, "name": "list 00 before"])
      let second = try await client.call(
        "pipeline.list",
        [
          "where": ["organization_id": here], "order": "name", "limit": 10,
          "cursor": try #require(first["next_cursor"]),
        ])
      #expect(second["items"]?.arrayValue?.compactMap { $0["name"]?.stringValue } == Array(all[10..<20]))

      let unknown = try await client.refusal("pipeline.list", ["where": ["colour": "red"]])
      #expect(unknown.code == .invalidParams && unknown.data["problems"]?.canonicalString.contains("colour") == true)
      for params: JSONObject in [
        ["limit": 1001], ["limit": 0], ["cursor": "nonsense"], ["order": "nonsense"],
        ["where": ["name": ["like": "x"]]],
      ] {
        #expect(try await client.refusal("pipeline.list", params).code == .invalidParams, "\(params)")
      }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a list reads its own connection's writes, and one that can't wait that long is stale`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("own")
      for index in 0..<20 {
        // Not waited for: the list counts what was sent before it, answered or not.
        let reply = client.send(
          "pipeline.create", ["organization_id": .string(organization), "name": .string("w\(index)")])
        let listed = try await client.call(
          "pipeline.list", ["where": ["organization_id": .string(organization)], "limit": 100])
        #expect(listed["items"]?.arrayValue?.count == index + 1)
        _ = try await reply.value
      }
      let head = try await client.head()
      let stale = try await client.refusal(
        "pipeline.list", ["at_least": .integer(head + 1000), "timeout_ms": 200])
      #expect(stale.number == -32030 && stale.code == .stale)
      #expect(
        stale.data["at_least"]?.integerValue == head + 1000
          && (stale.data["position"]?.integerValue ?? 0) <= head + 1000)
    }

    @Test(.timeLimit(.minutes(1)))
    func `audit.search tells who, what, when, where from, why, before and after`() async throws {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let tenant = try await Tenant.make(admin, "audit")
      let client = try await server.client(email: tenant.email, password: tenant.password)
      let pipeline = try await client.created(
        "pipeline", ["organization_id": .string(tenant.organization), "name": "before"])
      _ = try await client.call(
        "pipeline.edit",
        ["id": .string(pipeline), "name": "after", "reason": "renamed for the audit", "correlation_id": "ticket-7"])
      let run = try #require(try await client.call("run.start", ["pipeline_id": .string(pipeline)])["id"]?.stringValue)
      _ = try await client.call("run.finish", ["id": .string(run), "status": "failed"])
      func search(_ params: JSONObject) async throws -> [JSON] {
        try await admin.all(
          "audit.search", params.merging(["at_least": .integer(try await admin.head()), "timeout_ms": 60_000]))
      }
      let rows = try await search(["resource_id": .string(pipeline), "order": "position"])
      #expect(rows.compactMap { $0["event"]?.stringValue } == ["pipeline.created", "pipeline.edited"])
      let edit = try #require(rows.last)
      #expect(edit["actor"]?.stringValue == "user:\(tenant.user)" && edit["action"] == "update")
      #expect(edit["at"]?.stringValue?.hasSuffix("Z") == true && edit["reason"] == "renamed for the audit")
      #expect(edit["changes"]?["name"]?["from"] == "before" && edit["changes"]?["name"]?["to"] == "after")
      #expect(edit.canonicalString.contains("127.0.0.1"), "where from: \(edit.canonicalString)")
      #expect(
        try await search(["actor": .string("user:\(tenant.user)")]).count == 5, "four commands, and the sign-in before")
      #expect(
        try await search(["actor": .string("user:\(tenant.user)"), "action": "create", "resource_type": "pipeline"])
          .count == 1)
      #expect(try await search(["organization_id": .string(tenant.organization), "resource_type": "run"]).count == 2)
      #expect(try await search(["resource_id": .string(pipeline), "text": "renamed"]).count == 1)
      let at = try #require(edit["at"])
      #expect(try await search(["resource_id": .string(pipeline), "since": at]).count == 1)
      #expect(try await search(["resource_id": .string(pipeline), "until": at]).count == 1)
      let credential = try await admin.created(
        "credential", ["organization_id": .string(tenant.organization), "name": "c", "data": ["k": "v"]])
      _ = try await admin.call("credential.reveal", ["id": .string(credential), "reason": "to see it"])
      #expect(
        try await search(["resource_id": .string(credential), "action": "read"]).count == 1,
        "a reveal is an audited read")
      // A key of another organization finds nothing of it.
      let other = try await server.client(apiKey: try await Tenant.make(admin, "audit2").apiKey)
      #expect(try await other.all("audit.search", ["resource_id": .string(pipeline)]).isEmpty)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a subscription gets history first and then what happens, in order and without gaps`() async throws {
      let server = try await SharedServer.get()
      let writer = try await server.client()
      let organization = try await writer.organization("live")
      for index in 0..<30 {
        _ = try await writer.created(
          "pipeline", ["organization_id": .string(organization), "name": .string("old \(index)")])
      }
      let reader = try await server.client()
      let subscribed = try await reader.call("log.subscribe", ["from": 1])
      #expect(subscribed.objectValue?.contains("subscription") == true)
      let writing = Task {
        for index in 0..<60 {
          _ = try await writer.created(
            "pipeline", ["organization_id": .string(organization), "name": .string("new \(index)")])
        }
        return try await writer.head()
      }
      var positions: [Int64] = []
      var wanted = Int64.max
      let head = Task { try await writing.value }
      for await notification in reader.notifications where notification.method == "log.event" {
        let record = JSON.object(notification.params)
        let header = try #require(
          record["header"] ?? record["record"]?["header"], "\(record.canonicalString.prefix(300))")
        positions.append(try #require(header["position"]?.integerValue))
        if wanted == .max, positions.count % 10 == 0, positions.count > 60 { wanted = try await head.value }
        if let last = positions.last, last >= wanted { break }
      }
      #expect(positions == Array(1...(positions.last ?? 0)))
      #expect(positions.last ?? 0 >= wanted)
      _ = try await reader.call("log.unsubscribe", ["subscription": try #require(subscribed["subscription"])])
    }

    @Test(.timeLimit(.minutes(1)))
    func `server.status tells a key of the server, and an administrator of its PostgreSQL and data folder too`()
      async throws
    {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let status = try await admin.call("server.status")
      for name in ["version", "position", "tree_size", "catalog_revision", "addresses", "postgres", "data_folder"] {
        #expect(status.objectValue?.contains(name) == true, "\(name) is missing")
      }
      #expect(status.objectValue?.keys.contains { $0.hasPrefix("uptime") } == true)
      #expect(status["data_folder"]?.stringValue == server.data)
      #expect(try await server.psql("SELECT 1") == "1", "psql takes postgres.url as it stands")
      let keyed = try await server.client(apiKey: try await Tenant.make(admin, "status").apiKey)
      let theirs = try await keyed.call("server.status")
      #expect(theirs["postgres"] == nil && theirs["data_folder"] == nil && theirs["version"] == status["version"])
    }

    @Test(.timeLimit(.minutes(1)))
    func `rpc.discover is OpenRPC and lists every method of the protocol page`() async throws {
      let document = try await SharedServer.get().client().call("rpc.discover")
      #expect(document["openrpc"]?.stringValue?.hasPrefix("1.") == true && document["info"]?["title"] != nil)
      let methods = try #require(document["methods"]?.arrayValue)
      let names = methods.compactMap { $0["name"]?.stringValue }
      #expect(Set(names).count == names.count)
      let types = [
        "organization", "user", "membership", "api_key", "connection", "credential", "pipeline", "run", "task_run",
        "dataset",
        "lineage_edge", "alert",
      ]
      var wanted = types.flatMap { type in
        ["create", "edit", "delete", "get", "list", "history", "diff"].map { "\(type).\($0)" }
      }
      wanted += [
        "user.set_password", "user.verify_email", "user.deactivate", "user.reactivate", "session.open", "session.close",
        "session.whoami",
        "api_key.revoke", "connection.test", "connection.set_default", "credential.rotate", "credential.reveal",
        "connection.reveal", "pipeline.reveal", "run.reveal",
        "pipeline.publish",
        "pipeline.pause", "pipeline.resume", "pipeline.archive", "pipeline.deprecate", "pipeline.versions",
        "pipeline.name_version",
        "pipeline.rollback", "pipeline.next_runs", "pipeline.mark_synced", "pipeline.mark_sync_failed", "run.preview",
        "run.start", "run.begin", "run.finish", "run.cancel", "run.log", "run.measure", "task_run.start",
        "task_run.finish", "task_run.retry", "alert.raise", "alert.acknowledge", "alert.resolve", "alert.close",
        "alert.escalate",
        "openlineage.record", "lineage_edge.link", "lineage_edge.unlink", "batch.apply", "audit.search",
        "lineage.graph", "log.read",
        "log.subscribe", "log.unsubscribe", "log.head", "log.checkpoint", "log.proof", "projection.status",
        "projection.rebuild",
        "projection.retry", "projection.verify", "projection.skip", "projection.unskip", "server.ping", "server.status",
        "server.metrics",
        "rpc.discover",
      ]
      let missing = wanted.filter { !names.contains($0) }
      #expect(missing.isEmpty, "not in rpc.discover: \(missing)")
      for method in methods {
        for parameter in method["params"]?.arrayValue ?? [] {
          #expect(
            parameter["name"]?.stringValue != nil && parameter["schema"] != nil,
            "\(method["name"]?.canonicalString ?? "")")
        }
        #expect(method["result"]?["schema"] != nil, "\(method["name"]?.canonicalString ?? "")")
      }
    }

    @Test(.timeLimit(.minutes(1)))
    func `the log proves itself over the socket: head, checkpoint, inclusion and consistency`() async throws {
      let client = try await SharedServer.get().client()
      let head = try await client.head()
      let note = try #require(try await client.call("log.checkpoint")["note"]?.stringValue)
      let lines = note.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines.count >= 5 && Int64(lines[1]) ?? 0 >= head && lines[3].isEmpty && lines[4].hasPrefix("— "))
      #expect(try await client.call("log.proof", ["position": 1])["hashes"]?.arrayValue != nil)
      #expect(try await client.call("log.proof", ["from_size": 1])["hashes"]?.arrayValue != nil)
    }
  }
}
