import BasicTypes
import Catalog

/// Which personal values of a resource a caller is shown, of those that ``Audience`` lets them see: what the catalog
/// states as their `recipients`, and no more.
///
/// A value of its moment, as the principal is.
package struct Disclosure: Sendable {
  private let principal: Principal
  private let plural: String
  /// Whose data it is; nil where nobody is named.
  private let subject: Identifier?
  /// The organizations that it belongs to: the resource's or, of a user, those of which they are a member.
  private let organizations: [Identifier]
  /// Those of them that govern it: of a user, where they are more than a guest.
  private let governing: [Identifier]

  /// What is disclosed to a caller of one resource.
  /// - Parameter governing: Of a user, the organizations where they are more than a guest; otherwise all.
  package init(
    to principal: Principal, of plural: String, subject: Identifier?, organizations: [Identifier],
    governing: [Identifier]? = nil
  ) {
    self.principal = principal
    self.plural = plural
    self.subject = subject
    self.organizations = organizations
    self.governing = governing ?? organizations
  }

  /// Whether the caller is one of the recipients.
  package func reaches(_ recipients: [Recipient]) -> Bool {
    if principal.isAdministrator { return true }
    return recipients.contains { recipient in
      switch recipient {
      case .administrators: false
      case .person: subject.map { principal.kind == .user($0) } ?? false
      case .members:
        organizations.contains {
          isFull(in: $0) && principal.allows(.read, on: plural, organization: $0)
        }
      case .organizationAdministrators:
        governing.contains { isFull(in: $0) && principal.allows(.admin, on: plural, organization: $0) }
      case .officers: governing.contains { principal.holds([.officers], in: $0) }
      case .auditors:
        principal.auditsService || governing.contains { principal.holds([.auditors], in: $0) }
      }
    }
  }

  /// Whether a caller is one of the recipients of that of every resource of the type that they see, so that they may
  /// find resources by it: who isn't, would learn it by asking.
  package static func reaches(_ recipients: [Recipient], everywhereFor principal: Principal, on plural: String) -> Bool
  {
    if principal.isAdministrator { return true }
    if principal.auditsService { return recipients.contains(.auditors) }
    let visible = principal.organizations.keys
    // One's own is seen besides.
    guard principal.keyPermissions != nil || recipients.contains(.person) else { return false }
    if recipients.contains(.members) { return true }
    if let office = principal.office, recipients.contains(office) { return true }
    return recipients.contains(.organizationAdministrators)
      && visible.allSatisfy { principal.allows(.admin, on: plural, organization: $0) }
  }

  /// Membership proper: who only sees everything by office belongs nowhere by that.
  private func isFull(in organization: Identifier) -> Bool {
    principal.organizations[organization] != nil && !principal.isGuest(in: organization)
  }
}
