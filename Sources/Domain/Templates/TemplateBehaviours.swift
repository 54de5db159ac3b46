import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Templates and library functions: what is built in is the administrators', what is public is everybody's to use.
enum TemplateBehaviours {
  /// `template.create`: only administrators make what is built in.
  static let create = Behaviour(decide: { decision in
    try TemplateRules.checkBuiltin(decision.fields, decision)
    try decision.applyCreation()
  })

  /// `template.edit`: only administrators change what is built in.
  static let edit = Behaviour(decide: { decision in
    try TemplateRules.checkBuiltin(decision.target(), decision)
    try decision.applyCatalog()
  })

  /// `template.delete`: only administrators delete what is built in.
  static let delete = Behaviour(decide: { decision in
    try TemplateRules.checkBuiltin(decision.target(), decision)
    try decision.applyCatalog()
  })

  /// `template.use`: one use more.
  static let use = Behaviour(decide: { decision in
    try TemplateRules.countUse(of: decision.target(), decision.type, by: decision)
  })

  /// `pipeline_template.create`: its configuration must be a pipeline's.
  static let createPipelineTemplate = Behaviour(check: checkPipelineTemplate, decide: { try create.decide($0, ()) })

  /// `pipeline_template.edit`.
  static let editPipelineTemplate = Behaviour(check: checkPipelineTemplate, decide: { try edit.decide($0, ()) })

  @Sendable private static func checkPipelineTemplate(_ context: inout CheckContext) {
    context.problems += TemplateRules.problems(
      ofPipelineTemplate: context.fields["template_config"], context.model)
  }

  /// `module_template.create`: its schema must be one that can be checked, and its default must satisfy it.
  static let createModuleTemplate = Behaviour(
    check: { context in
      context.problems += TemplateRules.problems(
        ofSchema: context.fields["config_schema"], defaultConfig: context.fields["default_config"])
    }, decide: { try create.decide($0, ()) })

  /// `module_template.edit`.
  static let editModuleTemplate = Behaviour(
    check: { context in
      context.problems += TemplateRules.problems(ofSchema: context.fields["config_schema"], defaultConfig: nil)
    },
    decide: { decision in
      let state = try decision.target()
      let names = ["config_schema", "default_config"]
      if names.contains(where: { decision.fields.contains($0) }) {
        let shown = decision.masked(state.fields, decision.type)
        let merged = names.map { decision.fields[$0] ?? shown[$0] }
        let problems = TemplateRules.problems(ofSchema: merged[0], defaultConfig: merged[1])
        guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
      }
      try edit.decide(decision, ())
    })
}

extension PipelineBehaviours {
  /// `pipeline.from_template`: what a template makes, changed by what is given besides, in the caller's organization;
  /// the template's use is counted.
  static let fromTemplate = Behaviour(
    fillsDefaults: true,
    decide: { decision in
      let type = try decision.model.type("pipeline_template")
      let template = try template(decision, type)
      let given = decision.fields
      let config = try content(of: template, type, besides: given, decision)
      var problems: [ValueProblem] = []
      var values = TemplateRules.pipelineFields(config, decision.type, path: "", problems: &problems)
      values = values.merging(given)
      for field in decision.type.fields where !values.contains(field.name) {
        if let value = field.field.defaultValue { values[field.name] = value }
      }
      problems += PipelineContent.problems(in: values, hasRecordedSchedule: !given.contains("schedule"))
      // What the caller has not given is the template's fault.
      problems = problems.map { problem in
        let name = problem.path.split(separator: "/").first.map(String.init) ?? ""
        return given.contains(name)
          ? problem : ValueProblem(path: "/template_id", problem: "makes a pipeline whose \(name) \(problem.problem)")
      }
      guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
      values["template_id"] = .string(template.id.text)
      let made = try create(decision, values.merging(firstContent(values, at: decision.now)))
      let isOwn = template.organization != nil && template.organization == made.organization
      try TemplateRules.countUse(
        of: template, type, by: decision, data: isOwn ? ["pipeline_id": .string(made.id.text)] : [:],
        causation: made.event)
    })

