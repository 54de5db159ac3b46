import CanonicalJSON
import Catalog

/// What the platforms' documents demand of the rows that their organizations hold,
/// laid out by platform and resource type.
struct PlatformRules: Sendable {
  /// One table's demands.
  struct Table: Sendable {
    let platform: String
    let name: String
    let conditions: [PlatformCondition]
    let columns: [Column]
  }

  /// One column's demands of the field that fills it.
  struct Column: Sendable {
    let name: String
    let field: String
    let isRequired: Bool
    let maximumLength: Int?
    let minimum: Double?
    let maximum: Double?
    /// The stored words that the document has a word for; nil where it has no list.
    let words: Set<String>?
    /// The document's words, for the refusal.
    let documented: [String]
  }

  private let tables: [String: [Table]]

  init(catalog: Catalog) {
    var tables: [String: [Table]] = [:]
    for platform in catalog.platforms {
      for table in platform.tables {
        guard let type = table.resource.flatMap({ catalog.type($0) }) else { continue }
        let columns = table.columns.compactMap { PlatformRules.column($0, of: type) }
        guard !columns.isEmpty else { continue }
        tables[PlatformRules.key(platform.name, type.name), default: []].append(
          Table(platform: platform.name, name: table.name, conditions: table.when, columns: columns))
      }
    }
    self.tables = tables
  }

  /// The tables of a platform that hold resources of a type.
  func tables(_ platform: String, _ type: String) -> [Table] { tables[PlatformRules.key(platform, type)] ?? [] }

  private static func key(_ platform: String, _ type: String) -> String { "\(platform).\(type)" }

  /// A column's demands, nil where the field's own rules say as much already.
  private static func column(_ column: PlatformColumn, of type: ResourceType) -> Column? {
    guard column.isEnforced, case .field(let name) = column.source, let field = type.field(name) else { return nil }
    var words: Set<String>?
    if !column.values.isEmpty, field.type == .enum {
      let allowed = field.values.filter { column.values.contains(column.words[$0] ?? $0) }
      if allowed.count < field.values.count { words = Set(allowed) }
    } else if !column.values.isEmpty {
      words = Set(column.values)
    }
    var maximumLength = column.maximumLength
    if field.type == .enum || field.type == .reference || field.type == .boolean { maximumLength = nil }
    if let limit = maximumLength, let own = field.maximumLength, own <= limit { maximumLength = nil }
    // What an own default or a lifecycle fills is never missing.
    let isRequired = column.isNotNull && !field.isRequired && type.lifecycle?.field != name
    guard isRequired || words != nil || maximumLength != nil || column.minimum != nil || column.maximum != nil else {
      return nil
    }
    return Column(
      name: column.name, field: name, isRequired: isRequired, maximumLength: maximumLength, minimum: column.minimum,
      maximum: column.maximum, words: words, documented: column.values)
  }
}
