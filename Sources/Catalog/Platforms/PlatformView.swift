/// A documented view.
public struct PlatformView: Sendable {
  /// Its name.
  public let name: String
  /// What needs saying; may be empty.
  public let summary: String
  /// Columns and their types, in order.
  public let columns: [(name: String, type: String)]
}
