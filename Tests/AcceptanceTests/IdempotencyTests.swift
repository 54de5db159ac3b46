import CanonicalJSON
import DaybookClient
import Glibc
import Refusals
import TestBasics
import Testing

extension Acceptance {
  @Suite struct IdempotencyTests {
    @Test(.timeLimit(.minutes(2)))
    func `the same command_id answers the first result again and refuses other params, also after restarts`()
      async throws
    {
      try await withServer { server in
        var client = try await server.client()
        let organization = try await client.organization("once")
        let create: JSONObject = [
          "organization_id": .string(organization), "name": "once", "config": ["a": 1, "b": [2, 3]],
          "command_id": "create-1",
        ]
        let first = try await client.call("pipeline.create", create)
        let pipeline = try #require(first["id"]?.stringValue)
        let edit: JSONObject = [
          "id": .string(pipeline), "description": "one", "expected_version": 1, "command_id": "edit-1",
        ]
        let edited = try await client.call("pipeline.edit", edit)
        let batch: JSONObject = [
          "commands": [
            ["method": "pipeline.edit", "params": ["id": .string(pipeline), "description": "two"]],
            ["method": "pipeline.publish", "params": ["id": .string(pipeline)]],
          ], "command_id": "batch-1",
        ]
        let batched = try await client.call("batch.apply", batch)
        let acts = try await client.acts()

        for restart in ["none", "SIGTERM", "kill -9"] {
          if restart == "SIGTERM" { #expect(try await server.terminate() == .code(0)) }
          if restart == "kill -9" { try await server.kill() }
          if restart != "none" {
            try await server.start()
            client = try await server.client()
          }
          let here: Comment = "after restart by \(restart)"
          for (method, params, result) in [
            ("pipeline.create", create, first), ("pipeline.edit", edit, edited), ("batch.apply", batch, batched),
          ] {
            let again = try await client.call(method, params)
            #expect(again["replayed"] == true, here)
            for (name, value) in try #require(result.objectValue) where name != "results" {
              #expect(again[name] == value, "\(method): \(name), \(here)")
            }
          }
          let other = try await client.refusal("pipeline.create", create.merging(["name": "another"]))
          #expect(other.number == -32009 && other.code == .conflict && other.data["reason"] == "command", here)
          let method = try await client.refusal("pipeline.delete", ["id": .string(pipeline), "command_id": "create-1"])
          #expect(method.code == .conflict && method.data["reason"] == "command", here)
          #expect(try await client.acts() == acts, here)
        }

        // The order in which a client happens to write its keys is not a difference.
        let socket = try RawSocket.connect(to: Endpoint.parse(server.unixAddress))
        let swapped = try await socket.ask(
          #"{"params":{"command_id":"create-1","name":"once","config":{"b":[2,3],"a":1},"organization_id":"\#(organization)"},"method":"pipeline.create","jsonrpc":"2.0","id":1}"#
        )
        #expect(swapped["result"]?["replayed"] == true, "\(swapped.canonicalString)")
      }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a replayed answer says shown_once where a secret stood, and ids are an actor's own`() async throws {
      let server = try await SharedServer.get()
      let client = try await server.client()
      let tenant = try await Tenant.make(client, "ids")
      let params: JSONObject = [
        "organization_id": .string(tenant.organization), "name": "k", "permissions": ["*": ["read"]],
        "command_id": .string("key-\(tenant.slug)"),
      ]
      let first = try await client.call("api_key.create", params)
      let secret = try #require(first["api_key"]?.stringValue)
      #expect(secret.hasPrefix("dbk_"))
      let again = try await client.call("api_key.create", params)
      #expect(again["replayed"] == true && again["id"] == first["id"])
      #expect(again["api_key"]?.canonicalString.contains("shown_once") == true, "\(again.canonicalString)")
      #expect(!again.canonicalString.contains(secret))

      let keyed = try await server.client(apiKey: tenant.apiKey)
      let command: JSONObject = [
        "organization_id": .string(tenant.organization), "name": "own", "command_id": .string("shared-\(tenant.slug)"),
      ]
      let mine = try await client.call("pipeline.create", command)
      let theirs = try await keyed.call("pipeline.create", command)
      #expect(theirs["replayed"] == nil && theirs["id"] != mine["id"])

      let long = try await client.refusal(
        "pipeline.create", command.merging(["command_id": .string(String(repeating: "x", count: 129))]))
      #expect(long.code == .invalidParams && long.data["problems"]?.arrayValue?.first?["path"] == "/command_id")
    }

    @Test(.timeLimit(.minutes(1)))
    func
      `dry_run answers what would be recorded and records nothing, and a command that changes nothing records nothing`()
      async throws
    {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("dry")
      let pipeline = try await client.created("pipeline", ["organization_id": .string(organization), "name": "dry"])
      let acts = try await client.acts()
      let dry = try await client.call("pipeline.edit", ["id": .string(pipeline), "name": "wet", "dry_run": true])
      #expect(dry["events"]?.arrayValue?.first?["event"] == "pipeline.edited")
      let same = try await client.call("pipeline.edit", ["id": .string(pipeline), "name": "dry"])
      #expect(same["events"] == [])
      #expect(try await client.acts() == acts)
      #expect(try await client.item("pipeline", pipeline)["name"] == "dry")
    }

    @Test(.timeLimit(.minutes(1)))
    func `batch.apply applies all or none`() async throws {
      let client = try await SharedServer.get().client()
      let organization = try await client.organization("batch")
      let pipeline = try await client.created("pipeline", ["organization_id": .string(organization), "name": "b"])
      let acts = try await client.acts()
      let refused = try await client.refusal(
        "batch.apply",
        [
          "commands": [
            ["method": "pipeline.edit", "params": ["id": .string(pipeline), "name": "changed"]],
            ["method": "pipeline.edit", "params": ["id": .string(pipeline), "name": "again", "expected_version": 1]],
          ]
        ])
      #expect(refused.code == .conflict && refused.data["reason"] == "version")
      #expect(try await client.acts() == acts)
      #expect(try await client.item("pipeline", pipeline)["name"] == "b")
      let applied = try await client.call(
        "batch.apply",
        [
          "commands": [
            ["method": "pipeline.edit", "params": ["id": .string(pipeline), "name": "changed"]],
            ["method": "pipeline.edit", "params": ["id": .string(pipeline), "name": "again", "expected_version": 2]],
          ]
        ])
      let positions = (applied["results"]?.arrayValue ?? []).flatMap { $0["events"]?.arrayValue ?? [] }
        .compactMap(\.position)
      #expect(positions.count == 2 && positions.first.map { $0 + 1 } == positions.last)
      #expect(applied.position == positions.last)
      #expect(try await client.acts() == acts + 2)
    }
  }
}
