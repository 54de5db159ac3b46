import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// Which personal fields a caller is not shown, of resources that they see.
extension Access {
  /// Which values are asked about.
  enum Moment {
    /// Those that stand now.
    case now
    /// Those of before: the recipients are fewer.
    case former
  }

  /// The personal fields of a resource that are withheld from the caller; none from administrators.
  /// - Parameters:
  ///   - fields: Its fields, among them those that name data subjects.
  ///   - memberships: A user's memberships; asked only for users.
  func withheld(
    of id: Identifier, organization: Identifier?, fields: JSONObject, _ moment: Moment = .now,
    memberships: () throws -> [ResourceState]
  ) rethrows -> Set<String> {
    if principal.isAdministrator { return [] }
    let personal = type.fields.filter { $0.personal != nil }
    guard !personal.isEmpty else { return [] }
    let places = type.name == "user" ? try memberships() : []
    let own = organization.map { [$0] } ?? []
    let organizations = own + places.compactMap(\.organization)
    let governing = own + places.lazy.filter(\.isGoverning).compactMap(\.organization)
    var withheld: Set<String> = []
    for field in personal {
      guard let record = field.personal else { continue }
      let subject: Identifier? =
        switch record.subject {
        case .resource: id
        case .field(let name): fields[name]?.stringValue.flatMap { Identifier($0) }
        }
      let disclosure = Disclosure(
        to: principal, of: type.plural, subject: subject, organizations: organizations, governing: governing)
      let recipients =
        switch moment {
        case .now: record.recipients
        case .former: record.formerRecipients
        }
      if !disclosure.reaches(recipients) { withheld.insert(field.name) }
    }
    return withheld
  }

  /// The same of a state.
  func withheld(
    of state: ResourceState, _ moment: Moment = .now, in snapshot: borrowing LogSnapshot
  ) throws -> Set<String> {
    try withheld(of: state.id, organization: state.organization, fields: state.fields, moment) {
      try snapshot.memberships(of: state.id)
    }
  }

  /// A resource as it was: of what the caller is shown only as it stands now, what has stayed the same.
  /// - Parameter current: The same resource now.
  func item(
    _ state: ResourceState, current: ResourceState, _ view: StateView, in snapshot: borrowing LogSnapshot
  ) throws -> JSONObject {
    let withheld = try withheld(of: current, in: snapshot)
    var item = try view.item(state, withholding: withheld)
    let former = try self.withheld(of: current, .former, in: snapshot).subtracting(withheld)
    guard !former.isEmpty else { return item }
    let now = try view.item(current, withholding: withheld)
    for name in former where item[name] != now[name] { item[name] = .null }
    return item
  }

  /// The fields by which the caller may not look for resources: who is no recipient would learn them by asking.
  var unsearchable: Set<String> {
    if principal.isAdministrator { return [] }
    return Set(
      type.fields.lazy.filter { field in
        guard let record = field.personal else { return false }
        return !Disclosure.reaches(record.recipients, everywhereFor: principal, on: type.plural)
      }.map(\.name))
  }
}
