import BasicTypes
import CanonicalJSON

extension ResourceState {
  /// The id that a reference field holds.
  package func reference(_ field: String) -> Identifier? {
    fields[field]?.stringValue.flatMap { Identifier($0) }
  }

  /// Who made it.
  package var creator: Identifier? { reference("created_by") }
}
