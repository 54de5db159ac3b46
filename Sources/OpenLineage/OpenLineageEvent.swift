import BasicTypes
import CanonicalJSON
import Catalog
import Crypto

/// One event of an OpenLineage producer: a RunEvent, or a JobEvent or DatasetEvent without a run.
///
/// Accepts what producers really send: no `schemaURL`, no `producer`, no `eventType`, a time without a zone (UTC), a
/// run id that is no UUID. What it doesn't know is kept in ``json``.
public struct OpenLineageEvent: Sendable {
  /// A job by its name in a namespace.
  public struct Job: Sendable {
    /// The namespace of the producer's scheduler.
    public let namespace: String
    /// The name in it.
    public let name: String
    /// Its facets by name.
    public let facets: JSONObject
  }

  /// A run by the producer's id.
  public struct Run: Sendable {
    /// The id as it was sent, a UUID or not.
    public let runID: String
    /// Its facets by name.
    public let facets: JSONObject
  }

  /// A dataset that was read or written, or only described.
  public struct Dataset: Sendable {
    /// The namespace of the storage.
    public let namespace: String
    /// The name in it.
    public let name: String
    /// Its facets by name, those of its part in the run (`inputFacets`, `outputFacets`) among them.
    public let facets: JSONObject
    /// Where its columns come from; nil where the event doesn't say.
    let columns: ColumnLineage?

    /// What tells it from others: its names, by their bytes.
    var key: ColumnLineage.Source { ColumnLineage.Source(namespace: namespace, name: name) }

    /// The other names that it is known by, or was before it was renamed, as its facets tell them.
    var aliases: [(namespace: String, name: String)] {
      let symlinks = facets["symlinks"]?["identifiers"]?.arrayValue ?? []
      return (symlinks + [KnownFacets.formerName(facets)].compactMap(\.self)).compactMap { identifier in
        guard let namespace = identifier["namespace"]?.stringValue, let name = identifier["name"]?.stringValue,
          namespace.utf8.count <= OpenLineageEvent.maximumNameBytes,
          name.utf8.count <= OpenLineageEvent.maximumNameBytes
        else { return nil }
        return (namespace, name)
      }
    }
  }

  /// The most inputs, outputs, and symlinks of datasets that one event may name: each is looked up while every other
  /// command waits.
  public static let maximumDatasets = 2000

  /// How many datasets may name one dataset among their symlinks, so that it knows them.
  static let maximumAliases = 1000

  /// When it happened, by the producer's clock.
  public let time: Timestamp
  /// What it says of the run's state; `other` without an `eventType`.
  public let report: RunStateMerge.Report
  /// The producer's own name for itself.
  public let producer: String?
  /// The run; nil for events about a job or a dataset alone.
  public let run: Run?
  /// The job; nil for events about a dataset alone.
  public let job: Job?
  /// What was read.
  public let inputs: [Dataset]
  /// What was written.
  public let outputs: [Dataset]
  /// The dataset of an event that is about one alone.
  public let dataset: Dataset?
  /// What the event itself says was made from what; nil where it leaves that to its lists.
  let lineage: ExplicitLineage?
  /// How many pairs of a dataset and one that was made from it the event shows: each input with each output, and what
  /// its column lineage names besides. Each is an edge.
  public let pairCount: Int
  /// The whole event as it was sent.
  public let json: JSONObject

  /// The SHA-256 of the event's canonical JSON: the same event written otherwise has the same digest.
  public var digest: [UInt8] { Array(SHA256.hash(data: json.canonicalBytes)) }

  /// The faults of an event that isn't one.
  public struct Malformed: Error, Sendable, Equatable {
    /// Each fault with its JSON Pointer; never empty.
    public let problems: [ValueProblem]
  }

  /// The longest namespace or name, in bytes of UTF-8: two of them must fit one index entry.
  public static let maximumNameBytes = 1200

