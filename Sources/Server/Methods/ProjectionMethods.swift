import CanonicalJSON
import Catalog
import Domain
import NIOConcurrencyHelpers
import Projections
import Protocol

extension ServerMethod {
  /// What administrators do about read models.
  static let projections: [ServerMethod] = [
    ServerMethod(
      "projection.rebuild", "Fills read models anew from the log beside the live ones, compares, and swaps them.",
      .administrator,
      parameters: [
        .parameter("name", .text, "Which one; all where absent."),
        .parameter("check", .boolean, "Only report what differs; swap nothing."),
        .parameter("progress", .boolean, "Tell of the progress by projection.progress notifications."),
      ],
      .task { call, parameters in
        var parameters = parameters
        let name = parameters.string("name")
        let isCheck = parameters.boolean("check") ?? false
        let tells = parameters.boolean("progress") ?? false
        try parameters.finish()
        return try await call.rebuild(name.map { [$0] }, isCheck: isCheck, tells: tells)
      }),
    ServerMethod(
      "projection.verify", "Compares read models with what the log says they must hold; changes nothing.",
      .administrator,
      parameters: [
        .parameter("name", .text, "Which one; all where absent."),
        .parameter("progress", .boolean, "Tell of the progress by projection.progress notifications."),
      ],
      .task { call, parameters in
        var parameters = parameters
        let name = parameters.string("name")
        let tells = parameters.boolean("progress") ?? false
        try parameters.finish()
        return try await call.rebuild(name.map { [$0] }, isCheck: true, tells: tells)
      }),
    ServerMethod(
      "projection.retry", "Makes a read model that stopped at an event try it again.", .administrator,
      parameters: [.parameter("name", .text, "Which one.", isRequired: true)],
      .task { call, parameters in
        var parameters = parameters
        let name = parameters.string("name", isRequired: true)
        try parameters.finish()
        try await call.services.projections.retry(name ?? "")
        return Array("{}".utf8)
      }),
    ServerMethod(
      "projection.digests", "Each table of the read models with its number of rows and a digest of them.",
      .administrator,
      .task { call, parameters in
        var parameters = parameters
        try parameters.finish()
        let tables = try await call.services.projections.digests().map { table -> JSON in
          ["digest": .string(table.digest), "rows": .integer(Int64(table.rows)), "table": .string(table.table)]
        }
        return JSON.object(["tables": .array(tables)]).canonicalBytes
      }),
    ServerMethod(
      "sql_role.set_password",
      "Gives an SQL role a new password, shown once: PostgreSQL keeps its SCRAM verifier, and the log nothing.",
      .administrator,
      parameters: [
        .parameter("name", .slug, "The role.", isRequired: true),
        .parameter("password", .text, "The password; a random one is made where it is absent."),
      ],
      .task { call, parameters in
        var parameters = parameters
        let name = parameters.string("name", maximumBytes: 60, isRequired: true)
        let given = parameters.string("password", maximumBytes: 200)
        try parameters.finish()
        let password = given ?? Self.randomPassword()
        try await call.services.projections.setPassword(role: name ?? "", password: password)
        return JSON.object(["name": .string(name ?? ""), "password": .string(password)]).canonicalBytes
      }),
  ]

  /// Thirty-two letters and digits from the system's random source: 190 bits.
  private static func randomPassword() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<32).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension ServerCall {
  /// Rebuilds or compares read models, telling of the progress where that was asked for; what a client is too slow for is left out.
  func rebuild(_ names: [String]?, isCheck: Bool, tells: Bool) async throws -> [UInt8] {
    let outbox = outbox
    let report = try await services.projections.rebuild(names, check: isCheck) { progress in
      guard tells else { return }
      let params: JSONObject = progress.json
      outbox.putIfRoom { output in
        MessageWriter.writeNotification(
          method: "projection.progress", params: JSON.object(params).canonicalBytes, into: &output)
        output.append(UInt8(ascii: "\n"))
      }
    }
    return JSON.object(report.json).canonicalBytes
  }
}

extension Services {
  /// How the read models are, in short: the furthest behind, and how many are in which state.
  func projectionSummary() async -> JSONObject {
    let all = await projections.status()
    var states: [String: Int64] = [:]
    for status in all { states[status.state.rawValue, default: 0] += 1 }
    var summary: JSONObject = [
      "count": .integer(Int64(all.count)),
      "states": .object(JSONObject(members: states.map { (key: $0.key, value: .integer($0.value)) })),
    ]
    if let last = all.max(by: { $0.lagEvents < $1.lagEvents }) {
      summary["lag_events"] = JSON(position: last.lagEvents)
      summary["lag_seconds"] = JSON(finite: last.lagSeconds) ?? .null
      summary["position"] = JSON(position: last.position)
    }
    return summary
  }
}

extension RebuildProgress {
  fileprivate var json: JSONObject {
    ["head": JSON(position: target), "phase": .string(phase.rawValue), "position": JSON(position: position)]
  }
}

extension RebuildReport {
  fileprivate var json: JSONObject {
    let tables = tables.map { table -> JSON in
      var entry: JSONObject = [
        "differs": .bool(table.differs), "digest_after": .string(table.after.digest),
        "rows": .integer(Int64(table.after.rows)), "table": .string(table.name),
      ]
      if let before = table.before {
        entry["digest_before"] = .string(before.digest)
        entry["rows_before"] = .integer(Int64(before.rows))
      }
      return .object(entry)
    }
    return [
      "differences": .array(differences.map(JSON.string)), "notes": .array(notes.map(JSON.string)),
      "position": JSON(position: position), "swapped": .bool(isSwapped), "tables": .array(tables),
    ]
  }
}
