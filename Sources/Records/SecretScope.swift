import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Vault

/// Where in a field's JSON value secrets may stand, and what counts as one there.
package struct SecretScope: Sendable, Equatable {
  /// What counts as a secret.
  package enum Rule: Sendable, Equatable {
    /// Members of these names in lower case, those that are named like a secret, and texts that carry one.
    case named(Set<String>)
    /// What a configuration holds: see ``ConfigurationName``, and texts that carry one.
    case configuration
    /// Texts that carry one.
    case texts
  }

  /// A member of each element of a list, and what counts as a secret in it.
  package struct Item: Sendable, Equatable {
    let name: String
    let rule: Rule
  }

  /// What counts in the value itself; nil for a list, of whose elements ``items`` speaks.
  let rule: Rule?
  /// The members of a list's elements that may hold secrets.
  let items: [Item]

  /// The whole of a configuration, wherever it is kept.
  package static let configuration = SecretScope(rule: .configuration, items: [])

  private init(rule: Rule, items: [Item]) {
    self.rule = rule
    self.items = items
  }

  /// The scope of a field; nil where no part of its value is sealed by itself.
  package init?(_ field: Field) {
    if let rule = Rule(field.secret) {
      self.rule = rule
      items = []
      return
    }
    items = field.items.compactMap { item in Rule(item.secret).map { Item(name: item.name, rule: $0) } }
    rule = nil
    if items.isEmpty { return nil }
  }
}

extension SecretScope.Rule {
  fileprivate init?(_ rule: SecretRule?) {
    switch rule {
    case .members(let names): self = .named(Set(names.map { $0.lowercased() }))
    case .configuration: self = .configuration
    case .texts: self = .texts
    case .whole, .hash, .password, .refused, nil: return nil
    }
  }

  /// Whether a text, whatever its name, carries a secret.
  func matches(text value: JSON) -> Bool {
    guard case .string(let text) = value else { return false }
    switch self {
    case .named: return SecretText.carriesSecret(text)
    case .configuration, .texts: return SecretText.carriesSecret(text, amongStatements: true)
    }
  }

  /// Whether a member of an object is a secret.
  /// - Parameter parent: the name under which the object stands; nil where it has none.
  func matches(_ key: String, _ value: JSON, in object: JSONObject, under parent: String?) -> Bool {
    switch self {
    case .named(let names):
      if value.isNull || value == Redactions.mark { return false }
      if names.contains(key) || names.contains(key.lowercased()) { return true }
      return value.boolValue == nil && SecretPattern.matches(name: key) || matches(text: value)
    case .texts: return matches(text: value)
    case .configuration:
      switch value {
      case .null, .bool: return false
      case .string(let text):
        if isNamedSecret(key, value, in: object, under: parent) { return true }
        return SecretText.carriesSecret(text, amongStatements: true)
      default: return isNamedSecret(key, value, in: object, under: parent)
      }
    }
  }

  private func isNamedSecret(_ key: String, _ value: JSON, in object: JSONObject, under parent: String?) -> Bool {
    var kind = ConfigurationName.kind(of: key)
    if kind == .none {
      kind = ConfigurationName.kind(of: key, in: object, under: parent)
      if kind == .none { return false }
    } else if let parent, ConfigurationName.namesColumns(parent) {
      return false
    }
    switch value {
    case .null, .bool: return false
    case .integer, .number, .bigInteger: return kind == .password
    case .string(let text):
      if SecretText.isPlaceholder(text) || ConfigurationName.isTypeWord(text) { return false }
      return kind != .dataKey || !ConfigurationName.looksLikeColumn(text)
    case .array(let elements): return !elements.isEmpty && kind != .dataKey
    case .object(let members):
      // What declares a parameter or a column says what it is; of such members only a default can be secret.
      return !members.isEmpty && !ConfigurationName.isDeclaration(members) && value != Redactions.mark
    }
  }
}
