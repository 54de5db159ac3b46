import CanonicalJSON
import Catalog
import Refusals
import Vault

/// Seals the members of a JSON value that are secret by their name or by what they carry (``SecretPattern``), each at
/// its place, at any depth.
package struct SecretMembers {
  private let sealer: Sealer
  private let names: Set<String>
  private let place: Sealer.Place
  /// Whether each element of an array is known to be the one that stood at its index before, or to hold no mask.
  private var areElementsSettled = false

  /// What seals the members of these names at a place.
  package init(sealer: Sealer, names: Set<String>, place: Sealer.Place) {
    self.sealer = sealer
    self.names = names
    self.place = place
  }

  /// The value with its secret members sealed: a mask keeps what was there, an unchanged secret its token.
  ///
  /// Elements of an array have no name but their index, so there a mask stands for the secret of an element that is
  /// otherwise as it was, at the same index, and that nothing could be taken for.
  /// - Throws: ``Refusal`` `invalid_params` for a mask where there was no secret, or where it is not certain which one
  ///   it stands for.
  package mutating func seal(_ value: JSON, before: JSON?, path: String) throws -> JSON {
    switch value {
    case .object(let object):
      var sealed = JSONObject(minimumCapacity: object.count)
      for (key, member) in object {
        let memberPath = "\(path)/\(JSONPointer.escape(key))"
        let memberBefore = before?[key]
        let isSecret =
          SecretMembers.isSecret(key, member, names)
          // What was sealed for its form comes back as a mask under any name.
          || SecretMembers.isMask(member) && memberBefore.map { Vault.isSealed($0) } == true
        sealed.append(
          key: key,
          value: isSecret
            ? try sealMember(member, before: memberBefore, path: memberPath)
            : try seal(member, before: memberBefore, path: memberPath))
      }
      return .object(sealed)
    case .array(let elements):
      let elementsBefore = before?.arrayValue ?? []
      let wasSettled = areElementsSettled
      defer { areElementsSettled = wasSettled }
      try settle(elements, elementsBefore, path: path)
      return .array(
        try elements.enumerated().map { index, element in
          let elementPath = "\(path)/\(index)"
          let elementBefore: JSON? = index < elementsBefore.count ? elementsBefore[index] : nil
          let isSecret =
            SecretPattern.matches(value: element)
            || SecretMembers.isMask(element) && elementBefore.map { Vault.isSealed($0) } == true
          return isSecret
            ? try sealMember(element, before: elementBefore, path: elementPath)
            : try seal(element, before: elementBefore, path: elementPath)
        })
    default: return value
    }
  }

  /// Refuses masks in elements that may not be the ones that stood at their index.
  private mutating func settle(_ elements: [JSON], _ before: [JSON], path: String) throws {
    if areElementsSettled { return }
    areElementsSettled = true
    let masks = elements.map { SecretMembers.isMask($0) ? "" : mask(in: $0) }
    guard masks.contains(where: { $0 != nil }) else { return }
    let forms = elements.map { shown(element: $0).canonicalBytes }
    let formsBefore = before.map { shown(element: $0).canonicalBytes }
    if forms == formsBefore { return }
    var counts: [[UInt8]: Int] = [:]
    for form in formsBefore { counts[form, default: 0] += 1 }
    for (index, mask) in masks.enumerated() {
      guard let mask else { continue }
      guard index < before.count, forms[index] == formsBefore[index], counts[forms[index]] == 1 else {
        throw Refusal.invalidParam("/\(path)/\(index)\(mask)", SecretMembers.movedProblem)
      }
    }
  }

  /// Where the first mask in a value stands; nil where there is none.
  private func mask(in value: JSON) -> String? {
    switch value {
    case .object(let object):
      for (key, member) in object {
        let place = "/\(JSONPointer.escape(key))"
        if SecretMembers.isMask(member) { return place }
        if let inner = mask(in: member) { return place + inner }
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        if SecretMembers.isMask(element) { return "/\(index)" }
        if let inner = mask(in: element) { return "/\(index)\(inner)" }
      }
    default: break
    }
    return nil
  }

  /// A value as it is shown: each secret member is the mask.
  private func shown(_ value: JSON) -> JSON {
    switch value {
    case .object(let object):
      var masked = JSONObject(minimumCapacity: object.count)
      for (key, member) in object {
        let isSecret = SecretMembers.isSecret(key, member, names) || Vault.isSealed(member)
        masked.append(key: key, value: isSecret ? .string(Sealer.mask) : shown(member))
      }
      return .object(masked)
    case .array(let elements):
      return .array(elements.map { shown(element: $0) })
    default: return value
    }
  }

  private func shown(element: JSON) -> JSON {
    Vault.isSealed(element) || SecretPattern.matches(value: element) ? .string(Sealer.mask) : shown(element)
  }

  private func sealMember(_ value: JSON, before: JSON?, path: String) throws -> JSON {
    if SecretMembers.isMask(value) {
      guard let before, Vault.isSealed(before) else {
        throw Refusal.invalidParam("/\(path)", SecretMembers.maskProblem)
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

  private static let movedProblem = """
    is the mask of a hidden secret, in a list whose elements are not what they were; send the secret itself with each \
    element that has changed or moved
    """
  private static let maskProblem = "is the mask that stands for a hidden secret; send the secret itself"

  /// A value that says of its secret members only that they are there.
  package static func withheld(_ value: JSON, names: Set<String>) -> JSON {
    switch value {
    case .object(let object):
      var open = JSONObject(minimumCapacity: object.count)
      for (key, member) in object {
        open.append(
          key: key,
          value: isSecret(key, member, names) ? ["withheld": true] : withheld(member, names: names))
      }
      return .object(open)
    case .array(let elements):
      return .array(
        elements.map { SecretPattern.matches(value: $0) ? ["withheld": true] : withheld($0, names: names) })
    default: return value
    }
  }

  /// Whether a member is a secret: by its name, which is one of those in any case or like a secret's, or by its value,
  /// which carries one.
  package static func isSecret(_ key: String, _ value: JSON, _ names: Set<String>) -> Bool {
    if value.isNull { return false }
    if names.contains(key) || names.contains(key.lowercased()) { return true }
    return value.boolValue == nil && SecretPattern.matches(name: key) || SecretPattern.matches(value: value)
  }

  /// Whether a value is the mask of a secret.
  package static func isMask(_ value: JSON) -> Bool { value.stringValue == Sealer.mask }

  /// Refuses masks where there can be nothing yet that they stand for.
  package static func refuseMasks(in value: JSON, names: Set<String>, path: String, problems: inout [ValueProblem]) {
    switch value {
    case .object(let object):
      for (key, member) in object {
        let memberPath = "\(path)/\(JSONPointer.escape(key))"
        if isMask(member) {
          problems.append(ValueProblem(path: memberPath, problem: maskProblem))
        } else {
          refuseMasks(in: member, names: names, path: memberPath, problems: &problems)
        }
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        if isMask(element) { problems.append(ValueProblem(path: "\(path)/\(index)", problem: maskProblem)) }
        refuseMasks(in: element, names: names, path: "\(path)/\(index)", problems: &problems)
      }
    default: break
    }
  }
}
