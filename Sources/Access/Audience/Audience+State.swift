import BasicTypes
import CanonicalJSON
import Catalog

/// The rendering for a state of the log.
extension Audience {
  /// Whether a caller sees, or reads, a resource of the type.
  /// - Parameters:
  ///   - organization: The one that the resource belongs to.
  ///   - fields: Its fields, as a state has them: without those that are null.
  ///   - sharing: The organizations of which the resource, a user, is a member; asked only for users.
  ///   - referred: The fields of what a resource refers to, deleted or not; asked only for guests.
  /// - Throws: What `sharing` and `referred` throw.
  package func permits(
    _ standing: Standing, to principal: Principal, id: Identifier, organization: Identifier?, fields: JSONObject,
    sharing: () throws -> [Identifier], referred: (Identifier) throws -> JSONObject?
  ) rethrows -> Bool {
    if principal.seesEverything { return true }
    for rule in rules {
      let isPermitted =
        switch rule {
        case .tenant: isMember(principal, of: organization) && stands(standing, principal, in: organization)
        case .tenantExcept(let narrowing):
          isMember(principal, of: organization) && !isNarrowed(principal, narrowing, in: organization)
            && stands(standing, principal, in: organization)
        case .colleague(let placement):
          try isNarrowed(principal, .workspaces, in: organization) && stands(standing, principal, in: organization)
            && workspace(of: id, fields, placement, referred).map { principal.workspaces.contains($0) } ?? false
        case .unplaced(let placement):
          try isNarrowed(principal, .workspaces, in: organization) && isOwn(fields["created_by"], principal)
            && stands(standing, principal, in: organization) && liesNowhere(fields, placement, referred)
        case .ownOrShared(let field, let flag):
          isNarrowed(principal, .files, in: organization) && stands(standing, principal, in: organization)
            && (fields[flag] == true || isOwn(fields[field], principal))
        case .placed(let placement):
          // Whoever is a guest nowhere has no such place.
          try !principal.workspaces.isEmpty && organization.map { principal.isGuest(in: $0) } ?? false
            && stands(standing, principal, in: organization)
            && workspace(of: id, fields, placement, referred).map { principal.workspaces.contains($0) } ?? false
        case .addressee(let field, let unless):
          stands(standing, principal, in: organization)
            && isShown(fields, to: principal, in: organization, field, unless: unless)
        case .ownOrganization: stands(standing, principal, in: id)
        case .sharedOrganization:
          try sharing().contains { isMember(principal, of: $0) && stands(standing, principal, in: $0) }
        case .oneself: principal.kind == .user(id)
        case .named(let field):
          fields[field]?.stringValue.flatMap { Identifier($0) }.map { principal.kind == .user($0) } ?? false
        case .offices(let offices):
          principal.holds(offices, in: organization) && stands(standing, principal, in: organization)
        case .stewards: isSteward(principal, in: organization) && stands(standing, principal, in: organization)
        case .maker:
          isOwn(fields["created_by"], principal) && isMember(principal, of: organization)
            && stands(standing, principal, in: organization)
        case .published(let names): isPublic(fields, names) && readsPublic(principal)
        }
      if isPermitted { return true }
    }
    return false
  }

  /// Whether a caller may read and use a resource of these fields because it is public.
  package func publishes(_ fields: JSONObject, to principal: Principal) -> Bool {
    let names = publicFields
    return isPublic(fields, names) && readsPublic(principal)
  }

  private func isPublic(_ fields: JSONObject, _ names: [String]) -> Bool {
    names.contains { fields[$0] == true } && !fields.contains("deleted_at")
  }

  /// Whether a caller belongs to an organization as more than a guest.
  private func isMember(_ principal: Principal, of organization: Identifier?) -> Bool {
    organization.map { !principal.isGuest(in: $0) } ?? true
  }

  /// The workspace in which a resource lies.
  private func workspace(
    of id: Identifier, _ fields: JSONObject, _ placement: Placement, _ referred: (Identifier) throws -> JSONObject?
  ) rethrows -> Identifier? {
    if placement == .itself { return id }
    guard let target = fields[placement.field]?.stringValue.flatMap({ Identifier($0) }) else { return nil }
    guard let next = placement.next else { return target }
    guard let found = try referred(target) else { return nil }
    return try workspace(of: target, found, next, referred)
  }

  private func isNarrowed(_ principal: Principal, _ narrowing: Narrowing, in organization: Identifier?) -> Bool {
    organization.map { principal.narrowings[$0] == narrowing } ?? false
  }

  /// Whether a resource lies in no workspace; false where that can't be told any more.
  private func liesNowhere(
    _ fields: JSONObject, _ placement: Placement, _ referred: (Identifier) throws -> JSONObject?
  ) rethrows -> Bool {
    if placement == .itself { return false }
    guard let value = fields[placement.field], !value.isNull else { return true }
    guard let next = placement.next, let target = value.stringValue.flatMap({ Identifier($0) }),
      let found = try referred(target)
    else { return false }
    return try liesNowhere(found, next, referred)
  }

  private func stands(_ standing: Standing, _ principal: Principal, in organization: Identifier?) -> Bool {
    switch standing {
    case .sees: principal.canSee(organization: organization)
    case .reads: principal.allows(.read, on: plural, organization: organization)
    }
  }

  private func isSteward(_ principal: Principal, in organization: Identifier?) -> Bool {
    organization != nil && principal.allows(.admin, on: plural, organization: organization)
  }

  private func isOwn(_ owner: JSON?, _ principal: Principal) -> Bool {
    owner?.stringValue.flatMap { Identifier($0) }.map { $0 == principal.subject } ?? false
  }

  private func isShown(
    _ fields: JSONObject, to principal: Principal, in organization: Identifier?, _ field: String, unless: String?
  ) -> Bool {
    let owner = fields[field]?.stringValue.flatMap { Identifier($0) }
    if let owner, owner == principal.subject { return true }
    guard isMember(principal, of: organization) else { return false }
    guard owner != nil else { return true }
    if let unless, fields[unless] == true { return true }
    return principal.allows(.admin, on: plural, organization: organization)
  }
}
