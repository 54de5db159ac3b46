import BasicTypes
import CanonicalJSON

/// A column of `staged_events`: what a read model that is filled from events may take of each.
enum StagedColumn: String, CaseIterable, Sendable {
  case position
  case eventID = "event_id"
  case at
  case actor
  case user = "user_id"
  case organization = "organization_id"
  case action
  case event
  case resourceType = "resource_type"
  case resource = "resource_id"
  case version
  case changes
  case data
  case fields
  case correlation
  case causation
  case versionNumber = "version_number"
  case snapshotChanges = "snapshot_changes"
  case snapshotRemoved = "snapshot_removed"

  /// Its SQL type.
  var sqlType: String {
    switch self {
    case .position, .version: "bigint"
    case .eventID, .user, .organization, .resource, .causation: "uuid"
    case .at: "timestamptz"
    case .actor, .action, .event, .resourceType, .correlation: "text"
    case .changes, .data, .fields, .snapshotChanges: "jsonb"
    case .versionNumber: "integer"
    case .snapshotRemoved: "text[]"
    }
  }

  /// The columns of the staging table, as `CREATE TABLE` takes them.
  static let declarations = allCases.map { "\($0.rawValue) \($0.sqlType)" }.joined(separator: ", ")
}

/// One event as the staging table, or a table that takes its columns as they stand, gets it.
struct StagedRow {
  let type: PostedType?
  let action: String
  /// `{"field":{"from":…,"to":…}}`; empty where nothing was set.
  var changes: [UInt8] = []
  /// Whether `data` is asked for; it is left out for read models that take every event.
  var needsData = false
  var fields: JSONObject = [:]
  /// The version that the event made, and what its resource's events of the chunk come to.
  var version: (number: Int64, fold: ResourceFold)?

  /// Writes some columns as one row.
  func write(_ columns: [StagedColumn], of event: StoredEvent, into rows: inout BinaryCopy) {
    rows.beginRow(columns: Int16(columns.count))
    for column in columns { write(column, of: event, into: &rows) }
  }

  private func write(_ column: StagedColumn, of event: StoredEvent, into rows: inout BinaryCopy) {
    switch column {
    case .position: rows.integer(Int64(event.position))
    case .eventID: rows.identifier(event.id)
    case .at: rows.timestamp(event.at)
    case .actor: rows.text(event.actor)
    case .user: rows.identifier(event.user)
    case .organization:
      rows.identifier(event.organization ?? (type?.isOrganization == true ? event.resource : nil))
    case .action: rows.text(action)
    case .event: rows.text(event.event)
    case .resourceType: rows.text(event.type)
    case .resource: rows.identifier(event.resource)
    case .version: rows.integer(event.version)
    case .changes: if changes.isEmpty { rows.null() } else { rows.json { $0.append(contentsOf: changes) } }
    case .data:
      if needsData, let data = event.data {
        rows.json { $0.append(contentsOf: event.body.bytes[data]) }
      } else {
        rows.null()
      }
    case .fields: if fields.isEmpty { rows.null() } else { rows.json { fields.writeCanonical(into: &$0) } }
    case .correlation: rows.text(event.correlation)
    case .causation: rows.identifier(event.causation)
    case .versionNumber: rows.integer32(version.map { Int32(clamping: $0.number) })
    case .snapshotChanges:
      if let version { rows.json { version.fold.writeVersioned(into: &$0) } } else { rows.null() }
    case .snapshotRemoved: if let version { rows.texts(version.fold.clearedVersioned) } else { rows.null() }
    }
  }
}
