import CanonicalJSON

/// What the `lineage` facets of an event say was made from what (LineageFacet 1-0-0). Where there is one, it decides
/// the edges instead of each input with each output.
struct ExplicitLineage: Sendable {
  /// What each dataset was made from, each once and in the order of the event.
  let targets: [(target: ColumnLineage.Source, lineage: ColumnLineage)]
  private let places: [ColumnLineage.Source: Int]
  /// Whether it is the job's, and so speaks of everything that the event names.
  let isOfJob: Bool

  /// The facets of a job and of its datasets; nil where none is there.
  init?(job: JSONObject, datasets: [OpenLineageEvent.Dataset]) {
    var targets: [(target: ColumnLineage.Source, lineage: ColumnLineage)] = []
    var places: [ColumnLineage.Source: Int] = [:]
    func add(_ target: ColumnLineage.Source, _ lineage: ColumnLineage) {
      if let place = places[target] {
        targets[place].lineage.add(lineage)
      } else {
        places[target] = targets.count
        targets.append((target, lineage))
      }
    }
    let entries = Self.facet(job)?["entries"]?.arrayValue
    for entry in entries ?? [] {
      guard let target = ColumnLineage.Source(dataset: entry) else { continue }
      add(target, ColumnLineage(explicit: entry))
    }
    for dataset in datasets {
      guard let facet = Self.facet(dataset.facets) else { continue }
      add(dataset.key, ColumnLineage(explicit: facet))
    }
    guard entries != nil || !targets.isEmpty else { return nil }
    self.targets = targets
    self.places = places
    isOfJob = entries != nil
  }

  /// Whether the event's own lists say nothing of what that dataset was made from.
  func decides(_ dataset: OpenLineageEvent.Dataset) -> Bool {
    isOfJob || places[dataset.key] != nil
  }

  private static func facet(_ facets: JSONObject) -> JSON? {
    guard let facet = facets["lineage"], facet.objectValue != nil, facet["_deleted"]?.boolValue != true else {
      return nil
    }
    return facet
  }
}
