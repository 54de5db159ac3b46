import CanonicalJSON
import DaybookClient
import Failpoints
import Glibc
import TestBasics
import Testing

extension Acceptance {
  /// A server under load that fails, or is killed, at each step of each change of what it stores.
  @Suite struct FailpointTests {
    /// What destroys keys can't be had within a test's time here: keys go by the month. `DestructionTests` of the vault
    /// kills a process at each of those steps, and `ErasureTests` and `RedactionTests` a server. What makes indexes
    /// anew is no server: see `ReindexTests` of the log.
    private static let points = Failpoint.allCases.filter {
      ![.destruction, .rotation, .erasure, .redaction, .reindexing].contains($0.change)
    }

    /// Which time the point is reached that counts: one at which the load is well under way.
    private static func turn(_ point: Failpoint) -> Int {
      switch point.change {
      case .commit: point == .logDecided ? 40 : 8
      case .posting: point == .postingUnit ? 30 : 3
      case .flushing, .newKeys, .destruction, .rotation, .erasure, .redaction, .reindexing: 2
      }
    }

    private static func order(_ point: Failpoint, _ deed: String) -> [String: String] {
      ["DAYBOOK_FAILPOINT": "\(point.rawValue):\(deed)@\(turn(point))"]
    }

    /// Makes users, each of whom needs a key of their own, until it is stopped or cut off.
    private static func people(on server: DaybookProcess, _ ledger: Ledger) -> Task<Void, any Error> {
      Task {
        let client = try await server.client()
        while !Task.isCancelled {
          let id = newID()
          let unique = id.suffix(12)
          let params: JSONObject = [
            "email": .string("person-\(unique)@example.com"), "username": .string("person-\(unique)"),
            "full_name": "Ada Example", "role": "developer", "password": "correct horse battery staple",
            "command_id": .string(id),
          ]
          let command = SentCommand(id: id, method: "user.create", params: params, creates: [])
          await ledger.send(command)
          do {
            await ledger.acknowledge(id, try await client.call(command.method, params))
          } catch let error as ClientError {
            guard case .remote = error else { return }
            await ledger.refuse(command, error)
          } catch is CancellationError {
            break
          }
        }
        try await client.close()
      }
    }

    @Test func `every failpoint is tried by some test`() {
      let elsewhere = [Failpoint.Change.destruction, .rotation, .erasure, .redaction, .reindexing].flatMap {
        Failpoint.of($0)
      }
      #expect(Set(Self.points).union(elsewhere) == Set(Failpoint.allCases))
    }

    @Test(.timeLimit(.minutes(12)))
    func `killed at any step, a server keeps what it acknowledged and nothing by halves`() async throws {
      try await withServer { server in
        let first = try await server.client()
        let organization = try await first.organization("killed")
        try await first.close()
        let ledger = Ledger()
        for point in Self.points {
          _ = try await server.terminate()
          try await server.start(environment: Self.order(point, "kill"))
          let load = Load(on: server, organization: organization, ledger: ledger)
          let people = Self.people(on: server, ledger)
          #expect(try await server.end() == .signal(SIGKILL), "\(point)")
          try await load.stop()
          try await people.value
          try await LoadCheck.verifies(server)
          try await server.start()
          let client = try await server.client()
          try await LoadCheck.acknowledgedIsThere(ledger, client)
          try await client.caughtUp()
          try await client.close()
        }
        try await Self.settle(server, ledger)
        #expect(await ledger.refused.isEmpty)
      }
    }

    @Test(.timeLimit(.minutes(12)), arguments: [Failpoint.Change.commit, .flushing, .newKeys, .posting])
    func `an error at any step undoes all of it, and the server goes on`(change: Failpoint.Change) async throws {
      try await withServer { server in
        let first = try await server.client()
        let organization = try await first.organization("failed")
        try await first.close()
        let ledger = Ledger()
        for point in Failpoint.of(change) where point.canFail {
          _ = try await server.terminate()
          try await server.start(environment: Self.order(point, "throw"))
          let refusals = await ledger.refused.count
          let load = Load(on: server, organization: organization, ledger: ledger)
          let people = Self.people(on: server, ledger)
          let line = "The failpoint \(point.rawValue) was told to fail."
          _ = try await eventually("\(point) has failed", within: .seconds(60)) { () -> Bool? in
            let isTold = await ledger.refused.count > refusals
            return isTold || TestFiles.text(server.errorFile).contains(line) ? true : nil
          }
          // Those that come after it are answered by the same process.
          try await load.acknowledged(atLeast: await ledger.acknowledged.count + 100)
          people.cancel()
          try await load.stop()
          try await people.value
          #expect(await server.status == nil, "\(point)")
          let client = try await server.client()
          try await client.caughtUp()
          try await LoadCheck.acknowledgedIsThere(ledger, client)
          try await client.close()
          try await LoadCheck.verifies(server)
          let told = await ledger.refused.dropFirst(refusals)
          // Posting and flushing are nobody's commands; whoever waits for a commit or for its keys is told.
          #expect(told.isEmpty == [.posting, .flushing].contains(change), "\(point): \(told)")
        }
        try await Self.settle(server, ledger)
      }
    }

    /// Sends again what had no answer or was refused; then the log and PostgreSQL have every command once.
    private static func settle(_ server: DaybookProcess, _ ledger: Ledger) async throws {
      let client = try await server.client()
      try await LoadCheck.completes(ledger, client)
      try await LoadCheck.postgresAgrees(ledger, server, client)
      try await client.close()
      try await LoadCheck.verifies(server)
    }
  }
}
