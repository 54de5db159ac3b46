import BasicTypes
import CanonicalJSON
import Catalog
import Dispatch
import Domain
import EventLog
import NIOConcurrencyHelpers
import Projections
import Vault

extension ServerMethod {
  /// What every server answers about itself.
  static let system: [ServerMethod] = [
    ServerMethod(
      "server.ping", "Answers at once: the connection and the server live.", .anyone,
      .immediate { _, parameters in
        try parameters.finish()
        return ["pong": true]
      }),
    ServerMethod(
      "server.status", "Version, position, addresses, and how far the read models are.", .session,
      .task { call, parameters in
        var parameters = parameters
        try parameters.finish()
        return JSON.object(await call.services.status(isAdministrator: call.isAdministrator)).canonicalBytes
      }),
    ServerMethod(
      "server.metrics", "Counters, gauges and latencies since the start.", .administrator,
      .task { call, parameters in
        var parameters = parameters
        try parameters.finish()
        return JSON.object(call.services.measurements()).canonicalBytes
      }),
    ServerMethod(
      "rpc.discover", "This document: every method of this server, as OpenRPC.", .anyone,
      .task { call, parameters in
        var parameters = parameters
        try parameters.finish()
        return call.services.discovery()
      }),
    ServerMethod(
      "log.backup", "Copies the log into a new folder of the server's machine, while commands go on.", .administrator,
      parameters: [
        .parameter("folder", .text, "An absolute path; the folder must not exist or be empty.", isRequired: true),
        .parameter(
          "keys_file", .text,
          "An absolute path of a new file for the wrapped keys, without which no sealed value opens."),
      ],
      .task { call, parameters in
        var parameters = parameters
        let folder = parameters.string("folder", isRequired: true)
        let keysFile = parameters.string("keys_file")
        for (name, path) in [("folder", folder), ("keys_file", keysFile)] {
          if let path, !path.hasPrefix("/") { parameters.refuse(name, "must be an absolute path") }
        }
        try parameters.finish()
        return JSON.object(try await call.services.backUp(into: folder ?? "", keysFile: keysFile)).canonicalBytes
      }),
    ServerMethod(
      "session.open", "Signs in, with one of api_key, email and password, or token.", .anyone,
      parameters: [
        .parameter("api_key", .text, "A key (dbk_…)."), .parameter("email", .email, "A user's address."),
        .parameter("password", .text, "The user's password."), .parameter("token", .text, "An OpenID Connect token."),
        .parameter("user_agent", .text, "What the client calls itself; kept, sealed, in the events it makes."),
      ], result: sessionSchema, .sessionOpen),
    ServerMethod("session.close", "Signs out; subscriptions end.", .session, .sessionClose),
    ServerMethod(
      "session.whoami", "Who this connection speaks for, and what they may do.", .session, result: sessionSchema,
      .sessionWhoami),
    ServerMethod(
      "log.subscribe", "Tells of events as log.event notifications, in order without gaps: history first, then live.",
      .session,
      parameters: [
        .parameter("from", .bigint, "The first position (1 where absent)."),
        .parameter("events", .tags, "Only events of these names; pipeline.* stands for all of one type."),
        .parameter("resource_id", .uuid, "Only events of this resource."),
      ],
      result: [
        "type": "object", "properties": ["position": ["type": "integer"], "subscription": ["type": "integer"]],
      ],
      .subscribe),
    ServerMethod(
      "log.unsubscribe", "Ends a subscription of this connection.", .session,
      parameters: [.parameter("subscription", .bigint, "What log.subscribe answered.", isRequired: true)], .unsubscribe),
  ]

  private static let sessionSchema: JSON = [
    "type": "object", "properties": ["permissions": ["type": "object"], "principal": ["type": "object"]],
  ]
}

extension Services {
  /// What `server.status` answers.
  func status(isAdministrator: Bool) async -> JSONObject {
    let head = log.head
    var status: JSONObject = [
      "addresses": .array(addresses.withLockedValue { $0 }.map(JSON.string)),
      "catalog_revision": .string(catalog.revision),
      "position": JSON(position: head.position),
      "started_at": .string(startedAt.text),
      "tree_size": JSON(position: head.position),
      "uptime_seconds": JSON(finite: Double((DispatchTime.now().uptimeNanoseconds - startedNanoseconds) / 1000) / 1e6)
        ?? .null,
      "version": .string(DaybookServer.version),
    ]
    if let at = head.at { status["last_event_at"] = .string(at.text) }
    status["projections"] = .object(await projectionSummary())
    if isAdministrator {
      status["data_folder"] = .string(configuration.dataFolder)
      status["postgres"] = ["url": .string(projections.connectionURL)]
    }
    return status
  }

  /// What `server.metrics` answers.
  func measurements() -> JSONObject {
    var all = metrics.json
    let written = log.statistics
    all["log"] = [
      "backlog": .integer(Int64(log.backlog)),
      "commit_seconds_max": JSON(finite: Double(written.longestCommitMicroseconds) / 1e6) ?? .null,
      "commit_seconds_sum": JSON(finite: Double(written.commitMicroseconds) / 1e6) ?? .null,
      "commits": JSON(position: written.commits),
      "decisions": JSON(position: written.decisions),
      "events": JSON(position: written.events),
      "position": JSON(position: log.head.position),
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
