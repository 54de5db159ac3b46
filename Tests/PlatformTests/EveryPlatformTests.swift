import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Postgres
import Testing

/// What holds for each of the platforms.
@Suite struct EveryPlatformTests {
  @Test(arguments: PlatformArgument.all)
  func `every documented table, view and column is there with its type`(_ platform: PlatformArgument) async throws {
    try await TestReadModels.with { harness in
      try await PlatformChecks(harness, platform.sample.platform).expectDocumentedColumns()
    }
  }

  @Test(arguments: PlatformArgument.all)
  func `every column has a value, none is NULL that can't be, and every documented query runs`(
    _ platform: PlatformArgument
  ) async throws {
    try await TestReadModels.with { harness in
      _ = try await platform.sample.make(harness, "acme")
      let checks = try PlatformChecks(harness, platform.sample.platform)
      try await checks.expectValuesInEveryColumn()
      try await checks.expectNothingMissing()
      // One document has none.
      #expect(!checks.platform.queries.isEmpty || platform.sample.platform == ETLabTests.Tenant.platform)
      try await checks.expectQueriesRun()
    }
  }

  @Test(arguments: PlatformArgument.all)
  func `rows are those that the log has, and no others`(_ platform: PlatformArgument) async throws {
    func check<Sample: PlatformSample>(_ sample: Sample.Type) async throws {
      try await TestReadModels.with { harness in
        let tenant = try await Sample.make(harness, "acme")
        let other = try await Sample.make(harness, "globex")
        let elsewhere = try await harness.organization(
          "elsewhere", platform: Sample.platform == "etl_builder" ? "django_etl" : "etl_builder")
        _ = try await harness.make(
          "user", ["email": "x@elsewhere.example", "username": "x", "organization_id": .string(elsewhere)])
        let rules = try await Sample.addStrangers(harness, tenant, other)
        try await PlatformChecks(harness, Sample.platform).expectRowsOfTheLog(
          shown: rules.shown, belongs: rules.belongs)
        try await rules.afterwards()
      }
    }
    try await check(platform.sample)
  }

  @Test(arguments: PlatformArgument.all)
  func `a restricted role sees its own rows only, in every view of the schema`(
    _ platform: PlatformArgument
  ) async throws {
    func check<Sample: PlatformSample>(_ sample: Sample.Type) async throws {
      try await TestReadModels.with { harness in
        let acme = try await Sample.make(harness, "acme")
        let globex = try await Sample.make(harness, "globex")
        let checks = try PlatformChecks(harness, Sample.platform)
        let plain = try await harness.role(of: acme.organization, personal: false)
        let personal = try await harness.role(of: acme.organization, personal: true)
        let foreign = try await harness.role(of: globex.organization, personal: true)
        try await checks.expectApart(plain, foreign)
        for (url, isGranted) in [(plain, false), (personal, true)] {
          try await PostgresConnection.with(url) { connection in
            try await acme.expectPersonalValues(connection, isGranted: isGranted)
          }
        }
        // The documented setting narrows, and never widens.
        #expect(try await checks.counts(at: personal, setting: acme.owner) == checks.counts(at: personal))
        for (view, count) in try await checks.counts(at: personal, setting: globex.owner) {
          #expect(count == 0, "\(view)")
        }
      }
    }
    try await check(platform.sample)
  }

  @Test(arguments: PlatformArgument.all)
  func `who left, who was deleted and the system stay in the users, as long as rows name them`(
    _ platform: PlatformArgument
  ) async throws {
    func check<Sample: PlatformSample>(_ sample: Sample.Type) async throws {
      try await TestReadModels.with { harness in
        let tenant = try await Sample.make(harness, "acme")
        let checks = try PlatformChecks(harness, Sample.platform)
        try await checks.expectPeopleFound()
        let table = try #require(checks.users)
        // Another owner, so that the first may go; who names nothing and leaves shows no more.
        let heir = try await harness.make(
          "user",
          [
            "email": "heir@acme.example", "username": "heir", "keycloak_id": "heir", "role": "developer",
            "organization_id": .string(tenant.organization), "membership_role": "owner",
          ])
        let idle = try await harness.make(
          "user",
          [
            "email": "idle@acme.example", "username": "idle", "keycloak_id": "idle", "role": "developer",
            "organization_id": .string(tenant.organization),
          ])
        if Sample.platform == ETLabTests.Tenant.platform {
          // A workspace keeps an owner.
          for row in try await harness.settledRows("SELECT id FROM daybook.workspaces WHERE deleted_at IS NULL") {
            _ = try await harness.make(
              "workspace_member",
              ["workspace_id": row[0].map(JSON.string) ?? .null, "user_id": .string(heir), "role": "owner"])
          }
        }
        for user in [tenant.owner, idle] {
          let rows = try await harness.settledRows(
            "SELECT id FROM daybook.memberships WHERE user_id = '\(user)' AND deleted_at IS NULL")
          for row in rows { try await harness.call("membership.delete", ["id": row[0].map(JSON.string) ?? .null]) }
        }
        try await checks.expectPeopleFound()
        let emails = try await harness.settledRows(
          "SELECT email FROM \(Sample.platform).\(PostgresIdentifier.quote(table.name))")
        #expect(emails.contains(["heir@acme.example"]) && !emails.contains(["idle@acme.example"]))
        #expect(emails.count >= 2 && Set(emails).count == emails.count, "\(emails)")
        #expect(heir != idle)
      }
    }
    try await check(platform.sample)
  }
}
