import BasicTypes
import CanonicalJSON
import EventLog

/// What is kept of values that were taken out of the log.
package enum Redactions {
  /// The type of these records.
  package static let type = "redaction"
  /// What stands in the place of a value that was taken out, in the log and in every answer.
  package static let mark: JSON = ["redacted": true]
  /// The member of the mark.
  package static let markName = "redacted"
  /// The same as text, as PostgreSQL writes it into a column of text.
  package static let markText = #"{"redacted": true}"#

  /// What the records are linked to that aren't complete, so that a start finds them without a search.
  package static let pending = Identifier.version5(namespace: .urlNamespace, name: "daybook:redaction:pending")

  /// What the record of a redaction is linked to that isn't complete; nil for everything else.
  package static func target(of state: ResourceState) -> Identifier? {
    state.type == type && state.fields["status"] == "recorded" ? pending : nil
  }
}

extension StateSource where Self: ~Copyable {
  /// The redactions that aren't complete.
  package func pendingRedactions() throws -> [ResourceState] {
    try referrers(of: Redactions.pending, type: Redactions.type, limit: .max).compactMap { link in
      guard let record = try state(link.id), Redactions.target(of: record) != nil else { return nil }
      return record
    }
  }
}
