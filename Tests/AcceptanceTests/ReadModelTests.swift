import CanonicalJSON
import DaybookClient
import Glibc
import Refusals
import TestBasics
import Testing

extension Acceptance {
  @Suite struct ReadModelTests {
    /// Something of every kind.
    private func fill(_ server: DaybookProcess) async throws -> Tenant {
      let admin = try await server.client()
      let tenant = try await Tenant.make(admin, "fill")
      let client = try await server.client(email: tenant.email, password: tenant.password)
      let organization: JSON = .string(tenant.organization)
      let credential = try await admin.created(
        "credential", ["organization_id": organization, "name": "c", "data": ["token": "t"]])
      _ = try await admin.created(
        "connection",
        [
          "organization_id": organization, "name": "db", "type": "postgres", "credential_id": .string(credential),
          "config": ["host": "db", "password": "pw", "port": 5432],
        ])
      var last = ""
      for index in 0..<12 {
        last = try await client.created(
          "pipeline",
          [
            "organization_id": organization, "name": .string("p\(index) ü 日本 \u{1F600} \"quoted\" \\ \t"),
            "tags": ["a b", "{c}", "\"d\""],
            "config": [
              "n": .integer(Int64(index)), "f": 1.5e-7, "big": .bigInteger("123456789012345678901234567890"),
              "null": nil,
            ],
          ])
        _ = try await client.call("pipeline.edit", ["id": .string(last), "description": "d", "reason": "why not"])
        let run = try #require(try await client.call("run.start", ["pipeline_id": .string(last)])["id"]?.stringValue)
        _ = try await client.call(
          "run.log", ["id": .string(run), "lines": [["message": "one"], ["message": "two", "metadata": ["k": 1]]]])
        _ = try await client.call("run.measure", ["id": .string(run), "node_id": "n", "rows_input": 5])
        if index % 2 == 0 { _ = try await client.call("run.finish", ["id": .string(run), "status": "success"]) }
      }
      _ = try await client.call("alert.raise", ["organization_id": organization, "message": "look"])
      _ = try await admin.call("pipeline.delete", ["id": .string(last)])
      if let data = Repository.sharedData {
        let imported = try await server.run(["import", "openlineage", data + "/marquez/metadata_26_run_events.json"])
        #expect(imported.status == .code(0), "\(imported.errors)")
      }
      return tenant
    }

    /// A digest of each table's rows, made by PostgreSQL and not by Daybook. The marker in `personal` carries the
    /// projector's epoch: it is no read model.
    private func digests(_ server: DaybookProcess) async throws -> String {
      let tables = try await server.psql(
        """
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('daybook', 'personal') AND c.relkind IN ('r', 'p') AND c.relname <> 'marker' ORDER BY 1
        """
      ).split(separator: "\n").map(String.init)
      #expect(tables.count > 15, "\(tables)")
      return try await server.psql(
        tables.map {
          "SELECT '\($0)', count(*), md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM \($0) AS t"
        }
        .joined(separator: " UNION ALL ") + " ORDER BY 1")
    }

    @Test(.timeLimit(.minutes(3)))
    func `the schema and the whole database come back from the log, row for row`() async throws {
      try await withServer { server in
        let tenant = try await fill(server)
        let client = try await server.client()
        try await client.caughtUp()
        let before = try await digests(server)
        #expect(!before.contains("daybook.pipelines|0|"))

        let check = try await server.run(["rebuild", "--check", "--json"])
        #expect(check.status == .code(0), "\(check.output) \(check.errors)")
        #expect(try await digests(server) == before)

        // A row that somebody changed by hand is found, and put right.
        _ = try await server.psql("UPDATE daybook.pipelines SET description = 'tampered' WHERE number = 3")
        let tampered = try await server.run(["rebuild", "--check", "--json"])
        #expect(tampered.status == .code(2), "\(tampered.output) \(tampered.errors)")
        let whole = try await server.run(["rebuild", "--json"])
        #expect(whole.status == .code(0), "\(whole.output) \(whole.errors)")
        try await client.caughtUp()
        let restored = try await digests(server)
        #expect(restored == before, "after a rebuild differ: \(Self.differing(before, restored))")

        _ = try await server.psql("DROP SCHEMA daybook CASCADE")
        try await rebuild(server)
        let again = try await digests(server)
        #expect(again == before, "after DROP SCHEMA daybook CASCADE differ: \(Self.differing(before, again))")
        #expect(try await server.run(["rebuild", "--check", "--json"]).status == .code(0))

        _ = try await server.psql("DROP DATABASE daybook WITH (FORCE)", database: "postgres")
        let pipeline = try await client.created(
          "pipeline", ["organization_id": .string(tenant.organization), "name": "while it was away"])
        _ = try await client.call("pipeline.delete", ["id": .string(pipeline)])
        try await rebuild(server)
        let after = try await digests(server)
        let changed = zip(before.split(separator: "\n"), after.split(separator: "\n")).filter { $0 != $1 }.map {
          "\($0.1)"
        }
        #expect(before.split(separator: "\n").count == after.split(separator: "\n").count)
        #expect(
          changed.allSatisfy { line in
            [
              "daybook.pipelines|", "daybook.audit_trail|", "personal.audit_trail|", "daybook.pipeline_versions|",
              "personal.pipeline_versions|",
            ]
            .contains { line.hasPrefix($0) }
          }, "after DROP DATABASE only what happened since differs: \(changed)")
        let emails = try await client.call("user.list", ["where": ["email": .string(tenant.email)]])
        #expect(emails["items"]?.arrayValue?.count == 1, "personal values are back too")
      }
    }