  /// The template that `template_id` names: seen by the caller, alive, to be read.
  private static func template(_ decision: Decision, _ type: ResourceModel) throws -> ResourceState {
    guard let id = decision.parameters["template_id"]?.stringValue.flatMap({ Identifier($0) }) else {
      throw Refusal.invalidParam("/template_id", "is required")
    }
    guard let state = try decision.transaction.state(id), state.type == type.name, try decision.isVisible(state) else {
      throw Refusal.missing(type.name, id, at: "/template_id")
    }
    guard !state.isDeleted else {
      throw Refusal.invalidParam("/template_id", "this pipeline template was deleted")
    }
    if !decision.isPublic(state) { try decision.require(.read, on: type.plural, in: state.organization) }
    return state
  }

  /// What a template makes a pipeline of, its secrets in the clear. Those of another organization's template, and of
  /// what is built in, are that one's own: a pipeline could show them to whoever made it.
  private static func content(
    of template: ResourceState, _ type: ResourceModel, besides given: JSONObject, _ decision: Decision
  ) throws -> JSONObject {
    let isOwn = try template.organization != nil && template.organization == decision.newOrganization()
    let stored = template.fields["template_config"] ?? .null
    var content = isOwn ? try decision.plain(template).fields["template_config"] ?? .null : stored
    if !isOwn, let shown = decision.masked(["template_config": stored], type)["template_config"] {
      // Those that stand in the clear, in an older log, are as little to be passed on.
      content = shown
    }
    guard let config = content.objectValue else {
      throw Refusal.internalError("A pipeline template has no configuration.")
    }
    var kept = JSONObject()
    for (name, value) in config {
      let field = decision.type.field(name) == nil ? "config" : name
      // What is given instead needs none of the template's.
      if given.contains(name) || field == "config" && name != "config" && given.contains("config") { continue }
      let places = isOwn ? SecretMembers.tokens(in: value).map(\.pointer) : SecretMembers.maskPlaces(in: value)
      if let place = places.first {
        throw Refusal.invalidParam(
          "/template_id",
          isOwn
            ? """
            has a secret at \(name)\(place) whose key was destroyed or is missing; edit the template, or give \(field) \
            besides
            """
            : """
            has a secret at \(name)\(place), which is not passed on to other organizations; give \(field) besides
            """)
      }
      if isOwn { try check(value, at: name, of: stored, becomes: name == field ? name : "config", decision) }
      kept.append(key: name, value: value)
    }
    return kept
  }

  /// Refuses to write what is sealed in a template into a field of a pipeline that would show it: source code and
  /// descriptions seal nothing.
  private static func check(
    _ value: JSON, at name: String, of stored: JSON, becomes field: String, _ decision: Decision
  ) throws {
    let secrets = SecretMembers.tokens(in: stored[name] ?? .null).map(\.pointer)
    guard !secrets.isEmpty else { return }
    // What lies beside the configuration's own members becomes one of them.
    let isMember = field != name
    let whole: JSON = isMember ? [name: value] : value
    let shown = decision.type.field(field)?.secretScope.map { SecretMembers.masked(whole, field: field, scope: $0) }
    for place in secrets {
      let path = isMember ? JSONPointer(tokens: [name]).description + place : place
      if let masked = shown.flatMap({ JSONPointer(path)?.resolve(in: $0) }), SecretMembers.isMask(masked) { continue }
      throw Refusal.invalidParam(
        "/template_id",
        "has a secret at \(name)\(place), which \(field) of a pipeline would show; give \(field) besides")
    }
  }

  private static func create(
    _ decision: Decision, _ values: JSONObject
  ) throws -> (id: Identifier, organization: Identifier?, event: Identifier) {
    guard let organization = try decision.newOrganization() else {
      throw Refusal.invalidParam("/organization_id", "is required: say which organization it belongs to")
    }
    try decision.authorize(in: organization)
    try PipelineReferences.check(
      decision.masked(values, decision.type), kind: values["kind"], organization: organization, in: decision)
    let event = try decision.applyCreation(values)
    return (event.resource, organization, event.id)
  }
}
