import CanonicalJSON

/// One field of a resource type, or one parameter of a command.
public struct Field: Sendable {
  /// The name, the same in JSON and SQL.
  public var name: String
  /// What it holds.
  public var type: FieldType
  /// What it means, in a sentence; may be empty.
  public var summary: String = ""
  /// Whether a living resource must have it (NOT NULL).
  public var isRequired = false
  /// What `create` sets where nothing is given.
  public var defaultValue: JSON?
  /// Whether null is refused although the field may be absent: `create` has a default for it, or `edit` leaves it as it
  /// is.
  public var refusesNull = false
  /// The least length, in bytes of UTF-8.
  public var minimumLength: Int?
  /// The greatest length, in Unicode scalars (as PostgreSQL counts `varchar(n)`).
  public var maximumLength: Int?
  /// The greatest length in bytes of UTF-8: of a text that a unique constraint indexes (an index entry of PostgreSQL
  /// holds about 2,700 bytes), or of a parameter that is kept short.
  public var maximumBytes: Int?
  /// The least value of a number.
  public var minimum: Double?
  /// The greatest value of a number.
  public var maximum: Double?
  /// Whether a text may hold no ``HiddenCharacter``; an e-mail address never may.
  public var isVisible = false
  /// How its texts are compared, where not as they stand: an e-mail address is the same in any case.
  public var comparison: Comparison?
  /// The most elements of `tags` or a `list`.
  public var maximumCount: Int?
  /// What each element of `tags` must be, where not any text will do.
  public var elementType: FieldType?
  /// The forms of which a `json` value must have one; empty where any value will do.
  public var alternatives: [Field] = []
  /// The allowed values of an `enum`.
  public var values: [String] = []
  /// The greatest length of words that an `enum` takes besides its values; nil where it takes none.
  public var otherWords: Int?
  /// Other words that are accepted for a value and stored as it (`completed` for `success`).
  public var synonyms: [String: String] = [:]
  /// Where it holds personal data: whose, and why it may be held.
  public var personal: PersonalData?
  /// How much of the value is a secret.
  public var secret: SecretRule?
  /// Whether nobody is ever shown it.
  public var isHidden: Bool {
    secret?.hidesAll ?? false
  }

  /// What it refers to, for a `reference`.
  public var reference: Reference?
  /// Whether `edit` may change it; false for what is fixed at creation.
  public var isImmutable = false
  /// Whether commands' callers may set it at all; false for what only behaviours and lifecycles set.
  public var isAssignable = true
  /// Whether it is a parameter that no table holds, so that its limits are a call's own and not those of a column.
  public var isParameter = false
  /// The members of each object of a `list`, or of an `object` that has no others.
  public var items: [Field] = []

  /// A field of that name and type, with nothing else said.
  public init(name: String, type: FieldType) {
    self.name = name
    self.type = type
    if type == .email { comparison = .folded }
  }
}
