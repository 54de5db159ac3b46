import CanonicalJSON

/// A tags facet as tags: `key` for a label, which has the value `true` or none, and `key:value` for all others, as
/// OpenLineage's own clients are configured.
struct FacetTags {
  /// Those of the job or dataset as a whole, each once, in the order of their bytes.
  let own: [JSON]
  /// Those of columns, by the column's name.
  let columns: JSONObject

  /// What an element of a list of tags can hold, in bytes.
  private static let maximumBytes = 2000

  /// Reads the facet; nil where it has no list of tags. Elements that are no tags, or too long for one, are passed
  /// over: the facet is kept with the unknown ones too.
  init?(_ facet: JSONObject) {
    guard let elements = facet["tags"]?.arrayValue else { return nil }
    var own: Set<JSON> = []
    var columns: [JSON: Set<JSON>] = [:]
    for element in elements {
      guard let key = element["key"]?.stringValue, !key.isEmpty else { continue }
      var tag = key
      if let value = element["value"]?.stringValue, !value.isEmpty, value != "true" { tag += ":\(value)" }
      guard tag.utf8.count <= Self.maximumBytes else { continue }
      if let column = element["field"]?.stringValue, !column.isEmpty {
        columns[.string(column), default: []].insert(.string(tag))
      } else {
        own.insert(.string(tag))
      }
    }
    self.own = Self.sorted(own)
    self.columns = JSONObject(
      members: columns.map { (key: $0.key.stringValue ?? "", value: .array(Self.sorted($0.value))) })
  }

  private static func sorted(_ tags: Set<JSON>) -> [JSON] {
    tags.sorted { ($0.stringValue ?? "").utf8.lexicographicallyPrecedes(($1.stringValue ?? "").utf8) }
  }
}
