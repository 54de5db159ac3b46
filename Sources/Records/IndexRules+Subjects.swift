import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Vault

extension IndexRules {
  /// The persons whom an event is about: whose personal field it sets, who caused it or is named by its reason as far
  /// as that was sealed, whom it deletes, whose data was read and at whose account somebody tried to sign in.
  ///
  /// A reason that speaks of several persons is sealed for one inside the other: those inside are found as long as no
  /// key around them was destroyed.
  /// - Parameter reference: what a field of the resource refers to as of the event.
  public func subjects(
    of header: EventHeader, _ body: EventBody, reference: (_ field: String) throws -> Identifier?
  ) throws -> [Identifier] {
    var subjects: [Identifier] = []
    func note(_ id: Identifier?) {
      if let id, !subjects.contains(id) { subjects.append(id) }
    }
    if let type = model.types[header.type] {
      for name in body.set.keys {
        guard let field = type.field(name), let subject = field.subject,
          field.isSealed(body.set[name], was: body.was[name])
        else { continue }
        switch subject {
        case .resource: note(header.resource)
        case .field(let field):
          if let value = body.set[field] {
            note(value.stringValue.flatMap { Identifier($0) })
          } else {
            note(try reference(field))
          }
        }
      }
    }
    if header.type == "user", body.set.contains("deleted_at") { note(header.resource) }
    note(header.onBehalfOf)
    for (name, value) in [("reason", body.reason), ("origin", body.origin)] {
      for owner in sealer.owners(sealing: value, resource: header.resource, field: name) { note(owner?.person) }
    }
    if let given = body.data[ReasonGivenIn.member] { note(sealer.vault.owner(of: given)?.person) }
    for person in AccessFacts.subjects(of: header.event, body.data, vault: sealer.vault) { note(person) }
    return subjects
  }

  /// The persons with whose keys a value is sealed, as far in as it opens.
  package func persons(sealing value: JSON?, resource: Identifier, field: String) -> [Identifier] {
    sealer.owners(sealing: value, resource: resource, field: field).compactMap { $0?.person }
  }
}
