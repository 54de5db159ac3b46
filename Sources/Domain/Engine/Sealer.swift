import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Vault

/// How values go into the log and come out of it: personal and secret ones sealed, all others as they are.
struct Sealer: Sendable {
  /// Where a value is sealed, and who it may be about.
  struct Place {
    let event: Identifier
    let resource: Identifier
    let organization: Identifier?

    func context(_ field: String) -> SealContext {
      SealContext(eventID: event, resourceID: resource, field: field)
    }

    /// The key for what belongs to no person: the organization's, or where there is none the system user's.
    var fallback: KeyOwner {
      organization.map { .organization($0) } ?? .subject(CommandEngine.systemUser)
    }
  }

  /// What stands in a secret's place when it is shown, and means "as it was" when it is sent back.
  static let mask = "********"

  let vault: Vault

  /// The stored form of a field's new value, or nil where the value is what is stored already.
  /// - Parameter subject: the person whose key seals a personal field.
  func stored(
    _ value: JSON, of field: FieldModel, before: JSON?, place: Place, subject: Identifier?
  ) throws -> JSON? {
    if value.isNull { return before.map { _ in .null } }
    switch field.keeping {
    case .plain, .hash:
      if before == value { return nil }
      return value
    case .personal:
      if let before, try open(before, resource: place.resource, field: field.name) == .value(value) { return nil }
      return try vault.seal(
        value, for: subject.map { .subject($0) } ?? place.fallback, context: place.context(field.name))
    case .secret:
      if let before, try open(before, resource: place.resource, field: field.name) == .value(value) { return nil }
      return try vault.seal(value, for: place.fallback, context: place.context(field.name))
    case .secretMembers(let names):
      var members = SecretMembers(sealer: self, names: names, place: place)
      let sealed = try members.seal(value, before: before, path: field.name)
      if before == sealed { return nil }
      return sealed
    }
  }

  /// Opens a stored value that may be sealed, however often.
  func open(_ stored: JSON, resource: Identifier, field: String) throws -> Opened {
    var value = stored
    while Vault.isSealed(value) {
      switch try vault.open(value, resourceID: resource, field: field) {
      case .value(let inner): value = inner
      case .erased: return .erased
      case .locked: return .locked
      }
    }
    return .value(value)
  }

  /// A text sealed for each of some persons in turn, one inside the other: whoever of them is erased takes it along. Sealed with the
  /// place's own key where there is nobody.
  func sealed(_ value: JSON, for subjects: [Identifier], field: String, place: Place) throws -> JSON {
    let owners: [KeyOwner] = subjects.isEmpty ? [place.fallback] : subjects.map { .subject($0) }
    return try owners.reduce(value) { inner, owner in
      try vault.seal(inner, for: owner, context: place.context(field))
    }
  }
}

/// Seals the members of a JSON value that have a secret's name, each at its place, at any depth.
struct SecretMembers {
  let sealer: Sealer
  let names: Set<String>
  let place: Sealer.Place

  /// The value with its secret members sealed: a mask keeps what was there, an unchanged secret its token.
  /// - Throws: ``DaybookError`` `invalid_params` for a mask where there was no secret.
  mutating func seal(_ value: JSON, before: JSON?, path: String) throws -> JSON {
    switch value {
    case .object(let object):
      var sealed = JSONObject(minimumCapacity: object.count)
      for (key, member) in object {
        let memberPath = "\(path)/\(JSONPointer.escape(key))"
        let memberBefore = before?[key]
        let isSecret = SecretMembers.isSecret(key, names) && !member.isNull
        sealed.append(
          key: key,
          value: isSecret
            ? try sealMember(member, before: memberBefore, path: memberPath)
            : try seal(member, before: memberBefore, path: memberPath))
      }
      return .object(sealed)
    case .array(let elements):
      let elementsBefore = before?.arrayValue ?? []
      return .array(
        try elements.enumerated().map { index, element in
          try seal(
            element, before: index < elementsBefore.count ? elementsBefore[index] : nil, path: "\(path)/\(index)")
        })
    default: return value
    }
  }

  private func sealMember(_ value: JSON, before: JSON?, path: String) throws -> JSON {
    if SecretMembers.isMask(value) {
      guard let before, Vault.isSealed(before) else {
        throw DaybookError.invalidParam("/\(path)", SecretMembers.maskProblem)
      }
      return before
    }
    if let before, Vault.isSealed(before),
      try sealer.open(before, resource: place.resource, field: path) == .value(value)
    {
      return before
    }
    return try sealer.vault.seal(value, for: place.fallback, context: place.context(path))
  }

  private static let maskProblem = "is the mask that stands for a hidden secret; send the secret itself"

  static func isSecret(_ key: String, _ names: Set<String>) -> Bool {
    names.contains(key) || names.contains(key.lowercased())
  }

  static func isMask(_ value: JSON) -> Bool { value.stringValue == Sealer.mask }

  /// Refuses masks where there can be nothing yet that they stand for.
  static func refuseMasks(in value: JSON, names: Set<String>, path: String, problems: inout [ValueProblem]) {
    switch value {
    case .object(let object):
      for (key, member) in object {
        let memberPath = "\(path)/\(JSONPointer.escape(key))"
        if isSecret(key, names), isMask(member) {
          problems.append(ValueProblem(path: memberPath, problem: maskProblem))
        } else {
          refuseMasks(in: member, names: names, path: memberPath, problems: &problems)
        }
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        refuseMasks(in: element, names: names, path: "\(path)/\(index)", problems: &problems)
      }
    default: break
    }
  }
}

extension JSON {
  /// The value, or nothing for `null`. (In `isNull ? nil : value` the compiler takes `nil` for the literal `null`.)
  var unlessNull: JSON? {
    if isNull { return nil }
    return self
  }
}
