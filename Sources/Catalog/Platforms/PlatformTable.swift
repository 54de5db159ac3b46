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
