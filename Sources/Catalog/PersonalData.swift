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
  /// Why it is processed, in Fideslang's words where they fit: `essential.service.authentication`, …
  public let purpose: String
  /// The legal basis (GDPR Art. 6), in Fideslang's words where they fit: `Contract`, `Legitimate interests`, …
  public let legalBasis: String
  /// The category of data, in Fideslang's words where they fit: `user.contact.email`, …
  public let category: String
  /// How long it is kept.
  public let retention: String
  /// Who is shown it, and nobody else.
  public let recipients: [Recipient]

  /// The record of processing of one field.
  public init(
    subject: Subject, purpose: String, legalBasis: String, category: String, retention: String,
    recipients: [Recipient]
  ) {
    self.subject = subject
    self.purpose = purpose
    self.legalBasis = legalBasis
    self.category = category
    self.retention = retention
    self.recipients = recipients
  }

  /// Who is shown what it was before: of these only the person, officers and administrators. What stands now may be for
  /// all of an organization; what a person went by once is not.
  public var formerRecipients: [Recipient] {
    recipients.filter { [.person, .officers, .administrators].contains($0) }
  }
}

/// Values that no field of a person holds and that may name people all the same: the record of processing for them
/// (GDPR Art. 30). They are kept as the type says, in the clear or sealed for an organization or a time.
public struct PersonalMention: Sendable {
  /// Where they stand: a field, a sealed fact as `reported.facets`, or `reason` or `origin` of every event.
  public let place: String
  /// Whom they may name, in words.
  public let subject: String
  /// Why they are processed, in the words of ``PersonalData/purpose``.
  public let purpose: String
  /// The legal basis (GDPR Art. 6).
  public let legalBasis: String
  /// The category of data.
  public let category: String
  /// How long they are kept.
  public let retention: String
  /// Who is shown them.
  public let recipients: [Recipient]
}