    /// The lines of two digests that aren't in both.
    private static func differing(_ left: String, _ right: String) -> [String] {
      Set(left.split(separator: "\n").map(String.init)).symmetricDifference(
        right.split(separator: "\n").map(String.init)
      ).sorted()
    }

    /// `daybook rebuild`, as often as it says that PostgreSQL isn't there yet.
    private func rebuild(_ server: DaybookProcess) async throws {
      let result = try await eventually("daybook rebuild", within: .seconds(60), every: .milliseconds(500)) {
        () -> ProgramResult? in
        let result = try await server.run(["rebuild", "--json"])
        return result.status == .code(69) ? nil : result
      }
      #expect(result.status == .code(0), "\(result.output) \(result.errors)")
      try await server.client().caughtUp()
    }

    @Test(.timeLimit(.minutes(4)))
    func `while PostgreSQL is stopped or dead no command is lost or refused, and lists answer again by themselves`()
      async throws
    {
      try await withServer { server in
        let client = try await server.client()
        let tenant = try await Tenant.make(client, "away")
        try await client.caughtUp()
        let ledger = Ledger()
        let load = Load(on: server, organization: tenant.organization, ledger: ledger, connections: 2, window: 4)
        try await load.acknowledged(atLeast: 30)

        // Stopped: it holds its connections and answers nothing.
        try #require(server.signalPostgres(SIGSTOP) > 0)
        try await load.acknowledged(atLeast: await ledger.acknowledged.count + 200)
        let waiting = try await server.client()
        let asked = ContinuousClock.now
        let refusal = try await waiting.refusal(
          "pipeline.list", ["timeout_ms": 500, "at_least": .integer(try await client.head())])
        #expect([.stale, .unavailable].contains(refusal.code), "\(refusal)")
        #expect(ContinuousClock.now - asked < .seconds(10), "a list doesn't hang with PostgreSQL")
        #expect(
          try await waiting.item("organization", tenant.organization)["slug"]?.stringValue == tenant.slug,
          "get needs no PostgreSQL")
        server.signalPostgres(SIGCONT)
        try await listsAnswer(server)

        // Killed: every process of it, with what it had in memory.
        try await load.acknowledged(atLeast: await ledger.acknowledged.count + 20)
        try #require(server.signalPostgres(SIGKILL) > 0)
        try await load.acknowledged(atLeast: await ledger.acknowledged.count + 200)
        try await listsAnswer(server)
        try await load.stop()

        let refused = await ledger.refused
        #expect(refused.isEmpty, "\(refused.prefix(3))")
        #expect(await ledger.open.isEmpty, "every command was answered")
        let after = try await server.client()
        try await LoadCheck.completes(ledger, after)
        try await LoadCheck.postgresAgrees(ledger, server, after)
        // The crash emptied the unlogged tables: they were filled again.
        let found = try await after.call("user.list", ["where": ["email": .string(tenant.email)], "timeout_ms": 20000])
        #expect(found["items"]?.arrayValue?.first?["email"]?.stringValue == tenant.email)
      }
    }

    private func listsAnswer(_ server: DaybookProcess) async throws {
      let client = try await server.client()
      _ = try await eventually("lists answer again", within: .seconds(60), every: .milliseconds(200)) { () -> Bool? in
        do {
          let head = try await client.head()
          return try await client.call("user.list", ["at_least": .integer(head), "timeout_ms": 60_000])["items"]?
            .arrayValue.map {
              !$0.isEmpty
            }
        } catch let error as ClientError {
          guard [.stale, .unavailable].contains(error.code) else { throw error }
          return nil
        }
      }
      try await client.close()
    }
  }
}
