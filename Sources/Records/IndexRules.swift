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
    /// The unique keys it holds: hashes under the vault's look-up key, and where it may be found in another form than
    /// its own, the hash of that with the resource's id behind it.
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
      guard let keys = try keys(constraint, of: state, type) else { continue }
      entries.unique += keys.all(for: state.id).map { (constraint.name, $0) }
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
    for target in [
      LegalHolds.target(of: state), RetentionPolicies.target(of: state), Subjects.target(of: state),
      Redactions.target(of: state),
    ] {
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

  /// The keys by which a state holds a constraint; nil where a null (or an erased value) exempts it.
  package func keys(
    _ constraint: UniqueConstraint, of state: ResourceState, _ type: ResourceModel
  ) throws -> UniqueKeys? {
    try values(of: constraint, in: state, type).map { keys(constraint, $0) }
  }

  /// The values of a constraint in the clear; nil where a null (or an erased value) exempts the state.
  package func values(
    of constraint: UniqueConstraint, in state: ResourceState, _ type: ResourceModel
  ) throws -> [JSON]? {
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
    return values
  }

  /// The key of a constraint's values: what the resource belongs to (zeros where that isn't the first of them), and a
  /// hash of all of them.
  package func key(
    _ constraint: String, _ values: [JSON], ignoringCase: Bool, under parent: Identifier? = nil
  ) -> [UInt8] {
    hash(constraint, ignoringCase ? IndexRules.texts(values) { $0.lowercased() } : values, parent)
  }

  /// The keys of a constraint's values.
  package func keys(_ constraint: UniqueConstraint, _ values: [JSON]) -> UniqueKeys {
    let parent = constraint.isUnderParent ? values.first?.stringValue.flatMap { Identifier($0) } : nil
    let exact = key(constraint.name, values, ignoringCase: constraint.ignoresCase, under: parent)
    guard constraint.ignoresForm, values.contains(where: { $0.stringValue?.utf8.contains { $0 >= 0x80 } ?? false })
    else { return UniqueKeys(exact: exact, form: nil) }
    let comparison = constraint.ignoresCase ? Field.Comparison.folded : .composed
    let form = hash(constraint.name, IndexRules.texts(values) { comparison.form(of: $0) }, parent)
    return UniqueKeys(exact: exact, form: form == exact ? nil : form)
  }

  /// Whose values of a constraint are these, in whatever form: first who holds them as they are written.
  package func holders<Source: StateSource & ~Copyable>(
    of keys: UniqueKeys, _ constraint: UniqueConstraint, in source: borrowing Source
  ) throws -> [Identifier] {
    guard constraint.ignoresForm else {
      return try source.holder(constraint: constraint.name, key: keys.exact).map { [$0] } ?? []
    }
    // The key of a form begins with the form's hash, which is the key of who holds it as it is written.
    let found = try source.holders(constraint: constraint.name, beginningWith: keys.form ?? keys.exact)
    guard keys.form != nil, let holder = try source.holder(constraint: constraint.name, key: keys.exact) else {
      return found
    }
    return [holder] + found.filter { $0 != holder }
  }

  /// Who holds a natural key (`slug`, `email`), for `get`: as it is written, else in another form; nil where nobody
  /// does, or the type has no constraint of just that field.
  package func holder<Source: StateSource & ~Copyable>(
    type: String, field: String, value: String, in source: borrowing Source
  ) throws -> Identifier? {
    guard let constraint = model.types[type]?.unique.first(where: { $0.fields == [field] }) else { return nil }
    return try holders(of: keys(constraint, [.string(value)]), constraint, in: source).first
  }

  private static func texts(_ values: [JSON], by change: (String) -> String) -> [JSON] {
    values.map { value in value.stringValue.map { JSON.string(change($0)) } ?? value }
  }

  private func hash(_ constraint: String, _ values: [JSON], _ parent: Identifier?) -> [UInt8] {
    (parent?.bytes ?? IndexRules.noParent) + sealer.vault.lookupHash(constraint, JSON.array(values).canonicalBytes)
  }

  private static let noParent = [UInt8](repeating: 0, count: 16)

  /// Whether a constraint binds the rows of an organization, by its platform.
  package func binds(
    _ constraint: UniqueConstraint, _ organization: Identifier?, _ platform: (Identifier) throws -> String?
  ) throws -> Bool {
    if constraint.platforms.isEmpty { return true }
    guard let organization, let name = try platform(organization) else { return false }
    return constraint.platforms.contains(name)
  }
}
