import CanonicalJSON

/// The columnLineage facet of a dataset, turned round: for each dataset that
/// columns come from, which of its columns become which.
struct ColumnLineage {
  /// A source dataset.
  struct Source: Hashable {
    let namespace: String
    let name: String

    static func == (left: Source, right: Source) -> Bool {
      left.namespace.utf8.elementsEqual(right.namespace.utf8) && left.name.utf8.elementsEqual(right.name.utf8)
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(Array(namespace.utf8))
      hasher.combine(Array(name.utf8))
    }
  }

  /// By source: `[{"source","target","transformations"}…]`, each entry once, in the order of canonical bytes. A column
  /// that counts for the whole dataset (a filter's, a join's) has no `target`.
  let columns: [(source: Source, entries: JSON)]

  /// Reads the facet; entries that don't name a dataset and a column are passed over
  /// (the facet itself is kept whole on the dataset).
  init(_ facet: JSON?) {
    var bySource: [Source: Set<JSON>] = [:]
    func add(_ inputs: JSON?, target: String?) {
      for input in inputs?.arrayValue ?? [] {
        guard let namespace = input["namespace"]?.stringValue, let name = input["name"]?.stringValue,
          let field = input["field"]?.stringValue,
          namespace.utf8.count <= OpenLineageEvent.maximumNameBytes,
          name.utf8.count <= OpenLineageEvent.maximumNameBytes
        else { continue }
        var entry: JSONObject = ["source": .string(field), "transformations": input["transformations"] ?? []]
        if let target { entry["target"] = .string(target) }
        bySource[Source(namespace: namespace, name: name), default: []].insert(.object(entry))
      }
    }
    for (target, field) in facet?["fields"]?.objectValue ?? [:] { add(field["inputFields"], target: target) }
    add(facet?["dataset"], target: nil)
    columns =
      bySource
      .map { (source: $0.key, entries: JSON.array(Self.sorted($0.value))) }
      .sorted { left, right in
        let leftKey: JSON = [.string(left.source.namespace), .string(left.source.name)]
        let rightKey: JSON = [.string(right.source.namespace), .string(right.source.name)]
        return leftKey.canonicalBytes.lexicographicallyPrecedes(rightKey.canonicalBytes)
      }
  }

  private static func sorted(_ entries: Set<JSON>) -> [JSON] {
    entries.map { (bytes: $0.canonicalBytes, entry: $0) }
      .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
      .map(\.entry)
  }
}
