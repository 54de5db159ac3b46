import BasicTypes
import CanonicalJSON
import EventLog

/// What is kept of decisions about a person's data: requests, erasures, and restrictions of processing.
package enum Subjects {
  /// The type of these records.
  package static let type = "subject"
  /// The field that names the person.
  package static let personField = "person_id"
  /// The event by which an erasure is ordered.
  package static let confirmation = "subject.erasure_confirmed"

  /// The person whom such a record is about.
  package static func person(_ fields: JSONObject) -> Identifier? {
    fields[personField]?.stringValue.flatMap { Identifier($0) }
  }

  /// What the records of all erasures are linked to, so that a start finds them without a search.
  package static let erasures = Identifier.version5(namespace: .urlNamespace, name: "daybook:subject:erasures")

  /// What the records of all persons are linked to whose data was ever restricted, for the same reason.
  package static let restrictions = Identifier.version5(
    namespace: .urlNamespace, name: "daybook:subject:restrictions")

  /// Where the record of a person is kept.
  package static func identifier(of person: Identifier) -> DerivedIdentifier {
    let name = "daybook:subject:\(person.text)"
    return DerivedIdentifier(
      name: name, type: type, organization: nil, former: .version5(namespace: .urlNamespace, name: name))
  }

  /// Whether an erasure is confirmed and not complete: something may be left of the person's values.
  package static func isPending(_ state: ResourceState) -> Bool {
    state.type == type && state.fields["status"] == "confirmed"
  }

  /// Whether the erasure of a record's person is confirmed: their key is destroyed, or about to be.
  package static func isErased(_ state: ResourceState) -> Bool {
    isPending(state) || state.type == type && state.fields["status"] == "erased"
  }

  /// Whether the data of a record's person may only be stored (GDPR Art. 18). An erasure ends it.
  package static func isRestricted(_ state: ResourceState) -> Bool {
    state.type == type && !isErased(state) && state.fields.contains("restricted_at")
  }

  /// What the record of an erasure, or of a restriction, is linked to; nil for everything else.
  package static func target(of state: ResourceState) -> Identifier? {
    if isErased(state) { return erasures }
    guard state.type == type, state.fields.contains("restricted_at") || state.fields.contains("unrestricted_at") else {
      return nil
    }
    return restrictions
  }
}

extension StateSource where Self: ~Copyable {
  /// What was decided about a person's data; nil where nothing was.
  package func subjectRecord(of person: Identifier) throws -> ResourceState? {
    try Subjects.identifier(of: person).resolve({ try state($0) }).state
  }

  /// The persons whose erasure is confirmed, with the records of it.
  package func erasures() throws -> [(person: Identifier, record: ResourceState)] {
    try referrers(of: Subjects.erasures, type: Subjects.type, limit: .max).compactMap { link in
      guard let record = try state(link.id), Subjects.isErased(record),
        let person = record.reference(Subjects.personField)
      else { return nil }
      return (person, record)
    }
  }

  /// The record of a person whose data may only be stored; nil where it may be used.
  package func restriction(of person: Identifier) throws -> ResourceState? {
    try subjectRecord(of: person).flatMap { Subjects.isRestricted($0) ? $0 : nil }
  }

  /// The persons whose data was ever restricted and who weren't erased, with the records of it.
  package func restrictions() throws -> [(person: Identifier, record: ResourceState)] {
    try referrers(of: Subjects.restrictions, type: Subjects.type, limit: .max).compactMap { link in
      guard let record = try state(link.id), let person = record.reference(Subjects.personField) else { return nil }
      return (person, record)
    }
  }
}
