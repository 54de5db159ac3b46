/// Fields that only one living resource may have in this combination. A null in any of them exempts the resource.
public struct UniqueConstraint: Sendable, Equatable {
  /// The name, unique in the catalog (`organization_slug`).
  public let name: String
  /// The fields; `organization_id` may be one of them.
  public let fields: [String]
  /// Whether text is compared without regard to case.
  public let ignoresCase: Bool
  /// Whether text is compared without regard to its canonical form (NFC or not), as it is where case is passed over.
  public let ignoresForm: Bool
  /// The platforms whose organizations it binds; empty for every organization.
  public let platforms: [String]
  /// Whether the first field names what the resources belong to (an organization, or what another reference leads to):
  /// then the keys of what belongs together stand together in the log's index.
  public let isUnderParent: Bool

  /// A constraint of that name.
  public init(
    name: String, fields: [String], ignoresCase: Bool, ignoresForm: Bool = false, platforms: [String],
    isUnderParent: Bool = false
  ) {
    self.name = name
    self.fields = fields
    self.ignoresCase = ignoresCase
    self.ignoresForm = ignoresCase || ignoresForm
    self.platforms = platforms
    self.isUnderParent = isUnderParent
  }
}
