import Access
import BasicTypes
import Catalog
import EventLog
import Records
import Refusals

/// Which records, of the log and of the audit trail, a caller may read.
///
/// Those of the organizations where they have the permission, but for types that only some offices see
/// (`recipients` of a type). Officers and auditors read besides what happened to the accounts of their people, which
/// belong to no organization, for as long as these are more than guests. Administrators, and auditors of the whole
/// service, read everything.
public struct RecordScope: Sendable {
  /// The organizations whose records are read; nil where everything is.
  package let organizations: Set<Identifier>?
  /// Those of whose people the accounts' records are read, too.
  package let overseen: Set<Identifier>
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
    guard header.type == "user", !overseen.isEmpty else { return false }
    return try snapshot.memberships(of: header.resource).contains { membership in
      // An account that is made with its first membership is made some microseconds before.
      membership.organization.map(overseen.contains) == true && membership.isGoverning
        && membership.createdAt.microseconds <= header.at.microseconds + 1000
    }
  }
}
