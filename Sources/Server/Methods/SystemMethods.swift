import BasicTypes
import CanonicalJSON
import Catalog
import Dispatch
import Domain
import EventLog
import NIOConcurrencyHelpers
import Projections
import Queries
import Refusals
import Vault

#if canImport(Glibc)
  import Glibc
#endif

extension ServerMethod {
  /// What every server answers about itself.
  static let system: [ServerMethod] = [
    ServerMethod(
      "server.ping", "Answers at once: the connection and the server live.", .anyone,
      result: object(["pong": ["type": "boolean"]]), .immediate { _, _ in ["pong": true] }),
    ServerMethod(
      "server.status", "Version, position, addresses, and how far the read models are.", .session,
      result: object(
        [
          "addresses": ["type": "array", "items": ["type": "string"]], "catalog_revision": ["type": "string"],
          "clock": object(
            [
              "now": ["type": "string", "format": "date-time"],
              "standing": ["type": "string", "enum": ["trusted", "ahead", "behind", "overtaken", "told"]],
            ], besides: ["problem": ["type": "string"]]),
          "position": ["type": "integer"], "projections": ["type": "object"],
          "started_at": ["type": "string", "format": "date-time"], "tree_size": ["type": "integer"],
          "uptime_seconds": ["type": ["number", "null"]], "version": ["type": "string"],
        ],
        besides: [
          "backups": ["type": "object"], "data_folder": ["type": "string"],
          "demo": ["type": "boolean"],
          "last_event_at": ["type": "string", "format": "date-time"],
          "postgres": ["type": "object"],
        ]),
      .task {
        JSON.object(await $0.services.status(isAdministrator: $0.isAdministrator, isLocal: $0.isLocal)).canonicalBytes
      }),
    ServerMethod(
      "server.metrics", "Counters, gauges and latencies since the start.", .administrator,
      .task { JSON.object($0.services.measurements()).canonicalBytes }),
    ServerMethod(
      "rpc.discover", "This document: every method of this server, as OpenRPC.", .anyone,
      result: object([
        "components": ["type": "object"], "info": ["type": "object"],
        "methods": ["type": "array", "items": ["type": "object"]], "openrpc": ["type": "string"],
      ]),
      .task { $0.services.discovery() }),
    ServerMethod(
      "log.backup", "Copies the log into a new folder of the server's machine, while commands go on.", .administrator,
      fields: [
        .text(
          "folder",
          "An absolute path; the folder must be new or empty. Over TCP it lies below the server's --backup-folder.",
          atMost: 4096, isRequired: true),
        .text(
          "keys_file", "An absolute path of a new file for the wrapped keys, without which no sealed value opens.",
          atMost: 4096),
      ],
      result: object([
        "at": ["type": "string", "format": "date-time"], "folder": ["type": "string"],
        "position": ["type": "integer"], "root": ["type": "string"],
      ]), example: nil,
      .task { call in
        var arguments = call.arguments
        for name in ["folder", "keys_file"] {
          if let path = arguments.text(name), !path.hasPrefix("/") {
            arguments.refuse("/\(name)", "must be an absolute path")
          }
        }
        try arguments.check()
        if !call.isLocal { try call.services.checkBackup(&arguments) }
        let keysFile = arguments.text("keys_file")
        let folder = arguments.text("folder") ?? ""
        let manifest = try await call.services.recordingBackup(withKeys: keysFile != nil, by: call.caller) {
          try await call.services.backUp(into: folder, keysFile: keysFile)
        }
        return JSON.object(manifest).canonicalBytes
      }),
  ]
}

extension Services {
  /// What `server.status` answers.
  func status(isAdministrator: Bool, isLocal: Bool) async -> JSONObject {
    let head = log.head
    let reading = log.clock
    var clock: JSONObject = [
      "now": .string((reading.standing == .told ? reading.at : reading.clock).text), "standing": .string(reading.word),
    ]
    if let problem = reading.problem { clock["problem"] = .string(problem) }
    var status: JSONObject = [
      "addresses": .array(addresses.withLockedValue { $0 }.map(JSON.string)),
      "catalog_revision": .string(catalog.revision),
      "clock": .object(clock),
      "position": JSON(position: head.position),
      "started_at": .string(startedAt.text),
      "tree_size": JSON(position: head.position),
      "uptime_seconds": JSON(finite: Double((DispatchTime.now().uptimeNanoseconds - startedNanoseconds) / 1000) / 1e6)
        ?? .null,
      "version": .string(DaybookServer.version),
    ]
    if configuration.isDemonstration { status["demo"] = true }
    if let at = head.at { status["last_event_at"] = .string(at.text) }
    status["projections"] = .object(await projectionSummary())
    if isAdministrator {
      status["data_folder"] = .string(configuration.dataFolder)
      if let backups {
        status["backups"] = .object(await backups.status(isLocal: isLocal, at: configuration.clock()))
      }
      status["postgres"] = .object(postgresStatus(isLocal: isLocal))
    }
    return status
  }

