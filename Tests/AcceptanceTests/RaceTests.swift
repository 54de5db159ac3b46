import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  @Suite struct RaceTests {
    static let connections = 16
    static let rounds = isThorough ? 100 : 15

    /// Sends a call on every connection at once and returns what each got.
    private func race(
      _ clients: [DaybookClient], _ method: String, _ params: @Sendable @escaping (Int) -> JSONObject
    ) async -> [Result<JSON, ClientError>] {
      await withTaskGroup(of: (Int, Result<JSON, ClientError>).self) { group in
        for (index, client) in clients.enumerated() {
          group.addTask {
            do {
              return (index, .success(try await client.call(method, params(index))))
            } catch {
              return (index, .failure(error as? ClientError ?? .malformed("\(error)")))
            }
          }
        }
        var results = [Result<JSON, ClientError>](repeating: .failure(.closed("")), count: clients.count)
        for await (index, result) in group { results[index] = result }
        return results
      }
    }

    private func withClients<R>(_ body: ([DaybookClient]) async throws -> R) async throws -> R {
      let server = try await SharedServer.get()
      var clients: [DaybookClient] = []
      for _ in 0..<Self.connections { clients.append(try await server.client()) }
      let result = try await body(clients)
      for client in clients { try await client.close() }
      return result
    }

    @Test(.timeLimit(.minutes(5)))
    func `of sixteen connections that expect the same version exactly one wins, every round`() async throws {
      try await withClients { clients in
        let organization = try await clients[0].organization("race")
        let pipeline = try await clients[0].created(
          "pipeline", ["organization_id": .string(organization), "name": "raced"])
        for round in 1...Self.rounds {
          let version = try #require(
            try await clients[0].call("pipeline.get", ["id": .string(pipeline)])["version"]?.integerValue)
          let results = await race(clients, "pipeline.edit") { index in
            [
              "id": .string(pipeline), "expected_version": .integer(version),
              "description": .string("\(round) by \(index)"),
            ]
          }
          let winners = results.indices.filter { if case .success = results[$0] { true } else { false } }
          try #require(winners.count == 1, "round \(round): \(winners.count) winners, \(results)")
          for case .failure(let error) in results {
            guard case .remote(let refusal) = error, refusal.code == .conflict else {
              Issue.record("round \(round): \(error)")
              continue
            }
            #expect(refusal.number == -32009 && refusal.data["reason"] == "version")
            #expect(
              refusal.data["expected"]?.integerValue == version
                && refusal.data["actual"]?.integerValue == version + 1)
          }
          let item = try await clients[round % 16].item("pipeline", pipeline)
          #expect(item["description"]?.stringValue == "\(round) by \(winners[0])")
          #expect(item["version"]?.integerValue == version + 1)
        }
      }
    }

    @Test(.timeLimit(.minutes(5)))
    func `of sixteen connections that create the same slug exactly one wins, every round`() async throws {
      try await withClients { clients in
        for round in 1...Self.rounds {
          let slug = "slug-\(round)-\(newID().suffix(12))"
          let results = await race(clients, "organization.create") { index in
            ["name": .string("by \(index)"), "slug": .string(slug)]
          }
          let winners = results.indices.filter { if case .success = results[$0] { true } else { false } }
          try #require(winners.count == 1, "round \(round): \(winners.count) winners, \(results)")
          for case .failure(let error) in results {
            guard case .remote(let refusal) = error, refusal.code == .conflict else {
              Issue.record("round \(round): \(error)")
              continue
            }
            #expect(refusal.number == -32009 && refusal.data["reason"] == "unique")
            #expect(refusal.data["fields"]?.arrayValue?.contains("slug") == true, "\(refusal.data)")
          }
          let item = try await clients[0].call("organization.get", ["slug": .string(slug)])["item"]
          #expect(item?["name"]?.stringValue == "by \(winners[0])")
        }
      }
    }
  }
}