  /// Reads an event.
  ///
  /// - Parameters:
  ///   - json: the event.
  ///   - path: the JSON Pointer of the event in the caller's params, before each fault's own.
  /// - Throws: ``Malformed`` with every fault.
  public static func parse(_ json: JSONObject, path: String = "") throws(Malformed) -> OpenLineageEvent {
    var reader = Reader(problems: [])
    FieldCheck.checkJSON(.object(json), path: path, problems: &reader.problems)
    let time = reader.time(json["eventTime"], "\(path)/eventTime")
    let report = reader.report(json["eventType"], "\(path)/eventType")
    let producer = reader.optionalText(json["producer"], "\(path)/producer")
    _ = reader.optionalText(json["schemaURL"], "\(path)/schemaURL")
    var run: Run?
    if let value = reader.optionalObject(json["run"], "\(path)/run") {
      run = reader.run(value, "\(path)/run")
    }
    var job: Job?
    if let value = reader.optionalObject(json["job"], "\(path)/job") {
      let name = reader.names(value, "\(path)/job")
      job = Job(
        namespace: name.namespace, name: name.name, facets: reader.facets(value["facets"], "\(path)/job/facets"))
    } else if json["run"]?.isNull == false {
      reader.fault("\(path)/job", "is required")
    }
    let inputs = reader.datasets(json["inputs"], "\(path)/inputs", roleFacets: "inputFacets")
    let outputs = reader.datasets(json["outputs"], "\(path)/outputs", roleFacets: "outputFacets")
    var dataset: Dataset?
    if let value = reader.optionalObject(json["dataset"], "\(path)/dataset") {
      dataset = reader.dataset(value, "\(path)/dataset", roleFacets: nil)
    }
    if reader.problems.isEmpty, job == nil, dataset == nil {
      reader.fault("\(path)/run", "is required: an event is about a run, a job or a dataset")
    }
    let aliases = (inputs + outputs + [dataset].compactMap(\.self)).reduce(0) { $0 + $1.aliases.count }
    if aliases > maximumDatasets {
      reader.fault(path, "names \(aliases) symlinks of datasets, and may name at most \(maximumDatasets)")
    }
    guard let time, reader.problems.isEmpty else { throw Malformed(problems: reader.problems) }
    let lineage = ExplicitLineage(
      job: job?.facets ?? [:], datasets: inputs + outputs + [dataset].compactMap(\.self))
    if let count = lineage?.targets.count, count > maximumDatasets {
      reader.fault(path, "names \(count) datasets in lineage facets, and may name at most \(maximumDatasets)")
      throw Malformed(problems: reader.problems)
    }
    return OpenLineageEvent(
      time: time, report: report, producer: producer, run: run, job: job, inputs: inputs, outputs: outputs,
      dataset: dataset, lineage: lineage, pairCount: pairCount(inputs, outputs, dataset, lineage), json: json)
  }

  private static func pairCount(
    _ inputs: [Dataset], _ outputs: [Dataset], _ dataset: Dataset?, _ lineage: ExplicitLineage?
  ) -> Int {
    let sources = Set(inputs.map(\.key))
    let targets = Set(outputs.filter { lineage?.decides($0) != true }.map(\.key))
    // Both are bounded by ``maximumDatasets``, so the product is no overflow.
    var count = sources.count * targets.count
    var seen: [ColumnLineage.Source: Set<ColumnLineage.Source>] = [:]
    let told = (inputs + outputs + [dataset].compactMap(\.self)).compactMap { dataset in
      dataset.columns.map { (target: dataset.key, lineage: $0) }
    }
    for (target, columns) in told + (lineage?.targets ?? []) {
      for source in columns.sources where !(sources.contains(source) && targets.contains(target)) {
        if seen[target, default: []].insert(source).inserted { count += 1 }
      }
    }
    return count
  }
}

/// Reads the parts of an event and collects their faults.
private struct Reader {
  var problems: [ValueProblem]

