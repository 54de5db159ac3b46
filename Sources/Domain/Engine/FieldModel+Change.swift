import BasicTypes
import CanonicalJSON
import Catalog
import Records
import Vault

/// What a field that changed means for values that are held already.
extension FieldModel {
  /// The value that a resource without one has, where the field is required and was added when there were resources;
  /// nil where its default can't stand for one: what is sealed needs a key, and what refers to something a link.
  var laterDefault: JSON? {
    guard field.isRequired, keeping == .plain, field.type != .reference else { return nil }
    return field.defaultValue?.unlessNull
  }

  /// What to do where resources lack the field and have no default for it.
  var missingRemedy: String {
    guard field.defaultValue == nil || laterDefault != nil else {
      return """
        A default can't stand for what is sealed or refers to something: add the field without `required`, give it a \
        value in each resource by edit, then require it.
        """
    }
    return """
      Give the field a default, which those resources then have; or add it without `required`, give it a value in \
      each resource by edit, then require it.
      """
  }

  /// Why the field can't hold a value that it holds; nil where it can.
  func misfit(_ value: JSON) -> CatalogChange.Contradiction? {
    let isSealed = Vault.isSealed(value)
    switch keeping {
    case .hash, .passwordHash: return nil
    case .secretMembers:
      // What stands in the clear is shown as sealed, and is sealed with the next change.
      if isSealed || holdsKind(value) { return nil }
      return CatalogChange.Contradiction(
        problem: "is of type \(field.type.rawValue), but values of another type are held",
        remedy: FieldModel.anotherName)
    case .personal, .secret:
      if isSealed { return nil }
      return CatalogChange.Contradiction(
        problem: "is to be sealed, but values of it stand in the clear",
        remedy: "What is recorded stays readable. \(FieldModel.anotherName)")
    case .plain: break
    }
    if SecretMembers.holdsSealed(value) {
      return CatalogChange.Contradiction(
        problem: "is not to be sealed, but sealed values of it are held", remedy: FieldModel.anotherName)
    }
    guard holdsKind(value) else {
      return CatalogChange.Contradiction(
        problem: "is of type \(field.type.rawValue), but values of another type are held",
        remedy: FieldModel.anotherName)
    }
    if field.type == .enum, let word = value.stringValue, !field.values.contains(word),
      word.unicodeScalars.count > field.otherWords ?? 0
    {
      return CatalogChange.Contradiction(
        problem: "a value is gone, but held",
        remedy: "Keep it among the values until no resource has it: change it by edit first.")
    }
    if let limit = field.maximumLength, let text = value.stringValue, text.utf8.count > limit,
      text.unicodeScalars.count > limit
    {
      return CatalogChange.Contradiction(
        problem: "holds texts of more than \(limit) characters",
        remedy: "Keep the longer limit until they are shorter: change them by edit first.")
    }
    return nil
  }

  private static let anotherName =
    "Add a field of another name, give it its value by edit in each resource, then clear this one and leave it out."

  /// Whether a plain value is one that the field's column can hold.
  private func holdsKind(_ value: JSON) -> Bool {
    switch field.type {
    case .string, .text, .slug, .email, .enum, .ip: value.stringValue != nil
    case .integer: value.integerValue.map { Int32(exactly: $0) != nil } ?? false
    case .bigint: value.integerValue != nil
    case .float: value.doubleValue != nil
    case .boolean: value.boolValue != nil
    case .timestamp: value.stringValue.map { Timestamp($0) != nil } ?? false
    case .reference, .uuid: value.stringValue.map { Identifier($0) != nil } ?? false
    case .json: true
    case .object: value.objectValue != nil
    case .list: value.arrayValue != nil
    case .tags: value.arrayValue?.allSatisfy { $0.stringValue != nil } ?? false
    }
  }
}
