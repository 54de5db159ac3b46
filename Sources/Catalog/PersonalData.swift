/// Whose personal data a field holds, and the record of processing for it (GDPR Art. 30).
public struct PersonalData: Sendable {
  /// Who the data subject is.
  public enum Subject: Sendable, Equatable {
    /// The resource itself is the person (a user).
    case resource
    /// The user whose id the named field holds.
    case field(String)
  }
  /// Whose it is.
  public let subject: Subject
  /// Why it is processed.
  public let purpose: String
  /// The legal basis (GDPR Art. 6).
  public let legalBasis: String
  /// The category of data (contact, identity, usage …).
  public let category: String
  /// How long it is kept.
  public let retention: String
  /// Who receives it.
  public let recipients: String

  /// The record of processing of one field.
  public init(
    subject: Subject, purpose: String, legalBasis: String, category: String, retention: String, recipients: String
  ) {
    self.subject = subject
    self.purpose = purpose
    self.legalBasis = legalBasis
    self.category = category
    self.retention = retention
    self.recipients = recipients
  }
}
