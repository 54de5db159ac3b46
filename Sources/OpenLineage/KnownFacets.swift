import BasicTypes
import CanonicalJSON

/// The facets that become fields, by name, and the values they give.
///
/// A facet of a known name whose content isn't as the specification says gives
/// nothing, and so is kept whole with the unknown ones.
enum KnownFacets {
  /// What one facet says of one field, or of one member of an object field.
  struct Assignment {
    let field: String
    let member: String?
    let value: JSON
    /// Whether the value is a list that people add to as well: what they added stays.
    let isShared: Bool

    init(_ field: String, _ value: JSON, member: String? = nil, isShared: Bool = false) {
      self.field = field
      self.member = member
      self.value = value
      self.isShared = isShared
    }
  }

  /// What one facet gives, and which of its members that accounts for.
  struct Reading {
    /// The facet's name.
    let facet: String
    /// The facet as it was read.
    let content: JSONObject
    let assignments: [Assignment]
    /// The members that the assignments hold; nil where they hold the whole facet.
    let members: [String]?
  }

  /// What a facet of that name gives; nil where it gives nothing.
  private typealias Given = (assignments: [Assignment], members: [String]?)

  /// What the facets of a run say; `parent` is read by ``parent(_:)``.
  static func run(_ facets: JSONObject) -> [Reading] {
    let read = read(facets) { name, facet in
      switch name {
      case "nominalTime":
        guard let start = time(facet["nominalStartTime"]) else { return nil }
        let began = Assignment("nominal_start_at", start)
        // An end that is no time ("", "None") takes nothing from the start; it is kept as it was sent.
        guard let end = time(facet["nominalEndTime"]) else { return ([began], ["nominalStartTime"]) }
        return ([began, Assignment("nominal_end_at", end)], ["nominalStartTime", "nominalEndTime"])
      case "processing_engine", "processingEngine":
        return ([Assignment("context", content(facet), member: "processing_engine")], nil)
      case "tags":
        guard let tags = FacetTags(facet) else { return nil }
        return ([Assignment("tags", .array(tags.own), isShared: true)], [])
      default: return nil
      }
    }
    return read + besides(AirflowFacets.run(facets))
  }

  /// The parameters that a run was given, of Airflow's `conf` and the `executionParameters` facet together; nil where
  /// the facets don't say.
  static func parameters(_ facets: JSONObject) -> JSONObject? {
    let told = (facets["executionParameters"]?["parameters"]?.arrayValue ?? []).compactMap {
      parameter -> (key: String, value: JSON)? in
      guard let key = parameter["key"]?.stringValue, !key.isEmpty else { return nil }
      return (key, parameter["value"] ?? .null)
    }
    let conf = AirflowFacets.parameters(facets)
    return told.isEmpty ? conf : (conf ?? [:]).merging(JSONObject(members: told))
  }

  /// What facets say besides what is read of them: they are kept whole all the same.
  static func besides(_ assignments: [Assignment]) -> [Reading] {
    assignments.map { Reading(facet: "", content: [:], assignments: [$0], members: []) }
  }

  /// The message of an `errorMessage` facet. The facet itself is kept with the
  /// unknown ones too: its stack trace may name anyone.
  static func errorMessage(_ facets: JSONObject) -> String? {
    facets["errorMessage"]?["message"]?.stringValue
  }

