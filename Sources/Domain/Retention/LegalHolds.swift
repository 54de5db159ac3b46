import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension LegalHolds {
  /// What only gives access and holds nothing of its own: the hold of an organization
  /// or a person doesn't keep anybody from taking access away.
  static let grants: Set<String> = [
    "api_key", "membership", "session", "share_link", "sql_role", "workspace_member",
  ]

  /// The persons whom a resource is about: whom its fields name as owner, addressee, actor or the like, and who made
  /// it.
  static func persons(of state: ResourceState, _ type: ResourceModel) -> [Identifier] {
    guard !grants.contains(state.type) else { return [] }
    var persons: [Identifier] = []
    for field in type.references where field.field.reference?.types == ["user"] {
      if let id = state.reference(field.name), !persons.contains(id) { persons.append(id) }
    }
    if let maker = state.creator, maker != .systemUser, !persons.contains(maker) { persons.append(maker) }
    return persons
  }
}

extension StateSource where Self: ~Copyable {
  /// An active hold on just that person, resource or organization; nil where there is none.
  func activeHold(on id: Identifier) throws -> Identifier? {
    for link in try referrers(of: id, type: LegalHolds.type, limit: .max) {
      if let hold = try living(link.id, type: LegalHolds.type), LegalHolds.target(of: hold) == id { return hold.id }
    }
    return nil
  }

  /// An active hold on anything of an organization, or on one of its people, whoever placed it: what is sealed for all
  /// of it may speak of them.
  func activeHold(within organization: Identifier) throws -> Identifier? {
    for link in try referrers(of: organization, type: LegalHolds.type, limit: .max) {
      if let hold = try living(link.id, type: LegalHolds.type), LegalHolds.isActive(hold),
        hold.organization == organization
      {
        return hold.id
      }
    }
    for link in try referrers(of: organization, type: "membership", limit: .max) {
      guard let user = try living(link.id, type: "membership")?.reference("user_id") else { continue }
      if let hold = try activeHold(on: user) { return hold }
    }
    return nil
  }

  /// An active hold that keeps a resource: on it, on the organization that it belongs to, or on a person whom it is
  /// about; nil where there is none.
  func activeHold(over state: ResourceState, _ type: ResourceModel?) throws -> Identifier? {
    if let hold = try activeHold(on: state.id) { return hold }
    if let organization = state.organization, organization != state.id, !LegalHolds.grants.contains(state.type),
      // An invitation gives access, as far as an organization is concerned.
      state.type != "invitation", let hold = try activeHold(on: organization)
    {
      return hold
    }
    guard let type else { return nil }
    for person in LegalHolds.persons(of: state, type) {
      if let hold = try activeHold(on: person) { return hold }
    }
    return nil
  }
}

extension Decision {
  /// Refuses where a legal hold on just that person, resource or organization is active.
  /// - Throws: ``Refusal`` `held` with the hold's id.
  func refuseIfHeld(_ id: Identifier) throws {
    if passesHolds { return }
    if let hold = try transaction.activeHold(on: id) { throw Refusal.held(by: hold.text) }
  }

  /// Refuses where a legal hold on a resource, on the organization that it belongs to, or on a person whom it is about
  /// is active; and where it is an active hold itself.
  /// - Throws: ``Refusal`` `held` with the hold's id.
  func refuseIfHeld(_ state: ResourceState) throws {
    if passesHolds { return }
    if LegalHolds.target(of: state) != nil { throw Refusal.held(by: state.id.text) }
    if let hold = try transaction.activeHold(over: state, model.types[state.type]) {
      throw Refusal.held(by: hold.text)
    }
  }
}
