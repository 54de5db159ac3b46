/// The kind of value that a field holds, and what PostgreSQL makes of it.
public enum FieldType: String, Sendable, CaseIterable {
  /// Text with a length limit in characters (`varchar`).
  case string
  /// Text without a declared limit.
  case text
  /// Lower-case letters, digits, `-` and `_`.
  case slug
  /// An e-mail address: one `@`, no spaces.
  case email
  /// A 32-bit integer.
  case integer
  /// A 64-bit integer.
  case bigint
  /// A double.
  case float
  /// `true` or `false`.
  case boolean
  /// An RFC 3339 time, kept in UTC with microseconds (`timestamptz`).
  case timestamp
  /// Any JSON value (`jsonb`).
  case json
  /// A JSON object (`jsonb`).
  case object
  /// A JSON array of strings (`text[]` in SQL).
  case tags
  /// A JSON array of objects whose members ``Field/items`` describes (`jsonb`).
  case list
  /// One of ``Field/values``.
  case `enum`
  /// The id of another resource (`uuid`).
  case reference
  /// A UUID that refers to nothing here.
  case uuid
  /// An IPv4 or IPv6 address (`inet`).
  case ip
}
