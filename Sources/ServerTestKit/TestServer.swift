import CanonicalJSON
import Catalog
import DaybookClient
import Logging
import Server
import TestBasics
import Testing

/// A server on a throwaway data folder, without PostgreSQL: what needs a read model is unavailable, all else works.
package struct TestServer: Sendable {
  package let server: DaybookServer
  /// What its data folder lies in.
  package let folder: String
  private let running: Task<Void, any Error>

  /// Runs a server for as long as the body runs, then stops it and removes its folder.
  package static func run(
    _ change: (inout ServerConfiguration) -> Void = { _ in }, _ body: (TestServer) async throws -> Void
  ) async throws {
    try await TemporaryFolder.with { folder in
      let test = try await start(folder: folder.path, change)
      try await closing({ try await body(test) }, { try await test.stop() })
    }
  }

  /// Starts a server on a folder.
  package static func start(
    folder: String, _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) async throws -> TestServer {
    let server = try await DaybookServer.start(configuration(folder: folder, change))
    return TestServer(server: server, folder: folder, running: Task { try await server.run() })
  }

  /// What a server on a folder is started with.
  package static func configuration(
    folder: String, _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) throws -> ServerConfiguration {
    var configuration = ServerConfiguration(
      dataFolder: folder + "/data", catalogFolder: Repository.schema, projectionsFolder: Repository.projections)
    configuration.listen = ("127.0.0.1", 0)
    // Nobody listens on port 1: PostgreSQL is away.
    configuration.postgres = PostgresSettings(url: "postgresql://127.0.0.1:1/none?connect_timeout=1")
    configuration.logLevel = .critical
    configuration.announce = { _ in }
    // Tests that count events switch it on for themselves.
    configuration.recordsAccess = false
    // Reading it takes a third of a server's start without optimization, and the files don't change while tests run.
    let load = configuration.loadCatalog
    configuration.loadCatalog = { $0 == Repository.schema ? try catalog.get() : try load($0) }
    change(&configuration)
    return configuration
  }

  /// The project's own catalog.
  private static let catalog = Result<Catalog, any Error> {
    try ServerConfiguration(dataFolder: "", catalogFolder: "", projectionsFolder: "").loadCatalog(Repository.schema)
  }

  /// Stops the server as a signal would, and waits for its end.
  package func stop() async throws {
    await server.stop()
    try await running.value
  }

  /// The endpoint of one kind.
  package func endpoint(_ kind: String) throws -> Endpoint {
    try Endpoint.parse(try #require(server.addresses.first { $0.hasPrefix(kind + ":") }))
  }

  /// A client of the local administrator.
  package func administrator() async throws -> DaybookClient {
    try await DaybookClient.connect(to: endpoint("unix"))
  }

  /// The port for HTTP, where the server has one.
  package var httpPort: Int {
    get throws {
      let address = try #require(server.addresses.first { $0.hasPrefix("http") })
      return try #require(address.split(separator: ":").last.flatMap { Int($0) })
    }
  }

  /// A raw connection to the port for HTTP.
  package func http() async throws -> HTTPSocket { try await HTTPSocket.connect(port: httpPort) }

  /// A raw connection, over which a test says exactly which bytes go out.
  package func raw(_ kind: String = "unix") async throws -> RawClient {
    try await RawClient.connect(to: endpoint(kind))
  }

  /// Makes an organization, and returns its id.
  package func organization(_ slug: String) async throws -> String {
    let client = try await administrator()
    let made = try await client.call("organization.create", ["name": .string(slug), "slug": .string(slug)])
    try await client.close()
    return try #require(made["id"]?.stringValue)
  }

  /// Makes an API key with those permissions, and returns its id and the key itself.
  package func apiKey(_ organization: String, _ permissions: JSON) async throws -> (id: String, key: String) {
    let client = try await administrator()
    let made = try await client.call(
      "api_key.create", ["name": "test", "organization_id": .string(organization), "permissions": permissions])
    try await client.close()
    return (try #require(made["id"]?.stringValue), try #require(made["api_key"]?.stringValue))
  }
}
