import CanonicalJSON

extension Command {
  /// What every command takes besides its own parameters and `id`: `command_id`, `about`, `expected_version`, `reason`, `correlation_id`, `dry_run`.
  public static let commonParameters: [Field] = {
    var commandIdentifier = Field(name: "command_id", type: .string)
    commandIdentifier.maximumLength = 128
    commandIdentifier.maximumBytes = 128
    commandIdentifier.summary =
      "Idempotency, per actor: the same id with the same params answers the first result again."
    var about = Field(name: "about", type: .tags)
    about.summary = "Ids of users whose personal data the reason speaks of."
    var expectedVersion = Field(name: "expected_version", type: .bigint)
    expectedVersion.minimum = 1
    expectedVersion.summary = "Refuse unless the resource is at this version."
    var reason = Field(name: "reason", type: .text)
    reason.summary = "Why; kept in the event."
    var correlation = Field(name: "correlation_id", type: .string)
    correlation.maximumLength = 255
    correlation.summary = "Kept in the event."
    var dryRun = Field(name: "dry_run", type: .boolean)
    dryRun.summary = "Decide and answer what would be recorded; record nothing."
    return [commandIdentifier, about, expectedVersion, reason, correlation, dryRun]
  }()
}

extension ResourceType {
  /// What one of the type's commands takes: `id`, `organization_id`, the fields that it may set, then its own parameters; without those of
  /// every command (``Command/commonParameters``).
  ///
  /// `isRequired` says whether the call must have it, so it is false where `create` has a default, and for the fields of `edit`
  /// (where null clears one that ``Field/isRequired`` doesn't protect).
  public func parameters(of command: Command) -> [Field] {
    var list: [Field] = []
    var identifier = Field(name: "id", type: .uuid)
    identifier.isRequired = command.needsIdentifier
    identifier.summary = command.needsIdentifier ? "The \(name)." : "An id of the caller's own choice."
    if command.needsIdentifier || command.effect == .create { list.append(identifier) }
    if !command.needsIdentifier, var organization = organizationField {
      // A key's or a one-organization user's own organization is the default.
      organization.isRequired = false
      list.append(organization)
    }
    switch command.effect {
    case .create:
      for field in fields {
        if let lifecycle, field.name == lifecycle.field {
          guard !lifecycle.initialChoices.isEmpty else { continue }
          var choice = field
          choice.values = lifecycle.initialChoices
          choice.synonyms = field.synonyms.filter { lifecycle.initialChoices.contains($0.value) }
          choice.isRequired = false
          choice.defaultValue = .string(lifecycle.initial)
          list.append(choice)
        } else if field.isAssignable {
          var given = field
          given.isRequired = field.isRequired && field.defaultValue == nil
          list.append(given)
        }
      }
    case .edit:
      for field in fields where field.isAssignable && !field.isImmutable {
        var changed = field
        changed.isRequired = false
        changed.defaultValue = nil
        list.append(changed)
      }
    case .delete, .transition, .behaviour: break
    }
    return list + command.parameters
  }
}
