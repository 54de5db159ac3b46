import BasicTypes
import MerkleTree

/// The id under which the server keeps something about itself: a function of a
/// name, so that it is found without a search.
///
/// It is of version 8 (RFC 9562 §5.8), and no client may choose an id of that version: nobody can take the place of
/// what the server keeps. Logs written before used a public version 5 id, which a client could take; such a resource
/// still counts where it is of the right type and organization.
package struct DerivedIdentifier: Sendable, Equatable {
  /// The type of what is kept there.
  package let type: String
  /// The organization it belongs to.
  package let organization: Identifier?
  /// The id of version 8.
  package let id: Identifier
  /// The id that earlier logs used.
  package let former: Identifier

  /// The id of a name.
  /// - Parameters:
  ///   - name: What it stands for, `daybook:system`; together with the organization it is unique.
  ///   - former: The id that earlier logs used for the same.
  package init(name: String, type: String, organization: Identifier?, former: Identifier) {
    self.type = type
    self.organization = organization
    self.former = former
    let seed = "\(name)\n\(organization?.text ?? "")"
    let hash = Array(seed.utf8).withUnsafeBytes { RFC6962.sha256($0) }
    id = Identifier.stamped(version: 8, hash: hash.bytes) ?? former
  }

  /// Returns what is kept there, or nil with the id to make it under.
  ///
  /// A resource of another type or organization is never returned, whoever gave it this id.
  package func resolve(
    _ state: (Identifier) throws -> ResourceState?
  ) rethrows -> (id: Identifier, state: ResourceState?) {
    for candidate in [former, id] {
      if let found = try state(candidate), found.type == type, found.organization == organization {
        return (candidate, found)
      }
    }
    return (id, nil)
  }
}
