import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Refusals
import Vault

/// What the log's unique and link indexes must hold for a resource: a pure
/// function of its state, the catalog and the vault's look-up key.
///
/// Commands keep the indexes by it; `verify` and a rebuild of the indexes compare with it.
public struct IndexRules: Sendable {
  /// The index entries of one resource.
  public struct Entries: Sendable {
    /// The unique keys it holds: hashes under the vault's look-up key.
    public var unique: [(constraint: String, key: [UInt8])] = []
    /// What it refers to, its organization included, and what stands for a file's content; each target once.
    public var links: [Identifier] = []
  }

  /// The catalog's types.
  package let model: CatalogModel
  /// What opens sealed values for the hashes.
  package let sealer: Sealer

  /// Rules over a model that is there already.
  package init(model: CatalogModel, sealer: Sealer) {
    self.model = model
    self.sealer = sealer
  }

  /// The rules of a catalog, with the vault whose keys made the hashes.
  public init(catalog: Catalog, vault: Vault) {
    self.init(model: CatalogModel(catalog: catalog), sealer: Sealer(vault: vault))
  }

  /// What the indexes must hold for a state; nothing for a deleted one, or one of a type that the catalog doesn't know.
  /// - Parameter platform: the `platform` of an organization, for constraints that bind only some platforms' rows.
  public func entries(
    for state: ResourceState, platform: (Identifier) throws -> String?
  ) throws -> Entries {
    guard !state.isDeleted, let type = model.types[state.type] else { return Entries() }
    var entries = Entries(links: links(of: state, type))
    for constraint in type.unique where try binds(constraint, state.organization, platform) {
      if let key = try key(constraint, of: state, type) { entries.unique.append((constraint.name, key)) }
    }
    return entries
  }

  /// What a state refers to.
  package func links(of state: ResourceState, _ type: ResourceModel) -> [Identifier] {
    var targets: [Identifier] = []
    if let organization = state.organization, organization != state.id { targets.append(organization) }
    for field in type.references {
      if let target = state.reference(field.name), !targets.contains(target) { targets.append(target) }
    }
    if let content = FileContent.identifier(of: state) { targets.append(content) }
    if let maker = protectedMaker(of: state, type), !targets.contains(maker) { targets.append(maker) }
    for target in [LegalHolds.target(of: state), RetentionPolicies.target(of: state)] {
      if let target, !targets.contains(target) { targets.append(target) }
    }
    return targets
  }

  /// The person who made a resource of a type whose makers some platform protects; nil for what no person made.
  package func protectedMaker(of state: ResourceState, _ type: ResourceModel) -> Identifier? {
    guard model.makerProtection[type.name] != nil, let maker = state.creator, maker != .systemUser else {
      return nil
    }
    return maker
  }

  /// The hash by which a state holds a constraint; nil where a null (or an erased value) exempts it.
  package func key(_ constraint: UniqueConstraint, of state: ResourceState, _ type: ResourceModel) throws -> [UInt8]? {
    var values: [JSON] = []
    values.reserveCapacity(constraint.fields.count)
    for name in constraint.fields {
      if name == "organization_id" {
        guard let organization = state.organization else { return nil }
        values.append(.string(organization.text))
        continue
      }
      guard let stored = state.fields[name], !stored.isNull else { return nil }
      switch type.field(name)?.keeping {
      case .personal, .secret:
        switch try sealer.open(stored, resource: state.id, field: name) {
        case .value(let value): values.append(value)
        case .erased: return nil
        case .locked:
          throw Refusal.unavailable(
            component: "vault", "A key that the log's index needs is missing from the vault.")
        }
      default: values.append(stored)
      }
    }
    return key(constraint.name, values, ignoringCase: constraint.ignoresCase)
  }

  /// The hash of a constraint's values.
  package func key(_ constraint: String, _ values: [JSON], ignoringCase: Bool) -> [UInt8] {
    let folded = ignoringCase ? values.map { $0.stringValue.map { .string($0.lowercased()) } ?? $0 } : values
    return sealer.vault.lookupHash(constraint, JSON.array(folded).canonicalBytes)
  }

  /// The id under which a natural key (`slug`, `email`) is held, for `get`; nil
  /// where the type has no constraint of just that field.
  public func naturalKey(type: String, field: String, value: String) -> (constraint: String, key: [UInt8])? {
    guard let model = model.types[type],
      let constraint = model.unique.first(where: { $0.fields == [field] })
    else { return nil }
    return (constraint.name, key(constraint.name, [.string(value)], ignoringCase: constraint.ignoresCase))
  }

  /// Whether a constraint binds the rows of an organization, by its platform.
  package func binds(
    _ constraint: UniqueConstraint, _ organization: Identifier?, _ platform: (Identifier) throws -> String?
  ) throws -> Bool {
    if constraint.platforms.isEmpty { return true }
    guard let organization, let name = try platform(organization) else { return false }
    return constraint.platforms.contains(name)
  }
}
