import CanonicalJSON

/// What of an OpenLineage event became no field: unknown facets whole, of known ones the members that no field holds,
/// unknown members, and what a later report has overtaken.
enum EventRemainder {
  /// What of an event's facets fields hold.
  struct Taken {
    var run: [KnownFacets.Reading] = []
    var job: [KnownFacets.Reading] = []
    /// For each input, in the order of the event.
    var inputs: [[KnownFacets.Reading]] = []
    /// For each output, in the order of the event.
    var outputs: [[KnownFacets.Reading]] = []
    var dataset: [KnownFacets.Reading] = []
  }

  /// In the shape of the event: `{"run":{"facets":{…}},"inputs":[{"namespace","name","facets":{…}}…],…}`; datasets
  /// with nothing left are left out. Who sent a facet (`_producer`, `_schemaURL`) is kept where anything of it is.
  static func of(_ event: OpenLineageEvent, taken: Taken) -> JSONObject {
    var rest = event.json
    for key in ["eventType", "eventTime", "producer", "schemaURL"] { rest[key] = nil }
    if let run = event.run, let json = rest["run"]?.objectValue {
      var readings = taken.run
      if let parent = KnownFacets.parent(run.facets), parent.isComplete,
        let content = run.facets[parent.facet]?.objectValue
      {
        readings.append(
          KnownFacets.Reading(facet: parent.facet, content: content, assignments: [], members: ["run", "job"]))
      }
      rest["run"] = reduced(json, without: ["runId"], facetKeys: ["facets"], readings)
    }
    if event.job != nil, let json = rest["job"]?.objectValue {
      rest["job"] = reduced(json, without: ["namespace", "name"], facetKeys: ["facets"], taken.job)
    }
    for (key, readings) in [("inputs", taken.inputs), ("outputs", taken.outputs)] {
      guard let elements = rest[key]?.arrayValue else { continue }
      let left = zip(elements, readings).compactMap { element, readings in remainder(element, readings) }
      if left.isEmpty { rest.removeValue(forKey: key) } else { rest[key] = .array(left) }
    }
    if event.dataset != nil, let element = rest["dataset"] { rest["dataset"] = remainder(element, taken.dataset) }
    return rest.filter { !$0.value.isNull }
  }

  private static func remainder(_ element: JSON, _ readings: [KnownFacets.Reading]) -> JSON? {
    guard let json = element.objectValue,
      let rest = reduced(
        json, without: ["namespace", "name"], facetKeys: ["facets", "inputFacets", "outputFacets"], readings)
    else { return nil }
    // The name says whose facets these are.
    let names = json.filter { $0.key == "namespace" || $0.key == "name" }
    return rest.objectValue.map { .object($0.merging(names)) }
  }

  private static func reduced(
    _ json: JSONObject, without keys: [String], facetKeys: [String], _ readings: [KnownFacets.Reading]
  ) -> JSON? {
    var rest = json.filter { !keys.contains($0.key) && !$0.value.isNull }
    for key in facetKeys {
      guard let facets = rest[key]?.objectValue else { continue }
      var left = JSONObject(minimumCapacity: facets.count)
      for (name, value) in facets {
        if let kept = kept(value, of: readings.first { $0.facet.utf8.elementsEqual(name.utf8) }) {
          left.append(key: name, value: kept)
        }
      }
      if left.isEmpty { rest.removeValue(forKey: key) } else { rest[key] = .object(left) }
    }
    guard !rest.isEmpty else { return nil }
    return .object(rest)
  }

  /// What no field holds of a facet; nil where that is nothing.
  private static func kept(_ facet: JSON, of reading: KnownFacets.Reading?) -> JSON? {
    // A dataset's facet and one of its part in the run may have one name: only one of them was read.
    guard let reading, let content = facet.objectValue, content == reading.content else { return facet }
    guard let members = reading.members else { return nil }
    let envelope = ["_producer", "_schemaURL"]
    let left = content.contains { member in
      !members.contains(member.key) && !envelope.contains(member.key) && !member.value.isNull
    }
    guard left else { return nil }
    return .object(content.filter { !members.contains($0.key) })
  }
}
