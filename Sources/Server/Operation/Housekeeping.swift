import EmbeddedPostgres
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// What a server process does beside serving: it reads certificates and the token for metrics and opens its log file
/// anew on SIGHUP, which ends no connection, and tells the service manager that it lives.
struct Housekeeping: Service {
  let services: Services
  let identity: TLSIdentity?
  let embedded: EmbeddedPostgres?
  let eventLoops: any EventLoopGroup
  /// Listens from before the server is ready, so that no signal ends it.
  let signals: UnixSignalsSequence
  let manager: ServiceManager?

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          for await _ in signals { await services.reload(identity, embedded) }
        }
        if let manager, let watchdog = manager.watchdog {
          group.addTask { await watch(manager, every: watchdog / 2) }
        }
      }
    }
  }

  /// Tells the service manager again and again that every event loop takes its turn: a server that hangs is started
  /// anew.
  private func watch(_ manager: ServiceManager, every interval: Duration) async {
    while !Task.isCancelled {
      for eventLoop in eventLoops.makeIterator() {
        // An event loop that is shut down fails it, at the end of the process.
        do { try await eventLoop.submit {}.get() } catch { return }
      }
      manager.tell("WATCHDOG=1")
      do { try await Task.sleep(for: interval) } catch { return }
    }
  }
}

extension Services {
  /// Reads the certificates and opens the log file anew. What can't be read stays as it was, and the log says so.
  func reload(_ identity: TLSIdentity?, _ embedded: EmbeddedPostgres?) async {
    do {
      try logOutput?.reopen()
    } catch {
      logger.error("the log file stays the one that it was", metadata: ["error": "\(error)"])
    }
    do {
      try scrapeToken?.reload()
    } catch {
      logger.error("the token for metrics stays the one that it was", metadata: ["error": "\(error)"])
    }
    do {
      try identity?.reload()
      if configuration.tls != nil { try await embedded?.reloadCertificate() }
      logger.notice("reloaded: new connections are shown the certificate as it is now")
    } catch {
      logger.error("the certificate stays the one that it was", metadata: ["error": "\(error)"])
    }
  }
}
