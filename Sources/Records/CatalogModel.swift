import Access
import Catalog
import Refusals

/// The catalog, laid out so that a command, or the view of a state, finds what it needs without searching.
package final class CatalogModel: Sendable {
  /// The catalog that it is of.
  package let catalog: Catalog
  /// Types by name.
  package let types: [String: ResourceModel]
  /// Plurals, for the check of permission maps.
  package let plurals: Set<String>
  /// For each type whose makers some platforms' documents protect (`created_by … REFERENCES users`, without a clause
  /// that deletes): those platforms.
  package let makerProtection: [String: Set<String>]

  /// The model of a catalog.
  package init(catalog: Catalog) {
    self.catalog = catalog
    types = Dictionary(catalog.types.map { ($0.name, ResourceModel($0)) }, uniquingKeysWith: { first, _ in first })
    plurals = Set(catalog.types.map(\.plural))
    var protection: [String: Set<String>] = [:]
    for platform in catalog.platforms {
      for table in platform.tables {
        guard let resource = table.resource,
          table.columns.contains(where: {
            $0.source == .field("created_by") && $0.onDelete == .restrict && $0.isEnforced
          })
        else { continue }
        protection[resource, default: []].insert(platform.name)
      }
    }
    makerProtection = protection
  }

  /// The model of a type that the catalog must have for the engine's own work.
  package func type(_ name: String) throws -> ResourceModel {
    guard let type = types[name] else {
      throw Refusal.internalError("The catalog has no resource type \(name).")
    }
    return type
  }

  /// Who may see the resources of a type; of one that the catalog no longer has, who belongs to their organization.
  package func audience(of name: String) -> Audience { types[name]?.audience ?? .records(name) }
}