  /// The stack trace of an `errorMessage` facet.
  static func stackTrace(_ facets: JSONObject) -> String? {
    facets["errorMessage"]?["stackTrace"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// What a dataset was called before it was renamed, where its `lifecycleStateChange` says so and names nothing else.
  static func formerName(_ facets: JSONObject) -> JSON? {
    guard let facet = facets["lifecycleStateChange"], facet["lifecycleStateChange"] == "RENAME",
      let former = facet["previousIdentifier"], let namespace = former["namespace"], namespace.stringValue != nil,
      let name = former["name"], name.stringValue != nil
    else { return nil }
    return ["namespace": namespace, "name": name]
  }

  /// The run and job that a parent facet names.
  struct Parent {
    /// The facet's name: `parent`, or `parentRun` as some producers have it.
    let facet: String
    let runID: String
    let namespace: String
    let name: String
    /// Whether it names nothing besides, such as the root of a tree of runs.
    let isComplete: Bool
  }

  /// What the parent facet names, or nil where there is none or it isn't one.
  static func parent(_ facets: JSONObject) -> Parent? {
    for facetName in ["parent", "parentRun"] {
      guard let facet = facets[facetName]?.objectValue, let runID = facet["run"]?["runId"]?.stringValue,
        !runID.isEmpty, runID.utf8.count <= OpenLineageEvent.maximumNameBytes,
        let namespace = facet["job"]?["namespace"]?.stringValue, let name = facet["job"]?["name"]?.stringValue,
        namespace.utf8.count <= OpenLineageEvent.maximumNameBytes
      else { continue }
      let isComplete =
        facet.allSatisfy { ["run", "job", "_producer", "_schemaURL"].contains($0.key) }
        && facet["run"]?.objectValue?.count == 1 && facet["job"]?.objectValue?.count == 2
      return Parent(facet: facetName, runID: runID, namespace: namespace, name: name, isComplete: isComplete)
    }
    return nil
  }

  /// What the facets of a job say of its pipeline, and those of its run.
  static func job(_ facets: JSONObject, run: JSONObject = [:]) -> [Reading] {
    let read = read(facets) { name, facet in
      switch name {
      case "documentation": return description(facet)
      case "sourceCode":
        guard let source = facet["sourceCode"]?.stringValue else { return nil }
        let code: JSON = ["language": facet["language"] ?? .null, "source": .string(source)]
        return ([Assignment("code", code)], ["language", "sourceCode"])
      case "sql":
        // Of a job that has both, the source code is the code.
        guard let query = facet["query"]?.stringValue, facets["sourceCode"]?["sourceCode"]?.stringValue == nil else {
          return nil
        }
        var code: JSONObject = ["language": "sql", "source": .string(query)]
        if let dialect = facet["dialect"], !dialect.isNull { code["dialect"] = dialect }
        return ([Assignment("code", .object(code))], ["query", "dialect"])
      case "ownership":
        guard let owners = facet["owners"], owners.arrayValue != nil else { return nil }
        return ([Assignment("metadata", owners, member: "owners")], ["owners"])
      case "jobType":
        let type = Assignment("metadata", content(facet), member: "job_type")
        return (facet["jobType"] == "DAG" ? [type, Assignment("kind", "dag")] : [type], nil)
      case "airflow": return AirflowFacets.graph(facet).map { (assignments: $0, members: []) }
      case "sourceCodeLocation":
        return ([Assignment("metadata", content(facet), member: "source_code_location")], nil)
      case "tags":
        guard let tags = FacetTags(facet) else { return nil }
        // The facet is kept as well: a tag doesn't tell its source.
        return ([Assignment("tags", .array(tags.own), isShared: true)], [])
      default: return nil
      }
    }
    return read + besides(AirflowFacets.schedule(run: run, job: facets))
  }

  /// What the facets of a dataset say of it.
  static func dataset(_ facets: JSONObject) -> [Reading] {
    read(facets) { name, facet in
      switch name {
      case "documentation": return description(facet)
      case "schema": return array(facet, "fields", "schema_fields")
      case "columnLineage":
        guard facet["fields"]?.objectValue != nil || facet["dataset"]?.arrayValue != nil else { return nil }
        return ([Assignment("column_lineage", content(facet))], nil)
      case "dataSource": return ([Assignment("data_source", content(facet))], nil)
      case "symlinks": return array(facet, "identifiers", "symlinks")
      case "ownership": return array(facet, "owners", "owners")
      case "lifecycleStateChange":
        guard let state = facet["lifecycleStateChange"]?.stringValue, state.unicodeScalars.count <= 50 else {
          return nil
        }
        let changed = Assignment("lifecycle_state", .string(state))
        guard let former = formerName(facets) else { return ([changed], ["lifecycleStateChange"]) }
        let isWhole = facet["previousIdentifier"] == former
        return (
          [changed, Assignment("renamed_from", former)],
          isWhole ? ["lifecycleStateChange", "previousIdentifier"] : ["lifecycleStateChange"]
        )
      case "outputStatistics": return ([Assignment("statistics", content(facet), member: "output")], nil)
      case "inputStatistics": return ([Assignment("statistics", content(facet), member: "input")], nil)
      case "dataQualityMetrics": return ([Assignment("statistics", content(facet), member: "quality")], nil)
      case "tags":
        guard let tags = FacetTags(facet) else { return nil }
        let columns = tags.columns.isEmpty ? JSON.null : .object(tags.columns)
        return ([Assignment("tags", .array(tags.own), isShared: true), Assignment("column_tags", columns)], [])
      default: return nil
      }
    }
  }

  private static let deletedFields: [String: [Assignment]] = [
    "schema": [Assignment("schema_fields", .null)], "columnLineage": [Assignment("column_lineage", .null)],
    "dataSource": [Assignment("data_source", .null)], "symlinks": [Assignment("symlinks", .null)],
    "lifecycleStateChange": [Assignment("lifecycle_state", .null)], "sourceCode": [Assignment("code", .null)],
    "sql": [Assignment("code", .null)], "documentation": [Assignment("description", .null)],
    "jobType": [Assignment("metadata", .null, member: "job_type")],
    "sourceCodeLocation": [Assignment("metadata", .null, member: "source_code_location")],
    "tags": [Assignment("tags", [], isShared: true)],
  ]

  private static func read(_ facets: JSONObject, _ given: (String, JSONObject) -> Given?) -> [Reading] {
    var all: [Reading] = []
    for (name, value) in facets {
      guard let facet = value.objectValue else { continue }
      if facet["_deleted"]?.boolValue == true {
        // `_deleted` withdraws a facet of a job or dataset.
        guard let assignments = deletedFields[name] else { continue }
        all.append(Reading(facet: name, content: facet, assignments: assignments, members: ["_deleted"]))
      } else if let (assignments, members) = given(name, facet) {
        all.append(Reading(facet: name, content: facet, assignments: assignments, members: members))
      }
    }
    return all
  }

  private static func description(_ facet: JSONObject) -> Given? {
    facet["description"]?.stringValue.map { ([Assignment("description", .string($0))], ["description"]) }
  }

  private static func array(_ facet: JSONObject, _ member: String, _ field: String) -> Given? {
    guard let value = facet[member], value.arrayValue != nil else { return nil }
    return ([Assignment(field, value)], [member])
  }

  private static func time(_ value: JSON?) -> JSON? {
    value?.stringValue.flatMap { Timestamp($0, assumingUTC: true) }.map { .string($0.text) }
  }

  /// A facet without the members that only say who sent it: a producer's new version is no new content.
  private static func content(_ facet: JSONObject) -> JSON {
    .object(facet.filter { $0.key != "_producer" && $0.key != "_schemaURL" })
  }
}
