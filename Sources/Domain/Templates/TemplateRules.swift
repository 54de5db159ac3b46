import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import JSONSchema
import Records
import Refusals

/// What holds for everything that others make something from: templates and library functions.
enum TemplateRules {
  /// Refuses to make something built in unless an administrator does.
  static func checkBuiltin(_ fields: JSONObject, _ decision: Decision) throws {
    guard fields["is_builtin"] == true, !decision.principal.isAdministrator else { return }
    throw Refusal.forbidden(
      permission: "administrator", "Only administrators make and change what is built in.")
  }

  /// Refuses to change something built in unless an administrator does.
  static func checkBuiltin(_ state: ResourceState, _ decision: Decision) throws {
    try checkBuiltin(state.fields, decision)
  }

  /// Counts one use: an event of its own, which is no edit and makes no version.
  static func countUse(
    of state: ResourceState, _ type: ResourceModel, by decision: Decision, data: JSONObject = [:],
    causation: Identifier? = nil
  ) throws {
    let count = state.fields["use_count"]?.integerValue ?? 0
    try decision.edit(
      state, type, event: "\(type.name).used", values: ["use_count": .integer(count + 1)], data: data,
      causation: causation)
  }

  // MARK: - Pipeline templates

  /// The fields of the pipeline that a template makes: members that are named like a pipeline's field are that field,
  /// all others become members of its `config`.
  /// - Parameter problems: what can't be a pipeline's, each under `path`.
  static func pipelineFields(
    _ config: JSONObject, _ pipeline: ResourceModel, path: String, problems: inout [ValueProblem]
  ) -> JSONObject {
    var fields = JSONObject()
    var others = JSONObject()
    for (name, value) in config {
      guard let field = pipeline.field(name) else {
        others[name] = value
        continue
      }
      if value.isNull { continue }
      let place = "\(path)/\(name)"
      guard field.field.isAssignable || name == pipeline.lifecycle?.field else {
        problems.append(ValueProblem(path: place, problem: field.setBy))
        continue
      }
      let before = problems.count
      let checked = FieldCheck.check(value, field: field.field, path: place, problems: &problems)
      if let lifecycle = pipeline.lifecycle, name == lifecycle.field, problems.count == before,
        !lifecycle.initialChoices.contains(checked.stringValue ?? "")
      {
        problems.append(
          ValueProblem(
            path: place, problem: "must be one of \(lifecycle.initialChoices.joined(separator: ", ")) at creation"))
      }
      fields[name] = checked
    }
    guard !others.isEmpty else { return fields }
    if let own = fields["config"] {
      if let object = own.objectValue {
        fields["config"] = .object(others.merging(object))
      } else {
        problems.append(
          ValueProblem(
            path: "\(path)/config", problem: "must be an object, since other members of the template join it"))
      }
    } else {
      fields["config"] = .object(others)
    }
    return fields
  }

  /// What is wrong with the pipeline that a template makes.
  static func problems(ofPipelineTemplate config: JSON?, _ model: CatalogModel) -> [ValueProblem] {
    guard let config = config?.objectValue, let pipeline = model.types["pipeline"] else { return [] }
    let path = "/template_config"
    var problems: [ValueProblem] = []
    let fields = pipelineFields(config, pipeline, path: path, problems: &problems)
    guard problems.isEmpty else { return problems }
    return PipelineContent.problems(in: fields).map { problem in
      // What has no place among the template's own members stands in its config.
      let name = problem.path.split(separator: "/").first.map(String.init) ?? ""
      return ValueProblem(path: path + (config.contains(name) ? problem.path : ""), problem: problem.problem)
    }
  }

  // MARK: - Module templates

  /// What is wrong with the schema of a module's configuration, and with its default under it.
  static func problems(ofSchema schema: JSON?, defaultConfig: JSON?) -> [ValueProblem] {
    guard let schema, !schema.isNull else { return [] }
    let problems = JSONSchemaCheck.schemaProblems(schema, path: "/config_schema")
    guard problems.isEmpty, let defaultConfig, !defaultConfig.isNull else { return problems }
    var check = JSONSchemaCheck()
    return Self.problems(of: defaultConfig, schema: schema, path: "/default_config", &check)
  }

  /// What is wrong with a configuration under a schema. A mask stands for a secret that is kept and was judged when it
  /// was given: it is not judged again, since a schema that somebody else writes could ask for it piece by piece.
  static func problems(
    of config: JSON, schema: JSON, path: String, _ check: inout JSONSchemaCheck
  ) -> [ValueProblem] {
    check.problems(of: config, schema: schema, path: path).filter { problem in
      guard problem.path.hasPrefix(path), let pointer = JSONPointer(String(problem.path.dropFirst(path.count))) else {
        return true
      }
      return pointer.resolve(in: config).map { !SecretMembers.isMask($0) } ?? true
    }
  }
}
