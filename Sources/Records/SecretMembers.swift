import BasicTypes
import CanonicalJSON
import Catalog
import Refusals
import Vault

/// The secrets inside of a field's JSON value: sealed each at its place, shown as the mask, and found again where the
/// mask is sent back.
package struct SecretMembers {
  private let sealer: Sealer
  private let field: String
  private let scope: SecretScope
  private let resource: Identifier

  /// The secrets of a resource's field.
  package init(sealer: Sealer, field: String, scope: SecretScope, resource: Identifier) {
    self.sealer = sealer
    self.field = field
    self.scope = scope
    self.resource = resource
  }

  // MARK: - Sealing

  /// The value with its secrets sealed: one that is unchanged at its place keeps its token.
  ///
  /// A value that stands where a secret stood, and is the same, stays one by whatever name.
  /// - Parameter value: In the clear. What couldn't be opened is its token.
  /// - Throws: ``Refusal`` `conflict` where a token would have to be opened that can't be.
  package func seal(_ value: JSON, before: JSON?, place: Sealer.Place) throws -> JSON {
    let before = try before.map { try sealed($0, place: place) }.flatMap { SecretMembers.holdsSealed($0) ? $0 : nil }
    var walk = SecretWalk(field: field, scope: scope) { found in
      if Vault.isSealed(found.value) {
        guard found.value == found.before, found.path == found.formerPath else {
          throw SecretMembers.unreadable(found.path)
        }
        return nil
      }
      if let token = found.before, Vault.isSealed(token),
        try sealer.open(token, resource: resource, field: found.formerPath) == .value(found.value)
      {
        if found.path == found.formerPath { return token }
      } else if !found.isSecret {
        return nil
      }
      return try sealer.vault.seal(found.value, for: place.fallback, context: place.context(found.path))
    }
    return try walk.rewrite(value, before: before) ?? value
  }

  /// A value from before with what stands in the clear in it sealed too: a log may be older than the rule.
  private func sealed(_ before: JSON, place: Sealer.Place) throws -> JSON {
    var walk = SecretWalk(field: field, scope: scope) { found in
      if Vault.isSealed(found.value) { return nil }
      return try sealer.vault.seal(found.value, for: place.fallback, context: place.context(found.path))
    }
    return try walk.rewrite(before) ?? before
  }

  private static func unreadable(_ path: String) -> Refusal {
    .conflict(
      reason: "state",
      "The secret at /\(path) can't be read: its key was destroyed or is missing. Send a secret in its place.",
      ["allowed": []])
  }

  // MARK: - Opening

  /// The value in the clear. What can't be opened is its token.
  package func open(_ value: JSON) throws -> JSON {
    try SecretMembers.opened(value, field) { try sealer.open($0, resource: resource, field: $1) } ?? value
  }

  private static func opened(
    _ value: JSON, _ path: String, _ open: (_ token: JSON, _ path: String) throws -> Opened
  ) throws -> JSON? {
    switch value {
    case .object(let object):
      if Vault.isSealed(value) {
        if case .value(let opened) = try open(value, path) { return opened }
        return nil
      }
      var copy: JSONObject?
      for (key, member) in object where holdsSealed(member) {
        guard let opened = try opened(member, "\(path)/\(JSONPointer.escape(key))", open) else { continue }
        if copy == nil { copy = object }
        copy?[key] = opened
      }
      return copy.map(JSON.object)
    case .array(let elements):
      var copy: [JSON]?
      for (index, element) in elements.enumerated() where holdsSealed(element) {
        guard let opened = try opened(element, "\(path)/\(index)", open) else { continue }
        if copy == nil { copy = elements }
        copy?[index] = opened
      }
      return copy.map(JSON.array)
    default: return nil
    }
  }

  /// The tokens in a value, and where each stands, by JSON Pointer.
  package static func tokens(in value: JSON, path: String = "") -> [(token: JSON, pointer: String)] {
    switch value {
    case .object(let object):
      if Vault.isSealed(value) { return [(value, path)] }
      return object.flatMap { tokens(in: $0.value, path: "\(path)/\(JSONPointer.escape($0.key))") }
    case .array(let elements):
      return elements.enumerated().flatMap { tokens(in: $0.element, path: "\(path)/\($0.offset)") }
    default: return []
    }
  }

  /// A value with a mark in place of each token.
  package static func withoutSealed(_ value: JSON) -> JSON {
    switch value {
    case .object(let object): Vault.isSealed(value) ? Unreadable.erased : .object(object.mapValues(withoutSealed))
    case .array(let elements): .array(elements.map(withoutSealed))
    default: value
    }
  }

  // MARK: - Showing

  /// The value with the mask in place of each secret, sealed or not.
  package static func masked(_ value: JSON, field: String, scope: SecretScope) -> JSON {
    replaced(value, field, scope, by: .string(Sealer.mask))
  }

  /// The value that says of its secrets only that they are there.
  package static func withheld(_ value: JSON, field: String, scope: SecretScope) -> JSON {
    replaced(value, field, scope, by: ["withheld": true])
  }

  private static func replaced(_ value: JSON, _ field: String, _ scope: SecretScope, by mark: JSON) -> JSON {
    var walk = SecretWalk(field: field, scope: scope) { _ in mark }
    do {
      return try walk.rewrite(value) ?? value
    } catch {
      // Nothing in it throws; if something ever does, nothing of the value is shown.
      return mark
    }
  }

  // MARK: - Masks

  /// The value with what each mask stands for, in the clear; what can't be opened is its token.
  ///
  /// A mask stands for the secret that stood under its name: in an element of an array for that of the element with
  /// the same `id`, and where elements have none of their own, for that of an element that is otherwise as it was, at
  /// the same index, and that nothing could be taken for.
  /// - Parameter before: as it is stored.
  /// - Throws: ``Refusal`` `invalid_params` for a mask where there was no secret, or where it is not certain which one
  ///   it stands for.
  package func unmasked(_ value: JSON, before: JSON?) throws -> JSON {
    guard SecretMembers.holdsMask(value) else { return value }
    let sides = Sides(
      value: value, shown: SecretMembers.masked(value, field: field, scope: scope), before: before,
      shownBefore: before.map { SecretMembers.masked($0, field: field, scope: scope) })
    return try unmasked(sides, path: field, formerPath: field, isSettled: false)
  }

  /// A value and what stood in its place, each as it is and as it is shown.
  private struct Sides {
    let value: JSON
    let shown: JSON
    let before: JSON?
    let shownBefore: JSON?
  }

  private func unmasked(_ sides: Sides, path: String, formerPath: String, isSettled: Bool) throws -> JSON {
    switch sides.value {
    case .object(let object):
      var open = JSONObject(minimumCapacity: object.count)
      for (key, member) in object {
        let step = "/\(JSONPointer.escape(key))"
        let member = Sides(
          value: member, shown: sides.shown[key] ?? member, before: sides.before?[key],
          shownBefore: sides.shownBefore?[key])
        open.append(
          key: key,
          value: try unmasked(member, path: path + step, formerPath: formerPath + step, isSettled: isSettled))
      }
      return .object(open)
    case .array(let elements):
      let shown = sides.shown.arrayValue ?? elements
      let before = sides.before?.arrayValue ?? []
      let shownBefore = sides.shownBefore?.arrayValue ?? []
      let pairs = ElementPairs(elements, before)
      if pairs == nil, !isSettled { try settle(elements, shown, shownBefore, path: path) }
      return .array(
        try elements.enumerated().map { index, element in
          let former = pairs?[index] ?? index
          let isThere = former >= 0 && former < before.count && former < shownBefore.count
          let element = Sides(
            value: element, shown: index < shown.count ? shown[index] : element,
            before: isThere ? before[former] : nil, shownBefore: isThere ? shownBefore[former] : nil)
          return try unmasked(
            element, path: "\(path)/\(index)", formerPath: "\(formerPath)/\(former)", isSettled: pairs == nil)
        })
    case .string:
      guard SecretMembers.isMask(sides.value) else { return sides.value }
      guard let before = sides.before, let shown = sides.shownBefore, SecretMembers.isMask(shown) else {
        throw Refusal.invalidParam("/\(path)", SecretMembers.maskProblem)
      }
      guard Vault.isSealed(before) else { return before }
      if case .value(let value) = try sealer.open(before, resource: resource, field: formerPath) { return value }
      return before
    default: return sides.value
    }
  }

  /// Refuses masks in elements that may not be the ones that stood at their index.
  private func settle(_ elements: [JSON], _ shown: [JSON], _ shownBefore: [JSON], path: String) throws {
    let masks = elements.map { SecretMembers.isMask($0) ? "" : SecretMembers.mask(in: $0) }
    guard masks.contains(where: { $0 != nil }) else { return }
    let forms = shown.map(\.canonicalBytes)
    let formsBefore = shownBefore.map(\.canonicalBytes)
    if forms == formsBefore { return }
    var counts: [[UInt8]: Int] = [:]
    for form in formsBefore { counts[form, default: 0] += 1 }
    for (index, mask) in masks.enumerated() {
      guard let mask else { continue }
      guard index < formsBefore.count, forms[index] == formsBefore[index], counts[forms[index]] == 1 else {
        throw Refusal.invalidParam("/\(path)/\(index)\(mask)", SecretMembers.movedProblem)
      }
    }
  }

  /// Where the first mask in a value stands; nil where there is none.
  private static func mask(in value: JSON) -> String? {
    switch value {
    case .object(let object):
      for (key, member) in object {
        let place = "/\(JSONPointer.escape(key))"
        if isMask(member) { return place }
        if let inner = mask(in: member) { return place + inner }
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        if isMask(element) { return "/\(index)" }
        if let inner = mask(in: element) { return "/\(index)\(inner)" }
      }
    default: break
    }
    return nil
  }

  /// Where the masks in a value stand, by JSON Pointer.
  package static func maskPlaces(in value: JSON, path: String = "") -> [String] {
    switch value {
    case .string: isMask(value) ? [path] : []
    case .object(let object):
      object.flatMap { maskPlaces(in: $0.value, path: "\(path)/\(JSONPointer.escape($0.key))") }
    case .array(let elements):
      elements.enumerated().flatMap { maskPlaces(in: $0.element, path: "\(path)/\($0.offset)") }
    default: []
    }
  }

  /// Whether a value is the mask of a secret.
  package static func isMask(_ value: JSON) -> Bool {
    guard case .string(let text) = value, text.utf8.count == Sealer.mask.utf8.count else { return false }
    return text == Sealer.mask
  }

  private static func holdsMask(_ value: JSON) -> Bool {
    switch value {
    case .string: isMask(value)
    case .array(let elements): elements.contains(where: holdsMask)
    case .object(let object): object.contains { holdsMask($0.value) }
    default: false
    }
  }

  /// Whether there is a sealed value anywhere in one.
  package static func holdsSealed(_ value: JSON) -> Bool {
    switch value {
    case .array(let elements): elements.contains(where: holdsSealed)
    case .object(let object): Vault.isSealed(value) || object.contains { holdsSealed($0.value) }
    default: false
    }
  }

  private static let movedProblem = """
    is the mask of a hidden secret, in a list whose elements are not what they were; send the secret itself with each \
    element that has changed or moved, or give each element an id
    """
  private static let maskProblem = "is the mask that stands for a hidden secret; send the secret itself"

  /// Refuses masks where there can be nothing yet that they stand for.
  package static func refuseMasks(in value: JSON, path: String, problems: inout [ValueProblem]) {
    switch value {
    case .string: if isMask(value) { problems.append(ValueProblem(path: path, problem: maskProblem)) }
    case .object(let object):
      for (key, member) in object {
        refuseMasks(in: member, path: "\(path)/\(JSONPointer.escape(key))", problems: &problems)
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        refuseMasks(in: element, path: "\(path)/\(index)", problems: &problems)
      }
    default: break
    }
  }
}
