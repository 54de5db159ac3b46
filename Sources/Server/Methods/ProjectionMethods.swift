import CanonicalJSON
import Catalog
import Domain
import NIOConcurrencyHelpers
import Projections
import Protocol
import Queries
import Refusals

extension ServerMethod {
  /// What administrators do about read models.
  static let projections: [ServerMethod] = [
    ServerMethod(
      "projection.rebuild", "Fills read models anew from the log beside the live ones, compares, and swaps them.",
      .administrator,
      fields: [which, .parameter("check", .boolean, "Only report what differs; swap nothing."), progress],
      result: report, errors: [.conflict], example: nil,
      .task { call in
        try await call.rebuild(isCheck: call.arguments.isTrue("check"))
      }),
    ServerMethod(
      "projection.verify", "Compares read models with what the log says they must hold; changes nothing.",
      .administrator, fields: [which, progress], result: report, errors: [.conflict],
      example: ["name": "organizations"],
      .task { try await $0.rebuild(isCheck: true) }),
    ServerMethod(
      "projection.retry", "Makes a read model that stopped at an event try it again.", .administrator,
      fields: [.text("name", "Which one.", atMost: 4096, isRequired: true)], errors: [.conflict],
      example: ["name": "organizations"],
      .task { call in
        try await call.services.projections.retry(call.arguments.text("name") ?? "")
        return Array("{}".utf8)
      }),
    ServerMethod(
      "projection.digests", "Each table of the read models with its number of rows and a digest of them.",
      .administrator,
      result: object([
        "tables": [
          "type": "array",
          "items": object([
            "digest": ["type": "string"], "position": ["type": ["integer", "null"]], "rows": ["type": "integer"],
            "table": ["type": "string"],
          ]),
        ]
      ]), errors: [.conflict],
      .task { call in
        let tables = try await call.services.projections.digests().map { table -> JSON in
          [
            "digest": .string(table.digest), "position": table.position.map { JSON(position: $0) } ?? .null,
            "rows": .integer(Int64(table.rows)), "table": .string(table.table),
          ]
        }
        return JSON.object(["tables": .array(tables)]).canonicalBytes
      }),
    ServerMethod(
      "sql_role.set_password",
      "Gives an SQL role a new password, shown once: PostgreSQL keeps its SCRAM verifier, and the log nothing.",
      .administrator,
      fields: [
        role, .text("password", "The password; a random one is made where it is absent.", atMost: 200),
      ],
      result: object(["name": ["type": "string"], "password": ["type": "string"]]), errors: [.conflict],
      example: ["name": "example"],
      .task { call in
        let name = call.arguments.text("name") ?? ""
        let password = call.arguments.text("password") ?? Self.randomPassword()
        try await call.services.projections.setPassword(role: name, password: password)
        return JSON.object(["name": .string(name), "password": .string(password)]).canonicalBytes
      }),
  ]

  private static let which = Field.text("name", "Which one; all where absent.", atMost: 4096)
  private static let progress = Field.parameter(
    "progress", .boolean, "Tell of the progress by projection.progress notifications.")
  private static let role: Field = {
    var field = Field.parameter("name", .slug, "The role.", isRequired: true)
    field.maximumBytes = 60
    return field
  }()
  private static let report = object([
    "complete": ["type": "boolean"], "differences": ["type": "array", "items": ["type": "string"]],
    "notes": ["type": "array", "items": ["type": "string"]], "position": ["type": "integer"],
    "swapped": ["type": "boolean"], "tables": ["type": "array", "items": ["type": "object"]],
  ])

  /// Thirty-two letters and digits from the system's random source: 190 bits.
  private static func randomPassword() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<32).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension ServerCall {
  /// Rebuilds or compares read models, telling of the progress where that was asked
  /// for; what a client is too slow for is left out.
  func rebuild(isCheck: Bool) async throws -> [UInt8] {
    let outbox = outbox
    let names = arguments.text("name").map { [$0] }
    let tells = arguments.isTrue("progress")
    let report = try await services.projections.rebuild(names, check: isCheck) { progress in
      guard tells else { return }
      let params: JSONObject = progress.json
      outbox?.putIfRoom { output in
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
      if let reason = table.notCompared { entry["not_compared"] = .string(reason) }
      if let before = table.before {
        entry["digest_before"] = .string(before.digest)
        entry["rows_before"] = .integer(Int64(before.rows))
      }
      return .object(entry)
    }
    return [
      "complete": .bool(isComplete), "differences": .array(differences.map(JSON.string)),
      "notes": .array(notes.map(JSON.string)),
      "position": JSON(position: position), "swapped": .bool(isSwapped), "tables": .array(tables),
    ]
  }
}
