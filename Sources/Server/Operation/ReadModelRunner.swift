import Catalog
import EmbeddedPostgres
import EventLog
import Logging
import Projections
import ServiceLifecycle
import Vault

/// Keeps the read models going beside the server: starts the private PostgreSQL,
/// runs the projector, and stops both in the end.
///
/// Commands don't depend on it: what goes wrong here is told in `projection.status` and the log, and tried again.
struct ReadModelRunner: Service {
  let services: Services
  let embedded: EmbeddedPostgres?

  /// The service over the PostgreSQL that the configuration names.
  static func service(
    _ configuration: ServerConfiguration, embedded: EmbeddedPostgres?, log: EventLog, vault: Vault, catalog: Catalog,
    logger: Logger
  ) throws -> ProjectionService {
    if let embedded {
      return try ProjectionService(
        log: log, vault: vault, catalog: catalog, folder: configuration.projectionsFolder,
        database: .embedded(embedded), failpoints: configuration.failpoints, logger: logger)
    }
    guard let settings = configuration.postgres else {
      throw ServerStartError("There is neither a PostgreSQL of the server's own nor a URL of another.")
    }
    return try ProjectionService(
      log: log, vault: vault, catalog: catalog, folder: configuration.projectionsFolder, database: .url(settings.url),
      queryConnections: settings.poolSize + settings.maximumOverflow,
      queryTimeout: .seconds(settings.poolTimeoutSeconds), failpoints: configuration.failpoints, logger: logger)
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          try await services.projections.run()
        } catch is CancellationError {
          return
        } catch {
          services.logger.error("the read models stopped; trying again", metadata: ["error": "\(Self.safe(error))"])
        }
        // Cancelled while it waits: the server stops.
        do { try await Task.sleep(for: .seconds(2)) } catch { return }
      }
    }
  }

  /// What may be logged of an error: its words where they are known to hold no values.
  private static func safe(_ error: any Error) -> String {
    switch error {
    case let error as ProjectionError: error.message
    case let error as EventLogError: error.message
    case let error as EmbeddedPostgresError: "\(error)"
    default: String(describing: type(of: error))
    }
  }
}
