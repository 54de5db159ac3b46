import BasicTypes
import CanonicalJSON
import Catalog
import Schedules

/// What a pipeline's steps, nodes and edges must be among themselves.
enum PipelineContent {
  /// What is wrong with the fields of a pipeline that is to be made.
  /// - Parameter hasRecordedSchedule: Whether the log holds the schedule already, in a template.
  static func problems(in fields: JSONObject, hasRecordedSchedule: Bool = false) -> [ValueProblem] {
    ownProblems(in: fields, hasRecordedSchedule: hasRecordedSchedule)
      + graphProblems(
        kind: fields["kind"], nodes: fields["nodes"], tasks: fields["tasks"], edges: fields["edges"])
  }

  /// What is wrong with fields that can be judged alone: steps and schedule.
  static func ownProblems(in fields: JSONObject, hasRecordedSchedule: Bool = false) -> [ValueProblem] {
    var problems = stepProblems(fields["steps"])
    if let schedule = fields["schedule"] {
      problems += Schedule.problems(schedule, path: "/schedule", isRecorded: hasRecordedSchedule)
    }
    return problems
  }

  // MARK: - Steps

  /// What is wrong among steps: the order's places, ids, and dependencies on other steps by id or name.
  static func stepProblems(_ steps: JSON?) -> [ValueProblem] {
    guard let steps = steps?.arrayValue, !steps.isEmpty else { return [] }
    var problems: [ValueProblem] = []
    var byOrder: Set<Int64> = []
    // Keyed by JSON texts, which are told apart by their bytes, as the members of an object are.
    var byID: [JSON: Int] = [:]
    var byName: [JSON: [Int]] = [:]
    for (index, step) in steps.enumerated() {
      if let order = step["order_index"]?.integerValue, !byOrder.insert(order).inserted {
        problems.append(ValueProblem(path: "/steps/\(index)/order_index", problem: "is another step's too"))
      }
      if let id = step["id"], id.stringValue != nil, byID.updateValue(index, forKey: id) != nil {
        problems.append(ValueProblem(path: "/steps/\(index)/id", problem: "is another step's too"))
      }
      if let name = step["name"], name.stringValue != nil { byName[name, default: []].append(index) }
    }
    var edges: [(from: Int, to: Int)] = []
    for (index, step) in steps.enumerated() {
      for (place, dependency) in (step["dependencies"]?.arrayValue ?? []).enumerated() {
        guard let text = dependency.stringValue else { continue }
        let path = "/steps/\(index)/dependencies/\(place)"
        // A name stands for one step; an id may be written in either case.
        let named = byName[dependency] ?? []
        let found = byID[dependency] ?? Identifier(text).flatMap { byID[.string($0.text)] } ?? named.first
        if let found, found == index {
          problems.append(ValueProblem(path: path, problem: "is the step itself"))
        } else if named.count > 1 {
          problems.append(ValueProblem(path: path, problem: "is the name of several steps; use the id"))
        } else if let found {
          edges.append((found, index))
        } else {
          problems.append(ValueProblem(path: path, problem: "is no step's id or name"))
        }
      }
    }
    if problems.isEmpty, DirectedGraph.hasCycle(vertices: steps.count, edges: edges) {
      problems.append(ValueProblem(path: "/steps", problem: "depend on each other in a circle"))
    }
    return problems
  }

  /// Steps with an id each: their own, that of the step of the same name before, or a new one.
  static func withIdentifiers(_ steps: JSON, before: JSON?, at now: Timestamp) -> JSON {
    guard let list = steps.arrayValue, list.contains(where: { $0["id"] == nil }) else { return steps }
    var taken = Set(list.compactMap { $0["id"] })
    var known: [JSON: JSON] = [:]
    for step in before?.arrayValue ?? [] {
      if let name = step["name"], let id = step["id"], known[name] == nil { known[name] = id }
    }
    return .array(
      list.map { step in
        guard var object = step.objectValue, object["id"] == nil else { return step }
        var id = JSON.string(Identifier.version7(at: now).text)
        if let name = object["name"], let old = known[name], taken.insert(old).inserted { id = old }
        object["id"] = id
        return .object(object)
      })
  }
}
