import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals

/// What programs log about themselves.
enum SystemLogBehaviours {
  /// The id under which the lines of an organization, or of the service as a whole, are recorded.
  static func identifier(of organization: Identifier?, type: String) -> DerivedIdentifier {
    DerivedIdentifier(
      name: "daybook:system", type: type, organization: organization,
      former: .version5(namespace: organization ?? .urlNamespace, name: "daybook:system"))
  }

  /// `system.log`: lines, which are sealed as a whole; how many there are, and of what level, is not.
  static let log = Behaviour(
    check: { context in
      // Lines with a fault of their own are not there any more.
      guard let lines = context.parameters["lines"]?.arrayValue else { return }
      if lines.isEmpty { context.refuse("/lines", "must not be empty") }
      for name in context.parameters.keys where name != "lines" {
        context.refuse("/\(name)", "belongs into the lines, where lines are given")
      }
    },
    decide: { decision in
      let organization = try decision.newOrganization()
      try decision.authorize(in: organization)
      let lines = try decision.parameters["lines"]?.arrayValue ?? [.object(singleLine(decision))]
      let told = lines.enumerated().compactMap { index, line in
        line.objectValue.map { (path: decision.parameters.contains("lines") ? "/lines/\(index)" : "", facts: $0) }
      }
      if told.contains(where: { $0.facts["level"] == nil }) {
        try decision.checkTold(told, by: "system.log", in: organization)
      }
      let data = facts(of: lines, at: decision.now)
      let (id, known) = try identifier(of: organization, type: decision.type.name).resolve(decision.transaction.state)
      decision.answered = id
      if let state = known {
        try decision.checkVersion(state.version)
        try decision.record(decision.command.event, on: state, decision.type, data: data)
      } else {
        try decision.checkVersion(0)
        try decision.create(
          Decision.Creation(
            type: decision.type, event: decision.command.event, id: id, organization: organization, values: [:],
            data: data))
      }
    })

  private static let longestCorrelation = 100

  /// The line that the command's own parameters make; what the command is correlated with, the line is.
  private static func singleLine(_ decision: Decision) throws -> JSONObject {
    var line = decision.parameters
    guard line.contains("message") else {
      throw Refusal.invalidParam("/message", "is required, unless lines are given")
    }
    if let correlation = decision.prepared.common.correlation {
      guard correlation.unicodeScalars.count <= longestCorrelation else {
        throw Refusal.invalidParam(
          "/correlation_id", "must be at most \(longestCorrelation) characters, to be part of a log line")
      }
      line["correlation_id"] = .string(correlation)
    }
    return line
  }

  private static func facts(of lines: [JSON], at now: Timestamp) -> JSONObject {
    var levels: [String: Int64] = [:]
    let timed = lines.map { line -> JSON in
      guard var object = line.objectValue else { return line }
      if object["level"] == nil { object["level"] = "INFO" }
      if object["at"] == nil { object["at"] = .string(now.text) }
      levels[object["level"]?.stringValue ?? "INFO", default: 0] += 1
      return .object(object)
    }
    return [
      "lines": .array(timed), "count": .integer(Int64(lines.count)),
      "levels": .object(JSONObject(members: levels.map { (key: $0.key, value: .integer($0.value)) })),
    ]
  }
}
