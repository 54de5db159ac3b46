import Access
import CanonicalJSON
import Catalog
import Domain
import EventLog
import Logging
import NIOConcurrencyHelpers
import Refusals

#if canImport(Glibc)
  import Glibc
#endif

/// What operators do with the service as a whole, as events.
extension Services {
  /// Records that a server has started, and how it is configured, without secrets and paths. Where it can't be recorded
  /// the server serves all the same, and its own log says so.
  func recordStart() async {
    guard configuration.recordsAccess else { return }
    var data: JSONObject = [
      "version": .string(DaybookServer.version), "catalog_revision": .string(catalog.revision),
      "uid": .integer(Int64(geteuid())),
      "allowed_uids": .array(configuration.allowedUserIDs.sorted().map { .integer(Int64($0)) }),
      "listen": configuration.listen.map { .string("\($0.host):\($0.port)") } ?? .null,
      "http": isHTTPServed ? configuration.http.map { .string("\($0.host):\($0.port)") } ?? .null : .null,
      "metrics": .string(configuration.metricsAccess.rawValue),
      "metrics_token": .bool(configuration.metricsTokenFile != nil),
      "tls": .bool(configuration.tls != nil), "insecure": .bool(configuration.isInsecure),
      "own_postgres": .bool(configuration.postgres == nil),
      "backups_over_tcp": .bool(configuration.backupFolder != nil),
      "own_root_key_file": .bool(configuration.rootKeyFile == nil),
      "accept_missing_head": .bool(configuration.acceptsMissingHead),
      "confirm_clock": .bool(configuration.confirmedClock != nil),
      "position": JSON(position: log.head.position),
    ]
    if let oidc = configuration.oidc {
      data["oidc"] = ["issuer": .string(oidc.issuer), "audience": .string(oidc.audience)]
    }
    do {
      try await engine.recordOperation("started", data, set: ["is_running": true])
    } catch {
      logger.error("the start could not be recorded", metadata: ["error": "\(Self.code(of: error))"])
    }
  }

  /// Records what was read and refused and isn't recorded yet, and that the server stops.
  /// - Parameter isIdle: Whether every call has ended, so that nothing comes after it.
  func recordStop(isIdle: Bool) async {
    guard configuration.recordsAccess else { return }
    await recorder.recordExportOfKeys()
    await recorder.record(all: true)
    guard isIdle else { return }
    do {
      try await engine.recordOperation(
        "stopped", ["position": JSON(position: log.head.position)], set: ["is_running": false])
    } catch {
      logger.error("the stop could not be recorded", metadata: ["error": "\(Self.code(of: error))"])
    }
  }

  /// Makes a backup, and records it and the export of keys beside it.
  func recordingBackup(
    withKeys: Bool, by caller: RecordedCaller, _ copy: @escaping @Sendable () async throws -> JSONObject
  ) async throws -> JSONObject {
    let make = { @Sendable [backupBoard, clock = configuration.clock] in
      try await backupBoard.counting(clock, copy)
    }
    guard configuration.recordsAccess else { return try await make() }
    let manifest =
      withKeys
      ? try await recorder.exporting(by: caller.principal, from: caller.origin, make) : try await make()
    let data: JSONObject = [
      "position": manifest["position"] ?? .null, "root": manifest["root"] ?? .null, "with_keys": .bool(withKeys),
    ]
    await recorder.record("backed_up", data, by: caller.principal, from: caller.origin)
    return manifest
  }

  /// Whether it listens for HTTP: its default address may have been taken.
  private var isHTTPServed: Bool { addresses.withLockedValue { $0.contains { $0.hasPrefix("http") } } }

  private static func code(of error: any Error) -> String {
    (error as? Refusal)?.code.rawValue ?? "\(type(of: error))"
  }
}
