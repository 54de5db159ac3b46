import DaybookTestKit
import EventLog
import Postgres
import Testing

/// What the tests that all platforms share need to know of one: a tenant in which something is set in every column, and
/// what is special in how its rows follow from the log.
protocol PlatformSample: Sendable {
  static var platform: String { get }
  var organization: String { get }
  var owner: String { get }

  static func make(_ harness: TestReadModels, _ name: String) async throws -> Self

  /// Makes what has to be told from the rows of the platform, and deletes some of them; says how the rows follow from
  /// the log where a field alone doesn't.
  static func addStrangers(_ harness: TestReadModels, _ tenant: Self, _ other: Self) async throws -> RowRules

  /// Holds what a role of the tenant `acme` sees of personal values on that connection.
  func expectPersonalValues(_ connection: PostgresConnection, isGranted: Bool) async throws
}

/// How rows follow from the log where the list of columns doesn't say it.
struct RowRules {
  /// By `table.column`, what is shown of a field's value.
  var shown: [String: PlatformChecks.Shown] = [:]
  /// By table, what else must hold for a resource to be there.
  var belongs: [String: (ResourceState) throws -> Bool] = [:]
  /// What else must hold of these rows.
  var afterwards: () async throws -> Void = {}
}

/// A platform as an argument of a test.
struct PlatformArgument: Sendable, CustomTestStringConvertible {
  let sample: any PlatformSample.Type
  var testDescription: String { sample.platform }

  static let all: [PlatformArgument] = [
    EtlBuilderTests.Tenant.self, DjangoEtlTests.Tenant.self, DataAggregatorTests.Tenant.self, MecaPyTests.Tenant.self,
    ETLabTests.Tenant.self,
  ].map { (sample: any PlatformSample.Type) in PlatformArgument(sample: sample) }
}
