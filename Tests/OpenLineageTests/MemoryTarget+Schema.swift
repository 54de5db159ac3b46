import BasicTypes
import Catalog
import OpenLineageTestKit
import TestBasics
import Testing

extension MemoryTarget {
  // Nil where it doesn't load: then `init` fails every test.
  private static let realCatalog: Catalog? = try? Catalog.load(folder: Repository.schema)

  /// A target that holds to the real catalog.
  convenience init(organization: Identifier?) throws {
    self.init(catalog: try #require(Self.realCatalog), organization: organization)
  }
}
