import Access
import BasicTypes
import CanonicalJSON
import Vault

extension Sealer {
  /// With whose keys a value is sealed, from the outside in, as far as it opens.
  package func owners(sealing value: JSON?, resource: Identifier, field: String) -> [KeyOwner?] {
    var owners: [KeyOwner?] = []
    var value = value
    while let sealed = value, Vault.isSealed(sealed) {
      owners.append(vault.owner(of: sealed))
      // What doesn't open hides who else is in it.
      guard case .value(let inner)? = try? vault.open(sealed, resourceID: resource, field: field) else { break }
      value = inner
    }
    return owners
  }

  /// The persons whose values are only stored (GDPR Art. 18) and of whom that is one: with whose keys it is sealed, or
  /// whose resource holds it in the clear.
  package func restrictedPersons(in value: JSON, resource: Identifier, field: String) -> [Identifier] {
    guard vault.hasRestrictions else { return [] }
    guard Vault.isSealed(value) else { return vault.restrictedPerson(of: resource).map { [$0] } ?? [] }
    return owners(sealing: value, resource: resource, field: field).compactMap { $0?.person }
      .filter { vault.isRestricted($0) }
  }

  /// The persons whom an event's reason speaks of: for whom it is sealed, besides the one who gave it.
  ///
  /// Innermost is whoever gave it; the local administrator and the server have no key of their own.
  package func persons(spokenOfBy reason: JSON?, of actor: String, resource: Identifier) -> [Identifier] {
    var owners = owners(sealing: reason, resource: resource, field: "reason")
    if actor.hasPrefix("user:") || actor.hasPrefix("api_key:") { _ = owners.popLast() }
    var persons: [Identifier] = []
    for case let person? in owners.map({ $0?.person }) where !persons.contains(person) { persons.append(person) }
    return persons
  }
}

extension KeyOwner {
  /// The person whose key it is; nil for every other key.
  package var person: Identifier? {
    if case .subject(let id) = self, id != .systemUser { return id }
    return nil
  }
}
