/// Who is shown personal data, or a resource: the closed vocabulary of `recipients` in the catalog.
///
/// What the record of processing says (GDPR Art. 30(1)(d)) is what is enforced: these words are compared with who asks,
/// wherever a value is shown.
public enum Recipient: String, CaseIterable, Sendable {
  /// The data subject, signed in; none of their API keys.
  case person = "the person"
  /// Full members of an organization that the data belongs to, who may read it there, and its keys that may.
  case members
  /// Who administers the type in such an organization, its keys that may included.
  case organizationAdministrators = "organization administrators"
  /// Officers who are full members of such an organization.
  case officers
  /// Auditors who are full members of such an organization, and those of the whole service.
  case auditors
  /// The local administrator, and people with the platform role `admin`: everything is shown to them.
  case administrators

  /// The words, as a record shows them.
  public static func text(_ recipients: [Recipient]) -> String {
    recipients.map(\.rawValue).joined(separator: ", ")
  }
}
