import CanonicalJSON
import Catalog
import DaybookClient
import DaybookTestKit
import TestBasics
import Testing

/// The schemas as the five documents print them, constraints and all: the demo's rows fit in.
@Suite struct PrintedSchemaTests {
  @Test(.needsPrintedDocuments, .needsDjango, .timeLimit(.minutes(10)))
  func `the demo's rows break no constraint of the printed schemas but those that the catalog explains`() async throws {
    let catalog = try Catalog.load(folder: Repository.schema)
    func nothing(_: Endpoint) {}
    try await ToldDemo.with(["--scale", "0.05", "--days", "4"], meanwhile: nothing) { told in
      var tables = 0
      var rows: Int64 = 0
      for line in try await PrintedDocuments.told(by: "literal_schemas.py", told.url) {
        let table = try JSON.parse(line)
        tables += 1
        rows += table["loaded"]?.integerValue ?? 0
        let platform = table["platform"]?.stringValue ?? ""
        let name = table["table"]?.stringValue ?? ""
        let described = catalog.platforms.first { $0.name == platform }?.tables.first { $0.name == name }
        for (constraint, broken) in table["broken"]?.objectValue ?? [:] {
          let columns = (broken["columns"]?.arrayValue ?? []).compactMap(\.stringValue)
          let isExplained = columns.contains { column in
            described?.column(column)?.why.isEmpty == false
          }
          #expect(isExplained, "\(platform).\(name) breaks \(constraint): \(broken.canonicalString)")
        }
      }
      #expect(tables > 50 && rows > 1000, "\(tables) tables, \(rows) rows")
    }
  }
}
