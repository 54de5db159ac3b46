import CanonicalJSON
import EventLog

/// What resources have in fields that were added to their type as required ones, as the values of a fold: no event of
/// theirs has set them.
struct FoldDefaults {
  /// By type: the place of the field among the type's, and the value.
  private var byType: [String: [(place: Int, value: ResourceFold.Value)]] = [:]

  init(_ defaults: StateDefaults, _ model: ProjectionModel) {
    guard !defaults.isEmpty else { return }
    for (name, type) in model.types {
      for (field, value) in defaults.values(of: name) {
        guard let place = type.fields.firstIndex(where: { $0.name == field }) else { continue }
        let bytes = value.canonicalBytes
        let stored = ResourceFold.Value(body: RawJSON(bytes: bytes), range: bytes.indices)
        byType[name, default: []].append((place, stored))
      }
    }
  }

  /// Those of one type; empty for most types.
  func values(of type: PostedType) -> [(place: Int, value: ResourceFold.Value)] {
    byType.isEmpty ? [] : byType[type.name] ?? []
  }
}
