import BasicTypes
import CanonicalJSON
import EventLog
import Records

extension StateView {
  /// What stands for a secret that changed.
  static let hidden: JSON = "********"

  /// Fields that the first event of a resource sets and that say nothing of their own.
  private static let bookkeeping: Set<String> = ["number", "created_by", "organization_id"]

  /// The changed fields of an event as a history shows them: what each was, and what it became.
  func shownChanges(type: String, resource: Identifier, set: JSONObject, was: JSONObject) throws -> JSONObject {
    try changes(
      type: type, resource: resource, set: set.filter { !Self.bookkeeping.contains($0.key) }, was: was)
  }
}
