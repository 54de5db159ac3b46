import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Refusals
import Vault

/// How values go into the log and come out of it: personal and secret ones sealed, all others as they are.
package struct Sealer: Sendable {
  /// Where a value is sealed, and who it may be about.
  package struct Place {
    /// The event that holds it.
    package let event: Identifier
    /// The resource that the event is of.
    package let resource: Identifier
    /// The organization that the resource belongs to.
    package let organization: Identifier?

    /// The place of what is sealed in an event.
    package init(event: Identifier, resource: Identifier, organization: Identifier?) {
      self.event = event
      self.resource = resource
      self.organization = organization
    }

    /// What a value sealed there is bound to.
    package func context(_ field: String) -> SealContext {
      SealContext(eventID: event, resourceID: resource, field: field)
    }

    /// The key for what belongs to no person: the organization's, or where there is none the system user's.
    package var fallback: KeyOwner {
      organization.map { .organization($0) } ?? .subject(.systemUser)
    }
  }

  /// What stands in a secret's place when it is shown, and means "as it was" when it is sent back.
  package static let mask = "********"

  /// The vault whose keys seal and open.
  package let vault: Vault

  /// A sealer by a vault's keys.
  package init(vault: Vault) { self.vault = vault }

  /// The stored form of a field's new value, or nil where the value is what is stored already.
  /// - Parameter subject: the person whose key seals a personal field.
  package func stored(
    _ value: JSON, of field: FieldModel, before: JSON?, place: Place, subject: Identifier?
  ) throws -> JSON? {
    if value.isNull { return before.map { _ in .null } }
    switch field.keeping {
    case .plain, .hash:
      if before == value { return nil }
      return value
    case .personal, .passwordHash:
      if let before, try open(before, resource: place.resource, field: field.name) == .value(value) { return nil }
      return try seal(value, for: subject.map { .subject($0) } ?? place.fallback, context: place.context(field.name))
    case .secret:
      if let before, try open(before, resource: place.resource, field: field.name) == .value(value) { return nil }
      return try vault.seal(value, for: place.fallback, context: place.context(field.name))
    case .secretMembers(let scope):
      let members = SecretMembers(sealer: self, field: field.name, scope: scope, resource: place.resource)
      if let before, try members.open(before) == value { return nil }
      return try members.seal(value, before: before, place: place)
    }
  }

  /// Opens a stored value that may be sealed, however often.
  package func open(_ stored: JSON, resource: Identifier, field: String) throws -> Opened {
    try vault.openFully(stored, resourceID: resource, field: field)
  }

  /// The fields of a resource with the secrets inside of them in the clear; what can't be opened is its token.
  package func plain(_ fields: JSONObject, of type: ResourceModel, resource: Identifier) throws -> JSONObject {
    var plain = fields
    for field in type.fields {
      guard let scope = field.secretScope, let stored = fields[field.name], SecretMembers.holdsSealed(stored) else {
        continue
      }
      plain[field.name] = try SecretMembers(sealer: self, field: field.name, scope: scope, resource: resource)
        .open(stored)
    }
    return plain
  }

  /// A text sealed for each of some persons in turn, one inside the other: whoever of them is erased takes it along.
  /// Sealed with the place's own key where there is nobody.
  package func sealed(_ value: JSON, for subjects: [Identifier], field: String, place: Place) throws -> JSON {
    let owners: [KeyOwner] = subjects.isEmpty ? [place.fallback] : subjects.map { .subject($0) }
    return try owners.reduce(value) { inner, owner in try seal(inner, for: owner, context: place.context(field)) }
  }

  /// - Throws: ``Refusal`` `gone` where the person was erased.
  private func seal(_ value: JSON, for owner: KeyOwner, context: SealContext) throws -> JSON {
    do {
      return try vault.seal(value, for: owner, context: context)
    } catch let error as VaultError where error.code == .erased {
      guard case .subject(let person) = owner else { throw error }
      throw Refusal.gone(type: "user", id: person.text, since: vault.erasureTime(of: owner)?.text ?? "")
    }
  }
}
