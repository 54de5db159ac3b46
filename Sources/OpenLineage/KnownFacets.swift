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

    init(_ field: String, _ value: JSON, member: String? = nil) {
      self.field = field
      self.member = member
      self.value = value
    }
  }

  /// What the facets of a run say, and the names of those that say it; `parent` is read by ``parent(_:)``.
  static func run(_ facets: JSONObject) -> (assignments: [Assignment], names: Set<String>) {
    read(facets) { name, facet in
      switch name {
      case "nominalTime":
        guard let start = time(facet["nominalStartTime"]) else { return nil }
        if let text = facet["nominalEndTime"], !text.isNull {
          guard let end = time(text) else { return nil }
          return [Assignment("nominal_start_at", start), Assignment("nominal_end_at", end)]
        }
        return [Assignment("nominal_start_at", start)]
      case "processing_engine":
        return [Assignment("context", content(facet), member: "processing_engine")]
      default: return nil
      }
    }
  }

  /// The message of an `errorMessage` facet. The facet itself is kept with the
  /// unknown ones too: its stack trace may name anyone.
  static func errorMessage(_ facets: JSONObject) -> String? {
    facets["errorMessage"]?["message"]?.stringValue
  }

  /// The run and job that a `parent` facet names, or nil where there is none or it isn't one.
  static func parent(_ facets: JSONObject) -> (runID: String, namespace: String, name: String)? {
    guard let facet = facets["parent"], let runID = facet["run"]?["runId"]?.stringValue, !runID.isEmpty,
      runID.utf8.count <= OpenLineageEvent.maximumNameBytes,
      let namespace = facet["job"]?["namespace"]?.stringValue, let name = facet["job"]?["name"]?.stringValue,
      namespace.utf8.count <= OpenLineageEvent.maximumNameBytes
    else { return nil }
    return (runID, namespace, name)
  }

  /// What the facets of a job say of its pipeline.
  static func job(_ facets: JSONObject) -> (assignments: [Assignment], names: Set<String>) {
    read(facets) { name, facet in
      switch name {
      case "documentation": return description(facet)
      case "sourceCode":
        guard let source = facet["sourceCode"]?.stringValue else { return nil }
        return [Assignment("code", ["language": facet["language"] ?? .null, "source": .string(source)])]
      case "sql":
        // Of a job that has both, the source code is the code.
        guard let query = facet["query"]?.stringValue, facets["sourceCode"]?["sourceCode"]?.stringValue == nil else {
          return nil
        }
        var code: JSONObject = ["language": "sql", "source": .string(query)]
        if let dialect = facet["dialect"], !dialect.isNull { code["dialect"] = dialect }
        return [Assignment("code", .object(code))]
      case "ownership":
        guard let owners = facet["owners"], owners.arrayValue != nil else { return nil }
        return [Assignment("metadata", owners, member: "owners")]
      case "jobType": return [Assignment("metadata", content(facet), member: "job_type")]
      case "sourceCodeLocation": return [Assignment("metadata", content(facet), member: "source_code_location")]
      default: return nil
      }
    }
  }

  /// What the facets of a dataset say of it.
  static func dataset(_ facets: JSONObject) -> (assignments: [Assignment], names: Set<String>) {
    read(facets) { name, facet in
      switch name {
      case "documentation": return description(facet)
      case "schema": return array(facet["fields"], "schema_fields")
      case "columnLineage":
        guard facet["fields"]?.objectValue != nil else { return nil }
        return [Assignment("column_lineage", content(facet))]
      case "dataSource": return [Assignment("data_source", content(facet))]
      case "symlinks": return array(facet["identifiers"], "symlinks")
      case "ownership": return array(facet["owners"], "owners")
      case "lifecycleStateChange":
        guard let state = facet["lifecycleStateChange"]?.stringValue, state.unicodeScalars.count <= 50 else {
          return nil
        }
        return [Assignment("lifecycle_state", .string(state))]
      case "outputStatistics": return [Assignment("statistics", content(facet), member: "output")]
      case "inputStatistics": return [Assignment("statistics", content(facet), member: "input")]
      case "dataQualityMetrics": return [Assignment("statistics", content(facet), member: "quality")]
      default: return nil
      }
    }
  }

  private static let deletedFields: [String: Assignment] = [
    "schema": Assignment("schema_fields", .null), "columnLineage": Assignment("column_lineage", .null),
    "dataSource": Assignment("data_source", .null), "symlinks": Assignment("symlinks", .null),
    "lifecycleStateChange": Assignment("lifecycle_state", .null), "sourceCode": Assignment("code", .null),
    "sql": Assignment("code", .null), "documentation": Assignment("description", .null),
    "jobType": Assignment("metadata", .null, member: "job_type"),
    "sourceCodeLocation": Assignment("metadata", .null, member: "source_code_location"),
  ]

  private static func read(
    _ facets: JSONObject, _ assignments: (String, JSONObject) -> [Assignment]?
  ) -> (assignments: [Assignment], names: Set<String>) {
    var all: [Assignment] = []
    var names: Set<String> = []
    for (name, value) in facets {
      guard let facet = value.objectValue else { continue }
      if facet["_deleted"]?.boolValue == true {
        // `_deleted` withdraws a facet of a job or dataset.
        guard let assignment = deletedFields[name] else { continue }
        all.append(assignment)
      } else {
        guard let given = assignments(name, facet) else { continue }
        all += given
      }
      names.insert(name)
    }
    return (all, names)
  }

  private static func description(_ facet: JSONObject) -> [Assignment]? {
    facet["description"]?.stringValue.map { [Assignment("description", .string($0))] }
  }

  private static func array(_ value: JSON?, _ field: String) -> [Assignment]? {
    guard let value, value.arrayValue != nil else { return nil }
    return [Assignment(field, value)]
  }

  private static func time(_ value: JSON?) -> JSON? {
    value?.stringValue.flatMap { Timestamp($0, assumingUTC: true) }.map { .string($0.text) }
  }

  /// A facet without the members that only say who sent it: a producer's new version is no new content.
  private static func content(_ facet: JSONObject) -> JSON {
    .object(facet.filter { $0.key != "_producer" && $0.key != "_schemaURL" })
  }
}
