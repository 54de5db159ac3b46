import CanonicalJSON

/// One platform's document as a list: each of its tables, columns, views, indexes and queries, and where Daybook has them.
///
/// One file of `schema/platforms/`. From it come the rules that bind that platform's organizations at the command
/// (``PlatformRules``), the catalog's page about where everything went, and the tests that walk every column.
public struct Platform: Sendable {
  /// The word in `organization.platform`, and the PostgreSQL schema with its views (`etl_builder`).
  public let name: String
  /// The platform's own name.
  public let title: String
  /// The tables, in the document's order.
  public let tables: [PlatformTable]
  /// The views that the document defines.
  public let views: [PlatformView]
  /// The document's monitoring and maintenance queries and functions, each with SQL that does it here.
  public let queries: [PlatformQuery]
  /// What sections of the document became that are no tables: partitions, backup, encryption, migrations.
  public let notes: [String]

  /// The table of that name.
  public func table(_ name: String) -> PlatformTable? { tables.first { $0.name == name } }
}

/// A documented table.
public struct PlatformTable: Sendable {
  /// The document's name of it; the view in the platform's schema has the same.
  public let name: String
  /// What needs saying; may be empty.
  public let summary: String
  /// The resource type whose rows these are; nil where they come from ``readModel``.
  public let resource: String?
  /// The read model whose rows these are, where they are no resource's.
  public let readModel: String?
  /// Only rows whose field has one of these words belong here.
  public let when: [PlatformCondition]
  /// The columns, in the document's order.
  public let columns: [PlatformColumn]
  /// The document's UNIQUE constraints: columns.
  public let unique: [[String]]
  /// The document's indexes: name and columns.
  public let indexes: [(name: String, columns: [String])]

  /// The column of that name.
  public func column(_ name: String) -> PlatformColumn? { columns.first { $0.name == name } }
}

/// A condition on rows: a field of theirs, or of what one of their references leads to, has one of some words.
public struct PlatformCondition: Sendable {
  /// The reference that leads to the resource with the field; nil for a field of the row itself.
  public let reference: String?
  /// The field.
  public let field: String
  /// The words; `null` in the file stands for a reference or field that is absent.
  public let words: [String]
  /// Whether a row without the reference or field belongs too.
  public let includesAbsent: Bool
}

/// A documented column.
public struct PlatformColumn: Sendable {
  /// Where the column's value comes from.
  public enum Source: Sendable, Equatable {
    /// A field of the resource, implicit ones (`id`, `created_at`) included.
    case field(String)
    /// Worked out by the view, as said; `setBy` is the method that sets it, where one does.
    case computed(String, setBy: String?)
    /// Not to be had here, as said.
    case absent(String)
  }

  /// The document's name.
  public let name: String
  /// The documented type, in PostgreSQL's words (`varchar(255)`).
  public let type: String
  /// Where it comes from.
  public let source: Source
  /// Whether the document says NOT NULL; the view never shows null there.
  public let isNotNull: Bool
  /// Whether the document says UNIQUE.
  public let isUnique: Bool
  /// The documented default.
  public let defaultValue: JSON?
  /// The document's words, where it lists them (CHECK, ENUM, choices).
  public let values: [String]
  /// Stored word → the document's word, where they differ.
  public let words: [String: String]
  /// The documented greatest length in characters, from `varchar(n)` or `max`.
  public let maximumLength: Int?
  /// The documented least value.
  public let minimum: Double?
  /// The documented greatest value.
  public let maximum: Double?
  /// The documented ON DELETE rule of a reference; NO ACTION and PROTECT are `restrict`.
  public let onDelete: Reference.Deletion?
  /// False where the document's rule can't bind at the command; ``why`` says so.
  public let isEnforced: Bool
  /// Why it isn't enforced, or what else needs saying; may be empty.
  public let why: String
}

/// A documented view.
public struct PlatformView: Sendable {
  /// Its name.
  public let name: String
  /// What needs saying; may be empty.
  public let summary: String
  /// Columns and their types, in order.
  public let columns: [(name: String, type: String)]
}

/// A documented query, or what replaces it.
public struct PlatformQuery: Sendable {
  /// What it answers.
  public let title: String
  /// SQL that runs on Daybook's PostgreSQL; nil where ``note`` says what does it instead.
  public let sql: String?
  /// Why it differs from the document's text, where it does; may be empty.
  public let note: String
}
