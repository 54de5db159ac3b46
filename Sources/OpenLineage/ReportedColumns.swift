import BasicTypes
import CanonicalJSON

/// The columns of an edge, side by side for each job that reports them: a job's later report replaces its own and no
/// other's. Each job's time stands under `columns.<id of the pipeline>` among the times.
///
/// While one job alone reports columns, they stand in `columns`; from the second one on, `columns_by_job` has those of
/// each job by the pipeline's id, and `columns` all of them together.
extension ReportedFields {
  private static let prefix = "columns."
  /// What stands in place of a job where a report names none.
  private static let noJob = "none"

  /// A job's word on the columns of an edge.
  mutating func decide(columns: JSON, of job: Identifier?, at time: Timestamp) {
    nameFormerJob()
    let name = job?.text ?? Self.noJob
    let others = times.keys.filter { $0.utf8.starts(with: Self.prefix.utf8) && $0 != Self.prefix + name }
      .map { String($0.dropFirst(Self.prefix.count)) }
    var byJob = self["columns_by_job"]?.objectValue ?? [:]
    if byJob.isEmpty, let all = self["columns"] {
      // So far they were those of one job, this or the other.
      byJob[others.first ?? name] = all
    }
    guard takes(Self.prefix + name, columns, over: byJob[name] ?? .null, at: time) else { return }
    guard !others.isEmpty else { return set("columns", columns) }
    byJob[name] = columns
    set("columns_by_job", .object(byJob))
    set("columns", .array(ColumnLineage.sorted(Set(byJob.values.flatMap { $0.arrayValue ?? [] }))))
  }

  /// Before columns were kept for each job, one time stood for them: they are those of the job that reported the edge.
  private mutating func nameFormerJob() {
    guard let time = times["columns"] else { return }
    times.removeValue(forKey: "columns")
    times[Self.prefix + (current["pipeline_id"]?.stringValue ?? Self.noJob)] = time
  }
}
