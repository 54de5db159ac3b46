import CanonicalJSON

/// The `id` of a request: a string, a number (0 and fractions too) or null, as JSON-RPC 2.0 §4 allows.
public struct RequestID: Sendable, Hashable {
  /// The value, sent back as it came; a number in its canonical form.
  public let value: JSON

  /// The id that a value is, or nil where JSON-RPC allows no such id.
  public init?(_ value: JSON) {
    switch value {
    case .null, .integer, .number, .bigInteger, .string: self.value = value
    case .bool, .array, .object: return nil
    }
  }

  /// A number.
  public init(_ number: Int64) {
    value = .integer(number)
  }

  /// What answers carry where no id could be made out.
  public static let null = RequestID(value: .null)

  private init(value: JSON) {
    self.value = value
  }
}
