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
}
