import BasicTypes
import CanonicalJSON
import Catalog
import OpenLineage
import Refusals

/// The states of a scheduler's tasks in one execution of a DAG: `{"task-1":
/// {"state": "success", "duration": 45.2}, …}`.
enum TaskStates {
  /// The words of schedulers, Airflow's among them.
  static let words = SchedulerStates.words
  /// How many bytes of JSON the states of one run may come to: every event about them holds them all.
  static let maximumBytes = 1 << 20
  private static let times = ["started_at", "completed_at"]

  /// What is wrong in the shape of task states.
  /// - Parameter allowsRemoval: whether a null in a task's place is an order to take it out.
  static func problems(_ states: JSON?, path: String = "/task_states", allowsRemoval: Bool = false) -> [ValueProblem] {
    var problems: [ValueProblem] = []
    for (task, value) in states?.objectValue ?? [:] {
      let place = "\(path)/\(JSONPointer.escape(task))"
      if task.utf8.isEmpty { problems.append(ValueProblem(path: place, problem: "must have a task's name")) }
      if value.isNull, allowsRemoval { continue }
      guard let object = value.objectValue else {
        problems.append(ValueProblem(path: place, problem: "must be an object with a state"))
        continue
      }
      problems += memberProblems(object, place)
    }
    return problems
  }

  private static func memberProblems(_ task: JSONObject, _ place: String) -> [ValueProblem] {
    var problems: [ValueProblem] = []
    if task["state"] == nil {
      problems.append(ValueProblem(path: "\(place)/state", problem: "is required"))
    } else if task["state"]?.stringValue.map({ words.contains($0) }) != true {
      problems.append(
        ValueProblem(path: "\(place)/state", problem: "must be one of \(words.joined(separator: ", "))"))
    }
    if let duration = task["duration"], !duration.isNull {
      if let seconds = duration.doubleValue, seconds.isFinite, seconds >= 0 {
      } else {
        problems.append(ValueProblem(path: "\(place)/duration", problem: "must be a number of seconds, 0 or more"))
      }
    }
    for name in times {
      guard let time = task[name], !time.isNull else { continue }
      if time.stringValue.flatMap({ Timestamp($0) }) == nil {
        problems.append(ValueProblem(path: "\(place)/\(name)", problem: "must be an RFC 3339 time with a zone"))
      }
    }
    return problems
  }

  /// What is known after more has been told: task by task and member by member, a null taking a task or a member out.
  /// - Throws: ``Refusal`` `too_large` where more is known then than one run may hold.
  static func merged(_ known: JSON?, with told: JSON) throws -> JSON {
    guard let told = told.objectValue else { return told }
    let before = known?.objectValue ?? [:]
    let changed = told.map { task, value -> (key: String, value: JSON) in
      guard let object = value.objectValue else { return (task, .null) }
      return (task, .object((before[task]?.objectValue ?? [:]).merging(object).filter { !$0.value.isNull }))
    }
    let merged = JSON.object(before.merging(JSONObject(members: changed)).filter { !$0.value.isNull })
    // What was too large already may still become smaller.
    let size = merged.canonicalBytes.count
    guard size <= maximumBytes || size <= known?.canonicalBytes.count ?? 0 else {
      throw Refusal.tooLarge(
        limit: Int64(maximumBytes), "The task states of one run come to \(size) bytes, more than \(maximumBytes).")
    }
    return merged
  }
}
