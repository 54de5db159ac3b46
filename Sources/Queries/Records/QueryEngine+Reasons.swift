import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

extension QueryEngine {
  /// An event's reason as the caller is told it; null where it is not for them.
  ///
  /// A reason is for whoever belongs to where the resource does. One that is about a person is for that person, whoever
  /// gave it, administrators, and officers: of the event's organization or, where the event has none, of every
  /// organization in which it was given (``ReasonGivenIn``).
  func reason(of header: EventHeader, _ body: EventBody, _ state: ResourceState, _ access: Access) throws -> JSON {
    guard body.reason != nil, access.belongs(to: state),
      try isTold(reasonOf: header, body, state, access)
    else { return .null }
    return try view(for: access.principal).reason(body.reason, resource: header.resource)
  }

  private func isTold(
    reasonOf header: EventHeader, _ body: EventBody, _ state: ResourceState, _ access: Access
  ) throws -> Bool {
    let principal = access.principal
    if principal.isAdministrator || header.isDone(by: principal.actor) { return true }
    var persons = rules.sealer.persons(spokenOfBy: body.reason, of: header.actor, resource: header.resource)
    if let person = access.audience.person(of: header.resource, state.fields) { persons.append(person) }
    guard !persons.isEmpty else { return true }
    if persons.contains(where: { principal.kind == .user($0) }) { return true }
    if let organization = header.organization { return principal.holds([.officers], in: organization) }
    let given = try ReasonGivenIn.organizations(view(for: principal).data(body.data, resource: header.resource))
    return !given.isEmpty && given.allSatisfy { principal.holds([.officers], in: $0) }
  }
}
