import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Runs of stored code by persons. Their states follow reports as those of runs do.
enum CalculationBehaviours {
  /// The most characters that a calculation is given, and that it comes to.
  private static let limits = [("parameters", 5_000), ("result_data", 50_000)]

  /// `calculation.create`: pending.
  static let create = Behaviour(
    check: checkCreation,
    organizationSource: "tool_id",
    decide: { decision in try decision.applyCreation(try completed(decision)) })

  /// `calculation.start`: created and running.
  static let start = Behaviour(
    check: checkCreation,
    organizationSource: "tool_id",
    decide: { decision in
      try decision.applyCreation(
        try completed(decision).merging(["status": "running", "started_at": .string(decision.now.text)]))
    })

  /// `calculation.edit`: the code can be another, but not none.
  static let edit = Behaviour(
    check: { context in
      if context.fields["code"]?.isNull == true { context.refuse("/code", "is required and can't be cleared") }
      checkLimits(context.fields, &context)
    },
    decide: { decision in
      try decision.edit(
        decision.target(), decision.type, event: decision.command.event, values: decision.fields)
    })

  /// `calculation.finish`: how it ended, then or now, what it came to and what it took.
  static let finish = Behaviour(
    check: { context in checkLimits(context.parameters, &context) },
    decide: RunBehaviours.end)

  /// `calculation.attach_file`: a file of the organization that the calculation reads, once each.
  static let attachFile = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let file = decision.parameters["file_id"], let role = decision.parameters["role"] else {
      throw Refusal.invalidParam("/file_id", "is required")
    }
    let event = try decision.record(
      decision.command.event, on: state, decision.type, data: ["file_id": file, "role": role])
    let attachment = try decision.create(
      Decision.Creation(
        type: try decision.model.type("calculation_file"), event: "calculation_file.created",
        organization: state.organization,
        values: ["calculation_id": .string(state.id.text), "file_id": file, "role": role], causation: event.id))
    decision.members["calculation_file_id"] = .string(attachment.resource.text)
  })

  // MARK: -

  @Sendable private static func checkCreation(_ context: inout CheckContext) {
    if !context.isGiven("code"), !context.isGiven("tool_id") {
      context.refuse("/code", "is required, or a tool_id: then it is that tool's code_template")
    }
    checkLimits(context.fields, &context)
  }

  @Sendable private static func checkLimits(_ values: JSONObject, _ context: inout CheckContext) {
    for (name, limit) in limits {
      guard let value = values[name], !value.isNull else { continue }
      // A text counts as it is; of anything else, its JSON text without spaces.
      let text = value.stringValue ?? value.canonicalString
      guard text.utf8.count > limit, text.unicodeScalars.count > limit else { continue }
      context.refuse("/\(name)", "must be at most \(limit) characters")
    }
  }

  /// Whose it is and what code it runs, where nobody says: the acting person's, and the tool's.
  private static func completed(_ decision: Decision) throws -> JSONObject {
    var values = JSONObject()
    if decision.fields["user_id"] == nil, let actor = decision.actor,
      try decision.transaction.living(actor, type: "user") != nil
    {
      values["user_id"] = .string(actor.text)
    }
    // A tool that isn't there, or of another organization, is refused when references are checked.
    if decision.fields["code"] == nil, let id = decision.fields["tool_id"]?.stringValue.flatMap({ Identifier($0) }),
      let tool = try decision.transaction.living(id, type: "tool"), try decision.isVisible(tool)
    {
      // The code would show in the calculation.
      try decision.require(.read, on: "tools", in: tool.organization)
      values["code"] = tool.fields["code_template"]
    }
    return values
  }
}
