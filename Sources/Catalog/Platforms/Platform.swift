/// One platform's document as a list: each of its tables, columns, views, indexes
/// and queries, and where Daybook has them.
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
  /// What the document says is to go after a time, one entry a class of data; nothing else goes by itself.
  public let retention: [PlatformRetention]
  /// What sections of the document became that are no tables: partitions, backup, encryption, migrations.
  public let notes: [String]

  /// The table of that name.
  public func table(_ name: String) -> PlatformTable? { tables.first { $0.name == name } }
}
