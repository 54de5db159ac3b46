import CanonicalJSON

/// The columnLineage facets of a dataset in one event, turned round: for each dataset that columns come from, which of
/// its columns become which.
struct ColumnLineage: Sendable {
  /// A source dataset.
  struct Source: Hashable {
    let namespace: String
    let name: String

    init(namespace: String, name: String) {
      self.namespace = namespace
      self.name = name
    }

    /// A dataset that a lineage facet names; nil for a job, and for what is no name.
    init?(dataset json: JSON) {
      guard (json["type"]?.stringValue ?? "DATASET") == "DATASET", let namespace = json["namespace"]?.stringValue,
        let name = json["name"]?.stringValue, namespace.utf8.count <= OpenLineageEvent.maximumNameBytes,
        name.utf8.count <= OpenLineageEvent.maximumNameBytes
      else { return nil }
      self.init(namespace: namespace, name: name)
    }

    static func == (left: Source, right: Source) -> Bool {
      left.namespace.utf8.elementsEqual(right.namespace.utf8) && left.name.utf8.elementsEqual(right.name.utf8)
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(Array(namespace.utf8))
      hasher.combine(Array(name.utf8))
    }
  }

  /// By source: `{"source","target","transformations"}`. A column that counts for the whole dataset (a filter's, a
  /// join's) has no `target`.
  private var entries: [Source: Set<JSON>] = [:]

  /// Whether no column comes from anywhere.
  var isEmpty: Bool { entries.isEmpty }

  /// The datasets that columns come from.
  var sources: some Collection<Source> { entries.keys }

  /// Nothing yet.
  init() {}

  /// Reads a facet; entries that don't name a dataset and a column are passed over
  /// (the facet itself is kept whole on the dataset).
  init(_ facet: JSON?) {
    for (target, field) in facet?["fields"]?.objectValue ?? [:] {
      add(field["inputFields"], target: target, older: Self.olderTransformations(field))
    }
    add(facet?["dataset"], target: nil, older: [])
  }

  /// Reads what a lineage facet says of one dataset: sources as a whole, and columns.
  init(explicit facet: JSON) {
    for input in facet["inputs"]?.arrayValue ?? [] { add(explicit: input, target: nil) }
    for (target, field) in facet["fields"]?.objectValue ?? [:] {
      for input in field["inputs"]?.arrayValue ?? [] { add(explicit: input, target: target) }
    }
  }

  private mutating func add(explicit input: JSON, target: String?) {
    guard let source = Source(dataset: input) else { return }
    entries[source, default: []].formUnion([])
    guard let field = input["field"]?.stringValue else { return }
    let own = input["transformations"] ?? .null
    var entry: JSONObject = ["source": .string(field), "transformations": own.isNull ? [] : own]
    if let target { entry["target"] = .string(target) }
    entries[source, default: []].insert(.object(entry))
  }

  /// Whether it says anything of columns.
  var hasColumns: Bool { entries.values.contains { !$0.isEmpty } }

  /// Adds what another facet of the same dataset says.
  mutating func add(_ other: ColumnLineage) {
    for (source, more) in other.entries { entries[source, default: []].formUnion(more) }
  }

  /// Each source with its entries, each once and in the order of canonical bytes, in the order of the sources' names.
  var sorted: [(source: Source, entries: JSON)] {
    entries
      .map { (source: $0.key, entries: JSON.array(Self.sorted($0.value))) }
      .sorted { left, right in
        let leftKey: JSON = [.string(left.source.namespace), .string(left.source.name)]
        let rightKey: JSON = [.string(right.source.namespace), .string(right.source.name)]
        return leftKey.canonicalBytes.lexicographicallyPrecedes(rightKey.canonicalBytes)
      }
  }

  private mutating func add(_ inputs: JSON?, target: String?, older: JSON) {
    for input in inputs?.arrayValue ?? [] {
      guard let namespace = input["namespace"]?.stringValue, let name = input["name"]?.stringValue,
        let field = input["field"]?.stringValue,
        namespace.utf8.count <= OpenLineageEvent.maximumNameBytes,
        name.utf8.count <= OpenLineageEvent.maximumNameBytes
      else { continue }
      let own = input["transformations"] ?? .null
      let transformations = own.isNull || own == [] ? older : own
      var entry: JSONObject = ["source": .string(field), "transformations": transformations]
      if let target { entry["target"] = .string(target) }
      entries[Source(namespace: namespace, name: name), default: []].insert(.object(entry))
    }
  }

  /// What a field of the versions 1-0 to 1-2 of the facet says of how it is made of all its inputs: one transformation
  /// with that type and description.
  private static func olderTransformations(_ field: JSON) -> JSON {
    let type = field["transformationType"]?.stringValue
    let description = field["transformationDescription"]?.stringValue
    guard type != nil || description != nil else { return [] }
    var transformation = JSONObject()
    if let type { transformation["type"] = .string(type) }
    if let description { transformation["description"] = .string(description) }
    // So that one question finds what is masked, whichever way it was told.
    if type == "MASKED" { transformation["masking"] = true }
    return [.object(transformation)]
  }

  /// Entries in the order of their canonical bytes.
  static func sorted(_ entries: Set<JSON>) -> [JSON] {
    entries.map { (bytes: $0.canonicalBytes, entry: $0) }
      .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
      .map(\.entry)
  }
}
