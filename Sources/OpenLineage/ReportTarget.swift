import BasicTypes
import CanonicalJSON
import EventLog

/// What a report from outside needs of the transaction that it is decided in.
///
/// Everything is read from committed state plus what this decision staged so far,
/// and staged with it; a decision that throws leaves nothing.
public protocol ReportTarget {
  /// The organization that everything goes to, where the caller has or names one; nil for an administrator who names
  /// none, whose reports go where the rules say.
  var ownOrganization: Identifier? { get }

  /// What administrators have said of namespaces.
  var namespaceRules: NamespaceRules { get throws }

  /// The slug of the organization for reports that no rule speaks of; nil for one that is made for them.
  var defaultOrganization: String? { get }

  /// When the report is taken in, by the log's clock: what it tells counts as of then at the latest.
  var receivedAt: Timestamp { get }

  /// The living resource that holds these values of a unique constraint, in the
  /// order of the constraint's fields, or nil.
  func find(type: String, constraint: String, values: [JSON]) throws -> ResourceState?

  /// The resource of that id, a deleted one too, or nil where there never was one.
  func state(_ id: Identifier) throws -> ResourceState?

  /// Whether this report was never taken in before, and from now on was. Kept for ever,
  /// for each organization, like the idempotency of commands: one small index entry a
  /// report, so no state grows with the number of reports and their order can't matter.
  func isFirstReport(digest: [UInt8], organization: Identifier) throws -> Bool

  /// Makes a resource, with the catalog's defaults for fields that are not given but for those of
  /// ``UnsaidFields``, and records one event of that verb (`created`).
  ///
  /// - Parameter id: its id, which must be new; nil for one of the log's own choice.
  func create(
    type: String, id: Identifier?, organization: Identifier?, fields: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState

  /// Sets fields (null removes one) of a resource, maintains what follows from them (`version_number`), and records one
  /// event of that verb; records nothing where nothing differs and `data` is empty. Returns the state after.
  func change(_ state: ResourceState, set: JSONObject, event: String, data: JSONObject) throws -> ResourceState
}

/// Fields whose default would be told as if a report had said it: they are null until one does.
public enum UnsaidFields {
  private static let names: KeyValuePairs<String, [String]> = [
    "pipeline": ["kind"], "run": ["trigger_type", "params", "rows_processed", "data_size_bytes"],
  ]

  /// Whether a new resource that a report makes has no default in that field.
  public static func contains(_ field: String, of type: String) -> Bool {
    names.contains { $0.key == type && $0.value.contains(field) }
  }
}

/// Why a report can't be taken in, though it is well formed.
public enum ReportFailure: Error, Sendable, Equatable {
  /// The id that follows from the report's run belongs to something that is no run.
  case identifierTaken(Identifier)
  /// It shows more pairs of a dataset and one made from it than one report may, its run's earlier reports included.
  case tooManyPairs(limit: Int)
  /// The run was deleted, at that time.
  case gone(Identifier, since: Timestamp)
}
