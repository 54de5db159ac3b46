import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// Values by the names under which alert rules watch them, and where they come from.
struct Measurement {
  let organization: Identifier
  /// The values by metric; names are told apart by their bytes.
  var values: [JSON: Double] = [:]
  var pipeline: Identifier?
  var run: Identifier?
  var task: Identifier?
  /// The node at which it was measured.
  var node: String?
  /// What else is to be kept with an alert.
  var context = JSONObject()

  init(organization: Identifier) {
    self.organization = organization
  }

  /// The members of a measurement that are values.
  private static let members = [
    "rows_input", "rows_output", "rows_filtered", "rows_error", "data_size_bytes", "duration_seconds",
    "memory_peak_mb", "cpu_percent",
  ]

  /// What was given to `run.measure` or `task_run.measure`; nil where the run belongs to no organization.
  init?(given: JSONObject, of run: ResourceState, task: ResourceState?) {
    self.init(of: run)
    self.task = task?.id
    node = given["node_id"]?.stringValue
    for name in Self.members { values[.string(name)] = given[name]?.doubleValue }
  }

  /// What a run's end says: `run_failed` (1 or 0), `run_duration_seconds`, `rows_processed`, `data_size_bytes`, and
  /// every number of the run's own `metrics`.
  init?(end status: String, of run: ResourceState) {
    self.init(of: run)
    for (name, value) in run.fields["metrics"]?.objectValue ?? [:] { values[.string(name)] = value.doubleValue }
    for name in ["rows_processed", "data_size_bytes"] {
      if let value = run.fields[name]?.doubleValue { values[.string(name)] = value }
    }
    if let seconds = run.fields["duration_seconds"]?.doubleValue { values["run_duration_seconds"] = seconds }
    values["run_failed"] = status == "success" ? 0 : 1
  }

  private init?(of run: ResourceState) {
    guard let organization = run.organization else { return nil }
    self.init(organization: organization)
    self.run = run.id
    pipeline = run.reference("pipeline_id")
  }

  /// Where it comes from, as an alert keeps it.
  var origin: JSONObject {
    var origin = context
    if let pipeline { origin["pipeline_id"] = .string(pipeline.text) }
    if let node { origin["node_id"] = .string(node) }
    return origin
  }
}
