import EmbeddedPostgres
import Postgres

/// Where the read models are.
public enum DatabaseLocation: Sendable {
  /// In the private PostgreSQL that this process runs.
  case embedded(EmbeddedPostgres)
  /// In a PostgreSQL of somebody else's, by its URL.
  case url(String)

  /// A URL that can be connected to: starts the private PostgreSQL where that is needed, and makes a missing database.
  /// - Throws: `EmbeddedPostgresError`, `PostgresError`.
  func ready() async throws -> String {
    switch self {
    case .embedded(let server): return try await server.ensureRunning()
    case .url(let url): return url
    }
  }

  /// By which URLs people come to the private PostgreSQL; nil for another one.
  func peopleURLs() async -> DatabaseURLs? {
    guard case .embedded(let server) = self, let reader = await server.readerURL, let roles = await server.sqlRolesURL
    else { return nil }
    return DatabaseURLs(reader: reader, sqlRoles: roles)
  }

  /// Makes the database that a connection string names, where that is what is missing.
  /// - Throws: The error given, where something else is missing.
  func makeDatabase(after error: PostgresError, url: String) async throws {
    // libpq gives no SQLSTATE for a connection that failed, only the server's sentence.
    let parts = error.message.split(separator: "\"", omittingEmptySubsequences: false)
    guard case .url = self,
      let name = parts.indices.dropFirst().dropLast().first(where: { index in
        parts[index - 1].hasSuffix("database ") && parts[index + 1].hasPrefix(" does not exist")
      }).map({ parts[$0] }),
      let maintenance = DatabaseLocation.replacingDatabase(in: url, with: "postgres")
    else { throw error }
    let connection = try await PostgresConnection.connect(maintenance)
    do {
      try await connection.execute(
        "CREATE DATABASE \(PostgresIdentifier.quote(String(name))) TEMPLATE template0 ENCODING 'UTF8'")
    } catch let failure as PostgresError where failure.sqlState == "42P04" {
      // Somebody else was quicker.
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
  }

  /// The URL for another database of the same server; nil where the text is no URL.
  static func replacingDatabase(in url: String, with name: String) -> String? {
    guard let slash = url.firstIndex(of: "/"), url[slash...].hasPrefix("//"), url[..<slash].hasSuffix(":") else {
      return nil
    }
    let rest = url[url.index(slash, offsetBy: 2)...]
    let query = rest.firstIndex(of: "?") ?? rest.endIndex
    let path = rest[..<query].firstIndex(of: "/") ?? query
    return String(url[..<path]) + "/" + name + String(rest[query...])
  }
}

/// By which URLs people come to the private PostgreSQL.
public struct DatabaseURLs: Sendable, Equatable {
  /// For the server's own users of the operating system: reads the rows of all organizations, and writes nothing.
  public let reader: String
  /// For SQL roles: without a name and a password.
  public let sqlRoles: String
}
