import Catalog

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

  /// The types whose records the caller doesn't read, in whatever organization: those of which only some offices see
  /// the resources, where the caller holds none of them. Whoever reads records of an organization administers it or
  /// holds an office there, so what such people see isn't left out.
  package func veiledTypes(of catalog: Catalog) -> [String] {
    if seesEverything { return [] }
    return catalog.types.lazy.filter { type in
      guard let recipients = type.recipients, !recipients.contains(.organizationAdministrators) else { return false }
      return self.office.map { !recipients.contains($0) } ?? true
    }.map(\.name).sorted()
  }
}
