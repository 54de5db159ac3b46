import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Testing

/// Platforms with integer keys show a resource's number, and the number of what a reference leads to.
extension PlatformChecks {
  /// For every column that shows a reference as a number: how the log's reference becomes it.
  /// - Parameter fallsBack: `table.column` of those that show who made the resource where the reference is absent.
  func shownNumbers(fallsBack: Set<String>) throws -> [String: Shown] {
    var numbers: [String: JSON] = [:]
    for state in try states() { numbers[state.id.text] = state.fields["number"] }
    let known = numbers
    var result: [String: Shown] = [:]
    for table in platform.tables {
      guard let type = table.resource.flatMap({ harness.catalog.type($0) }) else { continue }
      for column in table.columns where column.type == "integer" {
        guard case .field(let field) = column.source, type.field(field)?.reference != nil else { continue }
        let place = "\(table.name).\(column.name)"
        let isMakers = fallsBack.contains(place)
        result[place] = { value, state in
          let named = value ?? (isMakers ? state.fields["created_by"] : nil)
          return named?.stringValue.flatMap { known[$0] }
        }
      }
    }
    return result
  }

  /// The one row of a table whose integer key is a resource's number.
  func row(_ table: String, of id: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> JSON {
    try await harness.row("\(platform.name).\(table)", number(of: id).canonicalString, sourceLocation: sourceLocation)
  }

  /// A resource's number.
  func number(of id: String) throws -> JSON { try #require(try harness.state(id).fields["number"]) }
}
