import CanonicalJSON

/// What of an OpenLineage event became no field: unknown facets whole, unknown
/// members, and known facets whose content isn't as specified.
enum EventRemainder {
  /// In the shape of the event: `{"run":{"facets":{…}},"inputs":[{"namespace","name","facets":{…}}…],…}`; datasets with
  /// nothing left are left out.
  static func of(_ event: OpenLineageEvent) -> JSONObject {
    var rest = event.json
    for key in ["eventType", "eventTime", "producer", "schemaURL"] { rest[key] = nil }
    if let run = event.run, let json = rest["run"]?.objectValue {
      var known = KnownFacets.run(run.facets).names
      // A parent facet that names more than the run and its job (the root of a tree of runs) is kept.
      if let parent = run.facets["parent"]?.objectValue, KnownFacets.parent(run.facets) != nil,
        parent.keys.allSatisfy({ ["run", "job", "_producer", "_schemaURL"].contains($0) })
      {
        known.insert("parent")
      }
      rest["run"] = reduced(json, without: ["runId"], facetKeys: ["facets"], known: known)
    }
    if let job = event.job, let json = rest["job"]?.objectValue {
      rest["job"] = reduced(
        json, without: ["namespace", "name"], facetKeys: ["facets"], known: KnownFacets.job(job.facets).names)
    }
    for (key, datasets) in [("inputs", event.inputs), ("outputs", event.outputs)] {
      guard let elements = rest[key]?.arrayValue else { continue }
      let left = zip(elements, datasets).compactMap { element, dataset in remainder(element, dataset) }
      if left.isEmpty { rest.removeValue(forKey: key) } else { rest[key] = .array(left) }
    }
    if let dataset = event.dataset, let element = rest["dataset"] { rest["dataset"] = remainder(element, dataset) }
    return rest.filter { !$0.value.isNull }
  }

  private static func remainder(_ element: JSON, _ dataset: OpenLineageEvent.Dataset) -> JSON? {
    guard let json = element.objectValue,
      let rest = reduced(
        json, without: ["namespace", "name"], facetKeys: ["facets", "inputFacets", "outputFacets"],
        known: KnownFacets.dataset(dataset.facets).names)
    else { return nil }
    // The name says whose facets these are.
    let names = json.filter { $0.key == "namespace" || $0.key == "name" }
    return rest.objectValue.map { .object($0.merging(names)) }
  }

  private static func reduced(
    _ json: JSONObject, without keys: [String], facetKeys: [String], known: Set<String>
  ) -> JSON? {
    var rest = json.filter { !keys.contains($0.key) && !$0.value.isNull }
    for key in facetKeys {
      guard let facets = rest[key]?.objectValue else { continue }
      let left = facets.filter { !known.contains($0.key) }
      if left.isEmpty { rest.removeValue(forKey: key) } else { rest[key] = .object(left) }
    }
    guard !rest.isEmpty else { return nil }
    return .object(rest)
  }
}
