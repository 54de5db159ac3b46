import CanonicalJSON
import DaybookClient
import Glibc
import TestBasics
import Testing

extension Acceptance {
  @Suite struct CrashTests {
    @Test(.seeded, .timeLimit(.minutes(isThorough ? 30 : 4)))
    func `kill -9 at random moments under load loses nothing acknowledged and doubles nothing`() async throws {
      let rounds = isThorough ? 50 : 6
      var chance = try Seeded()
      try await withServer { server in
        let first = try await server.client()
        let organization = try await first.organization("crash")
        let ledger = Ledger()
        for round in 1...rounds {
          let before = await ledger.acknowledged.count
          let load = Load(on: server, organization: organization, ledger: ledger)
          try await load.acknowledged(atLeast: before + Int.random(in: 1...150, using: &chance))
          // Somewhere inside whatever the server is doing then.
          try await Task.sleep(for: .microseconds(Int.random(in: 0...20_000, using: &chance)))
          if round % 3 == 0 { server.signalPostgres(SIGKILL) }
          try await server.kill()
          try await load.stop()
          try await LoadCheck.verifies(server)
          try await server.start()
          let client = try await server.client()
          try await LoadCheck.acknowledgedIsThere(ledger, client)
          #expect(await ledger.refused.isEmpty, "round \(round)")
          try await client.close()
        }
        let client = try await server.client()
        try await LoadCheck.completes(ledger, client)
        try await LoadCheck.postgresAgrees(ledger, server, client)
        try await LoadCheck.verifies(server)
        #expect(await ledger.refused.isEmpty)
      }
    }
  }
}
