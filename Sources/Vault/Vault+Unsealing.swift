import BasicTypes
import CanonicalJSON

extension Vault {
  /// Opens a stored value that may be sealed, however often: a text about several
  /// persons is sealed for one inside the other.
  /// - Throws: ``VaultError`` where a token was made for another place, or was changed.
  package func openFully(_ stored: JSON, resourceID: Identifier, field: String) throws -> Opened {
    var value = stored
    while Vault.isSealed(value) {
      switch try open(value, resourceID: resourceID, field: field) {
      case .value(let inner): value = inner
      case .erased: return .erased
      case .locked: return .locked
      }
    }
    return .value(value)
  }
}
