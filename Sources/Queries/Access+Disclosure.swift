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
    guard !personal.isEmpty else { return [] }
    let places = type.name == "user" ? try memberships() : []
    let own = organization.map { [$0] } ?? []
    let organizations = own + places.compactMap(\.organization)
    let governing = own + places.lazy.filter(\.isGoverning).compactMap(\.organization)
    var withheld: Set<String> = []
    for field in personal {
      guard let record = field.personal else { continue }
      let subject = Self.subject(of: record, id, fields)
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

  /// Whose data a personal field of a resource is; nil where nobody is named.
  private static func subject(of record: PersonalData, _ id: Identifier, _ fields: JSONObject) -> Identifier? {
    switch record.subject {
    case .resource: id
    case .field(let name): fields[name]?.stringValue.flatMap { Identifier($0) }
    }
  }

  // MARK: - Who was shown what

  /// The persons, besides the caller, of whom an item shows a personal value.
  /// - Parameters:
  ///   - shown: What the caller is shown, by field: values, or what they were and became.
  ///   - fields: The resource's fields, among them those that name data subjects.
  func persons(shownBy shown: JSONObject, of id: Identifier, _ fields: JSONObject) -> [Identifier] {
    var persons: [Identifier] = []
    for field in personal {
      guard let record = field.personal, let subject = Self.subject(of: record, id, fields),
        !persons.contains(subject), subject != principal.subject, let value = shown[field.name], Self.tells(value)
      else { continue }
      persons.append(subject)
    }
    return persons
  }

  /// Notes that an item was shown.
  func noteShown(_ shown: JSONObject, of id: Identifier, _ fields: JSONObject, for purpose: ReadNote.Purpose) {
    guard !personal.isEmpty else { return }
    let persons = persons(shownBy: shown, of: id, fields)
    if !persons.isEmpty { note(.persons(persons, purpose)) }
  }

  /// Whether a value, or a change of one, tells anything: that there is none, or that it can't be read, doesn't.
  private static func tells(_ value: JSON) -> Bool {
    if value.isNull { return false }
    guard let object = value.objectValue, !object.isEmpty else { return true }
    if object.count == 1, Unreadable.isMark(value) || value == Redactions.mark { return false }
    guard object.allSatisfy({ $0.key == "from" || $0.key == "to" || $0.key == "differences" }) else { return true }
    return [object["from"], object["to"]].contains { $0.map(tells) ?? false }
  }
}

/// The persons of whom the items of a page show something, each once.
struct ShownPersons {
  private var seen: Set<Identifier> = []
  private(set) var all: [Identifier] = []

  mutating func add(_ persons: [Identifier]) {
    for person in persons where seen.insert(person).inserted { all.append(person) }
  }
}
