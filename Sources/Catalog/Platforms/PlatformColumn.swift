import CanonicalJSON

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
  /// What a new row gets where nothing is given; ``actor`` stands for who acts.
  public let fill: JSON?
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
  /// The documented table that it refers to, where no field says so.
  public let refersTo: String?
  /// False where the document's rule can't bind at the command; ``why`` says so.
  public let isEnforced: Bool
  /// Why it isn't enforced, or what else needs saying; may be empty.
  public let why: String

  /// Stands for the acting user in ``fill``.
  public static let actor: JSON = "$actor"

  /// Whether a value must be given: the document never lets it be NULL, and has no default.
  public var isAsked: Bool { isNotNull && defaultValue == nil && isEnforced }
}
