import BasicTypes
import CanonicalJSON

/// Whose data key it is: what becomes unreadable when that one key is destroyed.
public enum KeyOwner: Hashable, Sendable {
  /// A person: their fields wherever they stand, and the origin and reason of what they do.
  case subject(Identifier)
  /// An organization: its secrets.
  case organization(Identifier)
  /// Payloads that expire together: those of one organization (nil where they belong to none), retention class and
  /// month, the month as `2026-11`.
  case expiring(organization: Identifier?, retentionClass: String, month: String)

  /// Refuses an owner that can't be told apart from others by its bytes, or that no sweep would find.
  func check() throws(VaultError) {
    guard case .expiring(_, let retentionClass, let month) = self else { return }
    let isName: (UInt8) -> Bool = { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
      default: false
      }
    }
    guard !retentionClass.isEmpty, retentionClass.utf8.count <= 128, retentionClass.utf8.allSatisfy(isName) else {
      throw VaultError(
        .invalidOwner,
        "A retention class is 1 to 128 lower-case letters, digits, underscores, dashes and dots.")
    }
    let parts = Array(month.utf8)
    let isDigit: (UInt8) -> Bool = { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    guard parts.count == 7, parts[4] == UInt8(ascii: "-"), parts[..<4].allSatisfy(isDigit),
      parts[5...].allSatisfy(isDigit), let number = Int(month.suffix(2)), (1...12).contains(number)
    else { throw VaultError(.invalidOwner, "The month of an expiring key is a year and a month such as 2026-11.") }
  }

  /// Whether a new key may follow a destroyed one. A person or organization that was erased stays so; a month whose
  /// payloads were swept can still receive a late one.
  var canReturn: Bool {
    if case .expiring = self { return true }
    return false
  }
}

/// Where a value is sealed: bound to it as associated data, so that it opens nowhere else.
public struct SealContext: Sendable, Hashable {
  /// The event whose body first holds the value. It travels in the token.
  public var eventID: Identifier
  /// The resource that the value is a field of. Whoever opens must name it.
  public var resourceID: Identifier
  /// The field's name. Whoever opens must name it.
  public var field: String

  /// A place of these parts.
  public init(eventID: Identifier, resourceID: Identifier, field: String) {
    self.eventID = eventID
    self.resourceID = resourceID
    self.field = field
  }
}

/// What a sealed value gives when it is opened.
public enum Opened: Sendable, Equatable {
  /// The value that was sealed.
  case value(JSON)
  /// Its key was destroyed: nobody can read it again.
  case erased
  /// This key store never had its key: restoring the right one would make it readable.
  case locked
}
