/// Resources that only one person of the organization sees, besides who administers the type there.
public struct Visibility: Sendable, Equatable {
  /// The field that refers to that user; where it is null, the resource is for everybody.
  public let field: String
  /// The boolean field that, where it is true, makes the resource everybody's.
  public let unless: String?

  /// Resources for the user whom a field names.
  public init(field: String, unless: String?) {
    self.field = field
    self.unless = unless
  }
}