  /// How administrators and SQL roles reach PostgreSQL. Nobody is handed the owner of a private one but who asks for it
  /// on the socket by its name: what they write there is lost, or makes the read models wrong.
  private func postgresStatus(isLocal: Bool) -> JSONObject {
    let own = projections.connectionURL
    guard let urls = projections.urls else {
      let shown = PostgresSettings.withoutPassword(own)
      return ["url": .string(isLocal ? own : shown), "sql_roles_url": .string(PostgresSettings.withoutUser(shown))]
    }
    var status: JSONObject = ["url": .string(urls.reader), "sql_roles_url": .string(urls.sqlRoles)]
    if isLocal { status["owner_url"] = .string(own) }
    return status
  }

  /// Checks that what an administrator on TCP wants written lies below the folder that the server was given for it:
  /// whoever administers the service need not be trusted with the machine.
  /// - Throws: ``Refusal``: `forbidden` where there is no such folder, `invalid_params`.
  func checkBackup(_ arguments: inout Arguments) throws {
    guard let base = configuration.backupFolder.flatMap(Self.resolved) else {
      throw Refusal.forbidden(
        permission: "admin",
        "Over TCP the server writes no backup: start it with --backup-folder, or use its Unix socket.")
    }
    for name in ["folder", "keys_file"] {
      guard let path = arguments.text(name) else { continue }
      // Looked at without links. Its own last part needn't be there yet; what is above it does.
      var parts = path.split(separator: "/")
      let last = parts.popLast() ?? ".."
      let parent = Self.resolved("/" + parts.joined(separator: "/"))
      let place = Self.resolved(path) ?? parent.map { "\($0)/\(last)" }
      guard let place, place.hasPrefix(base + "/"), last != "..", last != "." else {
        arguments.refuse("/\(name)", "must lie below the server's --backup-folder, in a folder that is there")
        continue
      }
    }
    try arguments.check()
  }

  private static func resolved(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  /// What `server.metrics` answers.
  func measurements() -> JSONObject {
    var all = metrics.json(of: methods)
    let figures = answers.figures
    all["answers"] = [
      "connection_bytes_max": .integer(Int64(figures.mostOfConnection)),
      "connections_closed": .integer(Int64(figures.closed)), "held_bytes": .integer(Int64(figures.held)),
      "held_bytes_max": .integer(Int64(figures.mostHeld)), "limit_bytes": .integer(Int64(answers.limits.bytes)),
      "waiting": .integer(Int64(figures.waiting)),
    ]
    let written = log.statistics
    all["log"] = [
      "backlog": .integer(Int64(log.backlog)),
      "commit_seconds_max": JSON(finite: Double(written.longestCommitMicroseconds) / 1e6) ?? .null,
      "commit_seconds_sum": JSON(finite: Double(written.commitMicroseconds) / 1e6) ?? .null,
      "commits": JSON(position: written.commits),
      "decisions": JSON(position: written.decisions),
      "events": JSON(position: written.events), "held_back": .integer(Int64(log.heldBack)),
      "position": JSON(position: log.head.position),
    ]
    let journal = log.journalStatistics
    all["journal"] = [
      "flush_failures": JSON(position: journal.failures),
      "flush_seconds_max": JSON(finite: Double(journal.longestFlushMicroseconds) / 1e6) ?? .null,
      "flush_seconds_sum": JSON(finite: Double(journal.flushMicroseconds) / 1e6) ?? .null,
      "flushed_bytes": JSON(position: journal.flushedBytes), "flushes": JSON(position: journal.flushes),
      "waiting_bytes": .integer(Int64(journal.waitingBytes)),
      "waits_for_room": JSON(position: journal.waitsForRoom),
    ]
    return all
  }

  /// Makes a backup on a thread of its own, since it copies the whole log.
  func backUp(into folder: String, keysFile: String?) async throws -> JSONObject {
    let log = log
    let vault = vault
    return try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global(qos: .utility).async {
        continuation.resume(
          with: Result {
            if let keysFile { try vault.exportKeys(to: keysFile) }
            let manifest = try EventLogBackup.make(of: log, into: folder)
            return [
              "at": .string(manifest.at.text), "folder": .string(folder), "position": JSON(position: manifest.position),
              "root": .string(manifest.root),
            ]
          })
      }
    }
  }
}
