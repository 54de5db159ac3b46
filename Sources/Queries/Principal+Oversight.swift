import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

extension Principal {
  /// How many records behind a deletion may be what went with it.
  private static let mostWithAccount = 1000

  /// Whether the caller is an officer or auditor of an organization of which a deleted person was a member until then:
  /// what became of an account stays theirs to audit. The memberships went with it, each by an event that says so.
  func oversaw(_ person: ResourceState, in snapshot: borrowing LogSnapshot) throws -> Bool {
    guard person.type == "user", person.isDeleted, office != nil else { return false }
    let last = try snapshot.latestVersion(of: person.id)
    let records = try snapshot.history(of: person.id, versions: max(1, last - 8)...last)
    guard let deletion = try records.last(where: { try $0.parsedBody().set["deleted_at"] != nil })?.parsedHeader()
    else {
      return false
    }
    let following = try snapshot.records(
      from: deletion.position + 1, limit: Self.mostWithAccount, maximumBytes: 4 << 20)
    for record in following {
      let header = try record.parsedHeader()
      // The events of one command follow each other by microseconds.
      guard header.at.microseconds - deletion.at.microseconds < 1_000_000 else { break }
      if header.type == "membership", header.causation == deletion.id,
        holds([.officers, .auditors], in: header.organization), try snapshot.state(header.resource)?.isGoverning == true
      {
        return true
      }
    }
    return false
  }
}