  mutating func fault(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  mutating func time(_ value: JSON?, _ path: String) -> Timestamp? {
    guard let text = requiredText(value, path) else { return nil }
    guard let time = Timestamp(text, assumingUTC: true) else {
      fault(path, "must be an RFC 3339 time of the years 1 to 9999")
      return nil
    }
    return time
  }

  mutating func report(_ value: JSON?, _ path: String) -> RunStateMerge.Report {
    guard let word = optionalText(value, path) else { return .other }
    switch word {
    case "START": return .start
    case "RUNNING": return .running
    case "COMPLETE": return .success
    case "FAIL": return .failed
    case "ABORT": return .cancelled
    case "OTHER": return .other
    default:
      fault(path, "must be one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER")
      return .other
    }
  }

  mutating func run(_ value: JSONObject, _ path: String) -> OpenLineageEvent.Run? {
    let facets = facets(value["facets"], "\(path)/facets")
    guard let text = requiredText(value["runId"], "\(path)/runId") else { return nil }
    if text.isEmpty { fault("\(path)/runId", "must not be empty") }
    if text.utf8.count > OpenLineageEvent.maximumNameBytes {
      fault("\(path)/runId", "must be at most \(OpenLineageEvent.maximumNameBytes) bytes")
    }
    return OpenLineageEvent.Run(runID: text, facets: facets)
  }

  mutating func names(_ value: JSONObject, _ path: String) -> (namespace: String, name: String) {
    var texts: [String] = []
    for key in ["namespace", "name"] {
      let text = requiredText(value[key], "\(path)/\(key)") ?? ""
      if text.utf8.count > OpenLineageEvent.maximumNameBytes {
        fault(
          "\(path)/\(key)",
          "must be at most \(OpenLineageEvent.maximumNameBytes) bytes: an indexed text too long for an index entry")
      }
      texts.append(text)
    }
    return (texts[0], texts[1])
  }

  mutating func datasets(_ value: JSON?, _ path: String, roleFacets: String) -> [OpenLineageEvent.Dataset] {
    guard let value, !value.isNull else { return [] }
    guard let elements = value.arrayValue else {
      fault(path, "must be an array")
      return []
    }
    guard elements.count <= OpenLineageEvent.maximumDatasets else {
      fault(path, "names \(elements.count) datasets, and may name at most \(OpenLineageEvent.maximumDatasets)")
      return []
    }
    var datasets: [OpenLineageEvent.Dataset] = []
    for (index, element) in elements.enumerated() {
      guard let object = element.objectValue else {
        fault("\(path)/\(index)", "must be an object")
        continue
      }
      datasets.append(dataset(object, "\(path)/\(index)", roleFacets: roleFacets))
    }
    return datasets
  }

  mutating func dataset(_ value: JSONObject, _ path: String, roleFacets: String?) -> OpenLineageEvent.Dataset {
    let name = names(value, path)
    var all = facets(value["facets"], "\(path)/facets")
    if let roleFacets { all = all.merging(facets(value[roleFacets], "\(path)/\(roleFacets)")) }
    var columns: ColumnLineage?
    if let facet = all["columnLineage"], facet["_deleted"]?.boolValue != true { columns = ColumnLineage(facet) }
    return OpenLineageEvent.Dataset(namespace: name.namespace, name: name.name, facets: all, columns: columns)
  }

  mutating func facets(_ value: JSON?, _ path: String) -> JSONObject {
    optionalObject(value, path) ?? [:]
  }

  mutating func optionalObject(_ value: JSON?, _ path: String) -> JSONObject? {
    guard let value, !value.isNull else { return nil }
    guard let object = value.objectValue else {
      fault(path, "must be an object")
      return nil
    }
    return object
  }

  mutating func optionalText(_ value: JSON?, _ path: String) -> String? {
    guard let value, !value.isNull else { return nil }
    return requiredText(value, path)
  }

  mutating func requiredText(_ value: JSON?, _ path: String) -> String? {
    guard let value, !value.isNull else {
      fault(path, "is required")
      return nil
    }
    guard let text = value.stringValue else {
      fault(path, "must be a string")
      return nil
    }
    return text
  }
}
