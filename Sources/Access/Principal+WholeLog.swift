extension Principal {
  /// Whether the caller reads the headers of all events, of whatever organization: administrators, and persons of the
  /// platform roles `auditor` and `officer`, which only administrators give. A header has type, ids, organization and
  /// actor, and no value. This is the only place that says so; who reads records, ``Audience/log`` says.
  ///
  /// An API key reads those of its organization, whoever made it.
  package var readsAllHeaders: Bool {
    if isAdministrator { return true }
    guard case .user = kind else { return false }
    return platformRole == "auditor" || platformRole == "officer"
  }
}
