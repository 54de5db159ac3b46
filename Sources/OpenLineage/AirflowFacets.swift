import BasicTypes
import CanonicalJSON

/// What Airflow's own facets say: of a run those named `airflow` (of a task), `airflowDagRun`, `airflowState` and
/// `airflow_mappedTask`; of a job the one named `airflow`.
///
/// Nothing is taken out of these facets for what they give: they name people and hold what nobody asked for, and so are
/// kept whole with the unknown ones.
enum AirflowFacets {
  private typealias Assignment = KnownFacets.Assignment

  /// The longest name of a DAG or of its run.
  private static let maximumName = 255
  /// The longest of what else becomes a member of `context`, in bytes.
  private static let maximumText = 4096
  /// How many bytes of JSON the states of a run's tasks may come to.
  private static let maximumStates = 1 << 20

  /// What the facets of a run say of it.
  static func run(_ facets: JSONObject) -> [KnownFacets.Assignment] {
    var given: [Assignment] = []
    if let facet = (facets["airflow"] ?? facets["airflowDagRun"])?.objectValue {
      let dagRun = facet["dagRun"]?.objectValue ?? [:]
      if let dag = name(dagRun["dag_id"]) ?? name(facet["dag"]?["dag_id"]) {
        given.append(Assignment("dag_id", .string(dag)))
      }
      if let run = name(dagRun["run_id"]) { given.append(Assignment("dag_run_id", .string(run))) }
      if let type = dagRun["run_type"]?.stringValue, type.utf8.count <= maximumText {
        given.append(Assignment("context", .string(type), member: "run_type"))
        if let trigger = trigger(type) { given.append(Assignment("trigger_type", .string(trigger))) }
      }
      given += task(facet["taskInstance"]?.objectValue ?? [:])
    }
    if !given.contains(where: { $0.member == "map_index" }),
      let index = facets["airflow_mappedTask"]?["mapIndex"]?.integerValue, index >= 0
    {
      given.append(Assignment("context", .integer(index), member: "map_index"))
    }
    if let states = states(facets["airflowState"]?.objectValue ?? [:]) {
      given.append(Assignment("task_states", states))
    }
    return given
  }

  /// The parameters that a DAG's run was given; nil where the facets don't say.
  static func parameters(_ facets: JSONObject) -> JSONObject? {
    (facets["airflow"] ?? facets["airflowDagRun"])?["dagRun"]?["conf"]?.objectValue
  }

  /// What a person would call the way in which a run of that `run_type` came about. The producer's own word is kept
  /// beside it.
  private static func trigger(_ type: String) -> String? {
    switch type {
    case "manual", "backfill": "manual"
    case "scheduled", "asset_triggered", "dataset_triggered": "scheduled"
    case "operator_triggered": "api"
    default: nil
    }
  }

  private static func task(_ instance: JSONObject) -> [Assignment] {
    var given: [Assignment] = []
    for name in ["try_number", "map_index"] {
      // A task that isn't mapped has the index -1, or none.
      guard let number = instance[name]?.integerValue, number >= 0 else { continue }
      given.append(Assignment("context", .integer(number), member: name))
    }
    for name in ["rendered_map_index", "log_url"] {
      guard let text = instance[name]?.stringValue, !text.isEmpty, text.utf8.count <= maximumText else { continue }
      given.append(Assignment("context", .string(text), member: name))
    }
    return given
  }

  /// `{"build": "success"}` and `{"build": 0.72}` as the states of a run's tasks.
  private static func states(_ facet: JSONObject) -> JSON? {
    guard let told = facet["tasksState"]?.objectValue else { return nil }
    var states = JSONObject()
    for (task, value) in told where !task.utf8.isEmpty {
      let word = value.isNull ? "none" : value.stringValue ?? ""
      guard SchedulerStates.words.contains(word) else { continue }
      var state: JSONObject = ["state": .string(word)]
      if let seconds = facet["tasksDuration"]?[task], let number = seconds.doubleValue, number.isFinite, number >= 0 {
        state["duration"] = seconds
      }
      states[task] = .object(state)
    }
    let all = JSON.object(states)
    guard !states.isEmpty, all.canonicalBytes.count <= maximumStates else { return nil }
    return all
  }

  /// The tasks of a DAG and which of them come after which, from the job's facet.
  static func graph(_ facet: JSONObject) -> [KnownFacets.Assignment]? {
    guard let told = facet["tasks"]?.objectValue, !told.isEmpty else { return nil }
    var tasks: [JSON] = []
    var edges: [JSON] = []
    let sorted = told.filter { !$0.key.utf8.isEmpty }.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for (id, task) in sorted {
      let label = task["ui_label"]?.stringValue ?? ""
      let type = task["operator"]?.stringValue ?? ""
      tasks.append([
        "id": .string(id), "type": .string(type.isEmpty ? "task" : type), "name": .string(label.isEmpty ? id : label),
      ])
      for after in task["downstream_task_ids"]?.arrayValue ?? [] {
        guard let name = after.stringValue, told[name] != nil else { continue }
        edges.append(["source": .string(id), "target": .string(name)])
      }
    }
    return [Assignment("tasks", .array(tasks)), Assignment("edges", .array(edges))]
  }

  /// When a DAG runs by itself, from the facets of an event of its own; nothing from events of its tasks.
  static func schedule(run facets: JSONObject, job: JSONObject) -> [KnownFacets.Assignment] {
    let isDAG = job["jobType"]?["jobType"]?.stringValue == "DAG"
    let facet = facets["airflowDagRun"] ?? (isDAG ? facets["airflow"] : nil)
    guard let dag = facet?["dag"]?.objectValue, let summary = dag["timetable_summary"]?.stringValue else { return [] }
    if summary == "None" { return [Assignment("schedule", .null), Assignment("is_scheduled", false)] }
    // A timetable that no line says (assets, intervals, an own class) is left in the facet.
    guard isLine(summary) else { return [] }
    let zone = dag["timetable"]?["timezone"]?.stringValue ?? "UTC"
    let schedule: JSON = zone == "UTC" ? .string(summary) : ["interval": .string(summary), "timezone": .string(zone)]
    return [Assignment("schedule", schedule), Assignment("is_scheduled", true)]
  }

  /// Whether a summary is a cron line or one of Airflow's words for one.
  private static func isLine(_ summary: String) -> Bool {
    if ["@once", "@hourly", "@daily", "@weekly", "@monthly", "@yearly"].contains(summary) { return true }
    let parts = summary.utf8.split(separator: UInt8(ascii: " "))
    return parts.count == 5
      && parts.allSatisfy { part in
        part.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "*"), UInt8(ascii: ","), UInt8(ascii: "-"),
            UInt8(ascii: "/"):
            true
          default: false
          }
        }
      }
  }

  private static func name(_ value: JSON?) -> String? {
    guard let text = value?.stringValue, !text.isEmpty, text.unicodeScalars.count <= maximumName else { return nil }
    return text
  }
}

/// The words of schedulers, Airflow's among them, for the state of one task.
public enum SchedulerStates {
  /// All of them.
  public static let words = [
    "none", "scheduled", "queued", "pending", "running", "success", "completed", "failed", "skipped", "up_for_retry",
    "up_for_reschedule", "upstream_failed", "deferred", "restarting", "removed", "cancelled",
  ]
}
