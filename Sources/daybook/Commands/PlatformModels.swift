import Catalog

/// A platform's tables and views as an object-relational mapper needs them: classes, keys, and what refers to what.
struct PlatformModels {
  /// A table or view.
  struct Model {
    let table: String
    let className: String
    let summary: String
    /// The resource type whose commands write it; nil for what no single command does.
    let resource: String?
    let isView: Bool
    var columns: [Column]
    /// The columns of its key.
    let key: [String]
    let unique: [[String]]
  }

  /// A column.
  struct Column {
    let name: String
    let type: String
    let isNullable: Bool
    let isUnique: Bool
    let values: [String]
    let summary: String
    /// The field that it shows, by its name at the commands; nil for what can't be set by name.
    let field: String?
    var reference: Reference?
  }

  /// What a column refers to.
  struct Reference {
    let table: String
    /// How the row that is referred to is named from here.
    let name: String
    /// How the rows that refer are named from there.
    var inverse: String
  }

  let platform: Platform
  let revision: String
  let models: [Model]

  init(_ platform: Platform, in catalog: Catalog) {
    self.platform = platform
    revision = catalog.revision
    var models = platform.tables.map { PlatformModels.model($0, platform, catalog) }
    models += platform.views.map { view in
      Model(
        table: view.name, className: Self.className(view.name), summary: view.summary, resource: nil, isView: true,
        columns: view.columns.map {
          Column(
            name: $0.name, type: $0.type, isNullable: true, isUnique: false, values: [], summary: "", field: nil,
            reference: nil)
        }, key: [view.columns.first?.name ?? "id"], unique: [])
    }
    PlatformModels.nameInverses(&models)
    self.models = models
  }

  /// The model of a table of that name.
  func model(_ table: String) -> Model? { models.first { $0.table == table } }

  private static func model(_ table: PlatformTable, _ platform: Platform, _ catalog: Catalog) -> Model {
    let type = table.resource.flatMap { catalog.type($0) }
    let key = table.column("id") == nil ? table.unique.first ?? [] : ["id"]
    let names = Set(table.columns.map(\.name))
    let columns = table.columns.map { column in
      var field: String?
      if case .field(let name) = column.source, type?.field(name)?.isAssignable == true || name == "organization_id" {
        field = name
      }
      var reference: Reference?
      if let target = target(of: column, table, type, platform) {
        var name = column.name.hasSuffix("_id") ? String(column.name.dropLast(3)) : column.name
        if name != column.name, names.contains(name) { name += "_row" }
        reference = Reference(table: target, name: name, inverse: table.name)
      }
      return Column(
        name: column.name, type: column.type, isNullable: !column.isNotNull && !key.contains(column.name),
        isUnique: column.isUnique, values: column.values, summary: summary(of: column, type), field: field,
        reference: reference)
    }
    return Model(
      table: table.name, className: className(table.name), summary: table.summary, resource: table.resource,
      isView: false, columns: columns, key: key, unique: table.unique)
  }

  private static func summary(of column: PlatformColumn, _ type: ResourceType?) -> String {
    let said: String
    switch column.source {
    case .field(let name): said = type?.field(name)?.summary ?? ""
    case .computed(let text, _), .absent(let text): said = text
    }
    return [said, column.why].filter { !$0.isEmpty }.joined(separator: " ")
  }

  /// The table to which a column refers: by the document's list, by the field's reference, or as every resource has it.
  private static func target(
    of column: PlatformColumn, _ table: PlatformTable, _ type: ResourceType?, _ platform: Platform
  ) -> String? {
    if let named = column.refersTo { return named }
    guard case .field(let name) = column.source, name != "id" else { return nil }
    let types =
      switch name {
      case "created_by": ["user"]
      case "organization_id": ["organization"]
      default: type?.field(name)?.reference?.types ?? []
      }
    let tables = platform.tables.filter { $0.resource.map(types.contains) ?? false }
    guard tables.count > 1 else { return tables.first?.name }
    // Several tables hold the type: the one whose rows are those that this table's rows lead to.
    let wanted = table.when.filter { $0.reference == name }
    return tables.first { candidate in
      wanted.contains { condition in
        candidate.when.contains { $0.field == condition.field && !Set($0.words).isDisjoint(with: condition.words) }
      }
    }?.name
  }

  /// Names for the rows that refer to another, each once in what is referred to.
  private static func nameInverses(_ models: inout [Model]) {
    var taken: [String: Set<String>] = [:]
    for model in models {
      taken[model.table] = Set(model.columns.flatMap { [$0.name, $0.reference?.name ?? $0.name] })
    }
    for index in models.indices {
      var counts: [String: Int] = [:]
      for column in models[index].columns { if let to = column.reference?.table { counts[to, default: 0] += 1 } }
      for place in models[index].columns.indices {
        guard let reference = models[index].columns[place].reference else { continue }
        var name = models[index].table
        if counts[reference.table] ?? 0 > 1 { name += "_by_\(reference.name)" }
        while taken[reference.table]?.insert(name).inserted == false { name += "_rows" }
        models[index].columns[place].reference?.inverse = name
      }
    }
  }

  /// `pipeline_runs` → `PipelineRun`.
  static func className(_ table: String) -> String {
    var words = table.split(separator: "_").map { String($0) }
    if let last = words.popLast() { words.append(singular(last)) }
    return words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  private static func singular(_ word: String) -> String {
    if ["statistics", "stats", "status"].contains(word) { return word }
    if word.hasSuffix("ies") { return word.dropLast(3) + "y" }
    return word.hasSuffix("s") && !word.hasSuffix("ss") ? String(word.dropLast()) : word
  }

  /// What stands at the head of each generated file.
  func head(_ option: String, comment: String) -> [String] {
    [
      "\(comment) \(platform.title): models of the schema \(platform.name).",
      "\(comment) Generated by `daybook catalog --platform \(platform.name) \(option)` from the catalog's revision",
      "\(comment) \(revision). Generate it anew where the catalog changes; don't edit it.",
    ]
  }

  /// A text of Python.
  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
