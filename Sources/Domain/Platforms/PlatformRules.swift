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
    /// Whether the field has a default, and the document none: then a new row's value must be given.
    let isAsked: Bool
    /// What a new row gets where nothing is given.
    let fill: JSON?
    let maximumLength: Int?
    let minimum: Double?
    let maximum: Double?
    /// The stored words that the document has a word for; nil where it has no list.
    let words: Set<String>?
    /// The document's words, for the refusal.
    let documented: [String]
  }

  /// What a document demands of the facts that a command tells, by the names of their columns.
  struct Told: Sendable {
    /// What is never NULL and has no default, and the table of each.
    fileprivate(set) var asked: [String: String] = [:]
    /// What is an integer of 32 bits, and the table of each.
    fileprivate(set) var integers: [String: String] = [:]
  }

  private let tables: [String: [Table]]
  private let told: [String: Told]
  /// The platforms where a step that was run can't be taken away.
  let keepsSteps: Set<String>
  /// The platforms where a run may be of neither a pipeline nor code: its pipeline may be NULL, and there is no code.
  let runsOfNothing: Set<String>

  init(catalog: Catalog) {
    var tables: [String: [Table]] = [:]
    var told: [String: Told] = [:]
    var keepsSteps: Set<String> = []
    var runsOfNothing: Set<String> = []
    for platform in catalog.platforms {
      for table in platform.tables {
        for column in table.columns {
          guard case .computed(_, let method?) = column.source else { continue }
          let key = PlatformRules.key(platform.name, method)
          guard PlatformRules.isTold(column.name, by: method, catalog) else { continue }
          if column.isAsked { told[key, default: Told()].asked[column.name] = table.name }
          if column.type == "integer" { told[key, default: Told()].integers[column.name] = table.name }
        }
        if table.resource == "task_run",
          table.columns.contains(where: { $0.source == .field("step_id") && $0.onDelete == .restrict })
        {
          keepsSteps.insert(platform.name)
        }
        if table.resource == "run", table.column("code") == nil,
          table.columns.contains(where: { $0.source == .field("pipeline_id") && !$0.isNotNull })
        {
          runsOfNothing.insert(platform.name)
        }
        guard let type = table.resource.flatMap({ catalog.type($0) }) else { continue }
        let columns = table.columns.compactMap { PlatformRules.column($0, of: type) }
        guard !columns.isEmpty else { continue }
        tables[PlatformRules.key(platform.name, type.name), default: []].append(
          Table(platform: platform.name, name: table.name, conditions: table.when, columns: columns))
      }
    }
    self.tables = tables
    self.told = told
    self.keepsSteps = keepsSteps
    self.runsOfNothing = runsOfNothing
  }

  /// What a platform's document demands of what a command tells.
  func told(_ platform: String, _ method: String) -> Told? { told[PlatformRules.key(platform, method)] }

  /// The tables of a platform that hold resources of a type.
  func tables(_ platform: String, _ type: String) -> [Table] { tables[PlatformRules.key(platform, type)] ?? [] }

  /// Whether a command has a parameter of that name, or a list whose objects have such a member.
  private static func isTold(_ name: String, by method: String, _ catalog: Catalog) -> Bool {
    guard let (type, command) = catalog.command(method) else { return false }
    let fields = command.parameters + (command.effect == .create ? type.fields : [])
    return fields.contains { $0.name == name || $0.items.contains { $0.name == name } }
  }

  private static func key(_ platform: String, _ type: String) -> String { "\(platform).\(type)" }

  /// A column's demands, nil where the field's own rules say as much already.
  private static func column(_ column: PlatformColumn, of type: ResourceType) -> Column? {
    guard column.isEnforced, case .field(let name) = column.source, let field = type.field(name) else { return nil }
    var words: Set<String>?
    if !column.values.isEmpty, field.type == .enum {
      let allowed = field.values.filter { column.values.contains(column.words[$0] ?? $0) }
      if allowed.count < field.values.count || field.otherWords != nil { words = Set(allowed) }
    } else if !column.values.isEmpty {
      words = Set(column.values)
    }
    var maximumLength = column.maximumLength
    if field.type == .enum || field.type == .reference || field.type == .boolean { maximumLength = nil }
    if let limit = maximumLength, let own = field.maximumLength, own <= limit { maximumLength = nil }
    // What an own default or a lifecycle fills is never missing.
    let isRequired = column.isNotNull && !field.isRequired && type.lifecycle?.field != name
    let isAsked = column.isAsked && field.defaultValue != nil && field.isAssignable
    guard
      isRequired || isAsked || words != nil || maximumLength != nil || column.minimum != nil || column.maximum != nil
        || column.fill != nil
    else { return nil }
    return Column(
      name: column.name, field: name, isRequired: isRequired, isAsked: isAsked, fill: column.fill,
      maximumLength: maximumLength, minimum: column.minimum,
      maximum: column.maximum, words: words, documented: column.values)
  }
}
