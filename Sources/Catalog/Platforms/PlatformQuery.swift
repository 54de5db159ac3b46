/// A documented query, or what replaces it.
public struct PlatformQuery: Sendable {
  /// What it answers.
  public let title: String
  /// SQL that runs on Daybook's PostgreSQL; nil where ``note`` says what does it instead.
  public let sql: String?
  /// Why it differs from the document's text, where it does; may be empty.
  public let note: String
}
