import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import JSONSchema
import Records
import Refusals

/// What the JSON inside of a pipeline refers to: pages and connections of a DAG's
/// tasks, module templates of a flow's nodes.
///
/// The documents say nothing of what becomes of such a reference when its target goes, so it stays as it is; it is
/// checked where it is given.
enum PipelineReferences {
  /// Refuses values that refer to what isn't there for the pipeline's organization, and nodes whose configuration their
  /// template's schema refuses.
  /// - Parameter values: the fields that are given; those that are absent stay unchecked. Secrets that aren't given
  ///   anew are masks.
  static func check(
    _ values: JSONObject, kind: JSON?, organization: Identifier?, in decision: Decision
  ) throws {
    switch kind?.stringValue {
    case "dag":
      guard let tasks = values["tasks"]?.arrayValue else { return }
      var problems: [Refusal.ReferenceProblem] = []
      var known: [Target: State] = [:]
      for (index, task) in tasks.enumerated() {
        for (member, isPage) in [("page_id", true), ("connection_id", false)] {
          guard let value = task["config"]?[member], !value.isNull else { continue }
          let path = "/tasks/\(index)/config/\(member)"
          if let problem = try problem(of: value, isPage: isPage, organization, decision, path, &known) {
            problems.append(problem)
          }
        }
      }
      guard problems.isEmpty else { throw Refusal.references(problems) }
    case "page": return
    default:
      guard let nodes = values["config"]?["nodes"]?.arrayValue else { return }
      let problems = try moduleProblems(nodes, organization, decision)
      guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
    }
  }

  private struct Target: Hashable {
    let id: Identifier
    let isPage: Bool
  }

  /// What is known of something that many tasks may name.
  private enum State { case living, deleted, missing }

  private static func problem(
    of value: JSON, isPage: Bool, _ organization: Identifier?, _ decision: Decision, _ path: String,
    _ known: inout [Target: State]
  ) throws -> Refusal.ReferenceProblem? {
    guard let id = value.stringValue.flatMap({ Identifier($0) }) else {
      return Refusal.ReferenceProblem(path: path, problem: "must be a UUID of 36 characters")
    }
    let target = Target(id: id, isPage: isPage)
    let spoken = isPage ? "page" : "connection"
    let type = isPage ? "pipeline" : "connection"
    let found = try known[target] ?? state(of: id, type, organization, decision)
    known[target] = found
    switch found {
    case .living: return nil
    case .deleted: return Refusal.ReferenceProblem(path: path, problem: "this \(spoken) was deleted")
    case .missing:
      return Refusal.ReferenceProblem(
        path: path, problem: "there is no \(spoken) of this id", missing: (type: type, id: id))
    }
  }

  private static func state(
    of id: Identifier, _ type: String, _ organization: Identifier?, _ decision: Decision
  ) throws -> State {
    guard let state = try decision.transaction.state(id), state.type == type, state.organization == organization,
      type != "pipeline" || state.fields["kind"] == "page"
    else { return .missing }
    return state.isDeleted ? .deleted : .living
  }

  /// A node that names a module template (`module_template_id`, or `template_id` with the id of one) has a
  /// configuration that the template's schema allows; what it leaves out, the template's default fills in.
  private static func moduleProblems(
    _ nodes: [JSON], _ organization: Identifier?, _ decision: Decision
  ) throws -> [ValueProblem] {
    var problems: [ValueProblem] = []
    var templates: [Identifier: ResourceState?] = [:]
    var check = JSONSchemaCheck()
    for (index, node) in nodes.enumerated() {
      let own = node["module_template_id"]?.unlessNull
      let member = own == nil ? "template_id" : "module_template_id"
      guard let value = own ?? node["template_id"]?.unlessNull else { continue }
      let path = "/config/nodes/\(index)"
      guard let id = value.stringValue.flatMap({ Identifier($0) }) else {
        // A template's own name for itself, where it isn't said to be a module's.
        if own != nil {
          problems.append(ValueProblem(path: "\(path)/\(member)", problem: "must be a UUID of 36 characters"))
        }
        continue
      }
      if templates[id] == nil {
        templates.updateValue(try template(id, organization, decision), forKey: id)
      }
      guard let template = templates[id] ?? nil, let schema = template.fields["config_schema"] else {
        problems.append(ValueProblem(path: "\(path)/\(member)", problem: "there is no module template of this id"))
        continue
      }
      var config = node["config"]?.unlessNull ?? [:]
      let shown = try decision.masked(template.fields, decision.model.type(template.type))
      if let given = config.objectValue, let defaults = shown["default_config"]?.objectValue {
        config = .object(defaults.merging(given))
      }
      problems += TemplateRules.problems(of: config, schema: schema, path: "\(path)/config", &check)
    }
    return problems
  }

  private static func template(
    _ id: Identifier, _ organization: Identifier?, _ decision: Decision
  ) throws -> ResourceState? {
    guard let state = try decision.transaction.living(id, type: "module_template"),
      state.organization == organization || decision.isPublic(state)
    else { return nil }
    return state
  }
}
