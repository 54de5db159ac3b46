import CanonicalJSON
import Catalog
import Vault

/// A field and how its value is kept.
package final class FieldModel: Sendable {
  /// How a value of the field stands in the log.
  package enum Keeping: Sendable, Equatable {
    /// As it is.
    case plain
    /// Sealed with a person's key.
    case personal(PersonalData.Subject)
    /// Sealed with the organization's key.
    case secret
    /// What is secret in it sealed with the organization's key, each at its place.
    case secretMembers(SecretScope)
    /// A one-way hash, as it is; never shown.
    case hash
    /// A one-way hash of a password, sealed with the key of the person that the resource is; never shown. In events
    /// before 2026-11-30 it stands as it is.
    case passwordHash
  }

  /// The field itself.
  package let field: Field
  /// Its name.
  package let name: String
  /// How its values stand in the log.
  package let keeping: Keeping
  /// Who sets it, where callers may not: the hint of the refusal.
  package let setBy: String

  /// The model of a type's field.
  package init(_ field: Field, of type: ResourceType) {
    self.field = field
    name = field.name
    if let personal = field.personal {
      keeping = .personal(personal.subject)
    } else {
      switch field.secret {
      case .whole: keeping = .secret
      case .hash: keeping = .hash
      case .password: keeping = .passwordHash
      case .members, .configuration, .texts, .refused, nil:
        keeping = SecretScope(field).map { .secretMembers($0) } ?? .plain
      }
    }
    setBy = FieldModel.setters(of: field, in: type)
  }

  /// Where in its value secrets may stand; nil where none is sealed by itself.
  package var secretScope: SecretScope? {
    if case .secretMembers(let scope) = keeping { return scope }
    return nil
  }

  /// Whether the key of a person seals its values: of whom, if so.
  package var subject: PersonalData.Subject? {
    switch keeping {
    case .personal(let subject): subject
    case .passwordHash: .resource
    default: nil
    }
  }

  /// Whether a change of a field with a ``subject`` has to do with that person's key: it seals the new value, or sealed
  /// the one before. A field may have become personal after values of it were recorded as they are.
  package func isSealed(_ value: JSON?, was before: JSON?) -> Bool {
    if keeping == .passwordHash { return true }
    return [value, before].contains { $0.map { Vault.isSealed($0) } ?? false }
  }

  private static func setters(of field: Field, in type: ResourceType) -> String {
    let isLifecycle = type.lifecycle?.field == field.name
    let commands = type.commands.filter { command in
      !command.isInternal && (command.sets.contains(field.name) || (isLifecycle && command.to != nil))
    }
    if !commands.isEmpty {
      return "is set by " + commands.map { "\(type.name).\($0.name)" }.joined(separator: ", ")
    }
    if isLifecycle {
      let moving = type.commands.filter { $0.effect == .behaviour && !$0.isInternal }
      if !moving.isEmpty {
        return "follows from " + moving.map { "\(type.name).\($0.name)" }.joined(separator: ", ")
      }
    }
    return "is set by Daybook itself"
  }
}
