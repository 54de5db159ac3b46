import Access
import BasicTypes
import EventLog
import Records
import Refusals

/// What a restriction of processing forbids (GDPR Art. 18(2)): whatever is more than to store.
extension Decision {
  /// Refuses to change a person's values where they may only be stored, but to that person, their keys included, to
  /// officers and to the server's own bookkeeping.
  /// - Throws: ``Refusal`` `held` with the person's id.
  func refuseIfRestricted(_ person: Identifier) throws {
    guard principal.kind != .server, principal.subject != person, !SubjectRules.isOfficer(principal),
      try transaction.restriction(of: person) != nil
    else { return }
    throw Refusal.restricted(person.text)
  }

  /// Refuses to delete what has personal values of such a person.
  /// - Throws: ``Refusal`` `held` with the person's id.
  func refuseIfRestricted(_ state: ResourceState, _ type: ResourceModel) throws {
    for person in type.persons(of: state) { try refuseIfRestricted(person) }
  }
}

extension StateSource where Self: ~Copyable {
  /// The record of a restriction that keeps a resource from sweeps: of a person whom it is about.
  func restriction(over state: ResourceState, _ type: ResourceModel?) throws -> Identifier? {
    guard let type else { return nil }
    let restricted = try restrictions().filter { Subjects.isRestricted($0.record) }
    guard !restricted.isEmpty else { return nil }
    let persons = LegalHolds.persons(of: state, type)
    return restricted.first { persons.contains($0.person) }?.record.id
  }

  /// The record of a restriction that keeps what is sealed for all of an organization from sweeps: of one of its
  /// people.
  func restriction(within organization: Identifier) throws -> Identifier? {
    try restrictions().first { person, record in
      try Subjects.isRestricted(record) && memberships(of: person).contains { $0.organization == organization }
    }?.record.id
  }
}
