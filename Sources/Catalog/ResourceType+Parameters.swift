import CanonicalJSON

extension ResourceType {
  /// All that one of the type's commands takes, those of every command last: `reason` is required where the command
  /// refuses without one.
  public func allParameters(of command: Command) -> [Field] {
    parameters(of: command)
      + Command.commonParameters.map { field in
        guard field.name == "reason", command.requiresReason else { return field }
        var reason = field
        reason.isRequired = true
        return reason
      }
  }

  /// What one of the type's commands takes: `id`, `organization_id`, the fields that it may set, then its own
  /// parameters; without those of every command (``Command/commonParameters``).
  ///
  /// `isRequired` says whether the call must have it, so it is false where `create` has a default, and for the fields
  /// of `edit` (where null clears one that ``Field/isRequired`` doesn't protect).
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
          choice.refusesNull = field.isRequired
          choice.defaultValue = .string(lifecycle.initial)
          list.append(choice)
        } else if field.isAssignable {
          var given = field
          given.isRequired = field.isRequired && field.defaultValue == nil
          given.refusesNull = field.isRequired
          list.append(given)
        }
      }
    case .edit:
      for field in fields where field.isAssignable && !field.isImmutable {
        var changed = field
        changed.isRequired = false
        changed.refusesNull = field.isRequired
        changed.defaultValue = nil
        list.append(changed)
      }
    case .delete, .transition, .behaviour: break
    }
    return list + command.parameters
  }
}
