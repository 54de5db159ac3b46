import CanonicalJSON
import Catalog
import Refusals
import Vault

/// Seals the members of a JSON value that have a secret's name, each at its place, at any depth.
package struct SecretMembers {
  private let sealer: Sealer
  private let names: Set<String>
  private let place: Sealer.Place

  /// What seals the members of these names at a place.
  package init(sealer: Sealer, names: Set<String>, place: Sealer.Place) {
    self.sealer = sealer
    self.names = names
    self.place = place
  }

  /// The value with its secret members sealed: a mask keeps what was there, an unchanged secret its token.
  /// - Throws: ``Refusal`` `invalid_params` for a mask where there was no secret.
  package mutating func seal(_ value: JSON, before: JSON?, path: String) throws -> JSON {
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

  private static let maskProblem = "is the mask that stands for a hidden secret; send the secret itself"

  /// Whether a member's name is one of those, in any case.
  package static func isSecret(_ key: String, _ names: Set<String>) -> Bool {
    names.contains(key) || names.contains(key.lowercased())
  }

  /// Whether a value is the mask of a secret.
  package static func isMask(_ value: JSON) -> Bool { value.stringValue == Sealer.mask }

  /// Refuses masks where there can be nothing yet that they stand for.
  package static func refuseMasks(in value: JSON, names: Set<String>, path: String, problems: inout [ValueProblem]) {
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
