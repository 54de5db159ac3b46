import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Which records, of the log and of the audit trail, a caller may read.
///
/// Those of the organizations where they have the permission, but for types that only some offices see
/// (`recipients` of a type). Officers and auditors read besides what happened to the accounts of their people, which
/// belong to no organization, for as long as these are more than guests. Whoever administers users in an organization
/// reads of these what the person did, what somebody of the organization did, and what administrators of the service
/// did; what was done for another organization is not theirs to know. Administrators, and auditors of the whole
/// service, read everything.
public struct RecordScope: Sendable {
  /// The organizations whose records are read; nil where everything is.
  package let organizations: Set<Identifier>?
  /// Those of whose people the accounts' records are read, too.
  package let overseen: Set<Identifier>
  /// Those of whose people the accounts' records are read, unless somebody of another organization made them.
  package let governed: Set<Identifier>
  /// Those where the caller is an officer.
  package let officed: Set<Identifier>
  /// Resource types whose records are left out.
  package let veiled: Set<String>

  /// The scope of a caller; nil where they may read such records nowhere.
  package init?(_ audience: Audience, of principal: Principal, in catalog: Catalog) {
    guard let reach = audience.reach(of: principal) else { return nil }
    organizations = reach.organizations
    let readable = organizations ?? []
    overseen = readable.filter { principal.holds([.officers, .auditors], in: $0) }
    let overseen = overseen
    governed = readable.filter { !overseen.contains($0) && principal.allows(.admin, on: "users", organization: $0) }
    officed = readable.filter { principal.holds([.officers], in: $0) }
    veiled = Set(principal.veiledTypes(of: catalog))
  }

  /// Whether a record is the caller's to read.
  /// - Throws: `EventLogError` where a state that decides it is damaged.
  package func permits(_ header: EventHeader, in snapshot: borrowing LogSnapshot) throws -> Bool {
    guard let organizations else { return true }
    if let organization = header.organization {
      return organizations.contains(organization) && !veiled.contains(header.type)
    }
    guard header.type == "user", !overseen.isEmpty || !governed.isEmpty else { return false }
    let memberships = try snapshot.memberships(of: header.resource).filter { membership in
      // An account that is made with its first membership is made some microseconds before.
      membership.isGoverning && membership.createdAt.microseconds <= header.at.microseconds + 1000
    }.compactMap(\.organization)
    if memberships.contains(where: overseen.contains) { return true }
    let homes = memberships.filter(governed.contains)
    guard !homes.isEmpty else { return false }
    guard let actor = Identifier(userActor: header.actor) else { return !header.actor.hasPrefix("api_key:") }
    if actor == header.resource { return true }
    if try snapshot.state(actor)?.fields["role"] == "admin" { return true }
    return try snapshot.memberships(of: actor).contains { $0.organization.map(homes.contains) == true }
  }
}
