import EmbeddedPostgres
import Logging
import NIOConcurrencyHelpers
import Postgres
import TestBasics

/// A real PostgreSQL for tests: one server a test process, started when first asked for, and gone with the process,
/// however that ends. It syncs nothing to disk.
package enum ThrowawayPostgres {
  private static let folder = Result { try TemporaryFolder() }
  private static let server = Task { try await start() }
  private static let lastDatabase = NIOLockedValueBox(0)

  /// Makes an empty database and returns a URL for it, as its owner and superuser.
  /// - Parameter locale: Its locale; the cluster's, which is C, where nil.
  /// - Throws: Whatever keeps PostgreSQL from starting, with the remedy.
  package static func database(locale: String? = nil) async throws -> String {
    let server = try await server.value
    let number = lastDatabase.withLockedValue { last in
      last += 1
      return last
    }
    let name = "t_\(number)"
    // Copying files is faster than logging 7 MB of pages, and a throwaway server needs no log.
    try await PostgresConnection.with(try await conninfo(server, "postgres")) { connection in
      let locale = locale.map { " LOCALE '\($0)'" } ?? ""
      try await connection.execute("CREATE DATABASE \(name) TEMPLATE template0 STRATEGY file_copy\(locale)")
    }
    return try await conninfo(server, name)
  }

  /// The server itself, running.
  /// - Throws: Whatever keeps PostgreSQL from starting, with the remedy.
  package static func runningServer() async throws -> EmbeddedPostgres { try await server.value }

  private static func conninfo(_ server: EmbeddedPostgres, _ database: String) async throws -> String {
    guard let conninfo = await server.conninfo(database: database) else {
      throw PostgresError(.connectionFailed, message: "the throwaway PostgreSQL isn't running")
    }
    return conninfo
  }

  private static func start() async throws -> EmbeddedPostgres {
    let folder = try folder.get()
    let server = EmbeddedPostgres(
      dataFolder: folder.path + "/postgres", socketFolder: folder.path + "/socket",
      logger: Logger(label: "throwaway-postgres"), isDurable: false)
    try await server.start()
    return server
  }
}
