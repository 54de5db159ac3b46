/// The read model of a versioned type's versions, one row a version: what the key `versions` of its file says.
///
/// It is named after the type (`pipeline_versions`), and generated like the read model of the type itself.
package struct VersionTable: Sendable, Equatable {
  /// What a row's `id` is.
  package enum Numbering: String, Sendable, CaseIterable {
    /// The position of the event that made the version.
    case position
    /// That position × 2^20, as read models number their rows that may have several an event.
    case shifted
  }

  /// How a row holds the content.
  package enum Content: String, Sendable, CaseIterable {
    /// In one `jsonb` column, `snapshot`.
    case snapshot
    /// In a column a field.
    case columns
  }

  /// What follows the sentence that every such read model begins with; may be empty.
  package var summary = ""
  /// What its ids are.
  package var numbering = Numbering.position
  /// How it holds the content.
  package var content = Content.snapshot
  /// The verb of the event whose data names a version (`{"version_number":…,"name":…}`); nil where versions have no
  /// names.
  package var namedBy: String?
  /// Whether it has `personal.<name>.change_description`: the reason of the command that made the version.
  package var hasReasons = false

  /// The name of its table (`pipeline_versions`).
  package static func name(of type: ResourceType) -> String { "\(type.name)_versions" }

  /// The columns that every such table has, besides the one that refers to the type (`pipeline_id`) and those of the
  /// content.
  package static let fixedColumns = [
    "id", "organization_id", "version_number", "version_name", "snapshot", "is_active", "rolled_back_to", "created_by",
    "created_at", "position",
  ]
}
