import CanonicalJSON

/// Reads one file of `schema/platforms/`, and checks it against the resource types.
struct PlatformReader {
  private var reader: TypeReader
  private let types: [String: ResourceType]

  init(file: String, types: [ResourceType]) {
    reader = TypeReader(file: file)
    self.types = Dictionary(types.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What was found wrong.
  var problems: [CatalogProblem] { reader.problems }

  /// The platform that the file describes, or nil where its name is missing.
  mutating func read(_ root: SourceNode, fileName: String) -> Platform? {
    let known = ["platform", "title", "tables", "views", "queries", "retention", "notes"]
    guard let top = reader.members(root, of: "the file", known: known) else { return nil }
    for key in ["platform", "title", "tables"] where top[key] == nil { reader.report(1, "missing key '\(key)'") }
    guard let member = top["platform"], let name = reader.nameText(member.value, of: "'platform'") else { return nil }
    if fileName != "\(name).yaml" {
      reader.report(member.line, "platform '\(name)' belongs in a file named \(name).yaml")
    }
    let platforms = types["organization"]?.field("platform")?.values ?? []
    if !platforms.contains(name) {
      reader.report(
        member.line, "unknown platform '\(name)': organization.platform has \(platforms.joined(separator: ", "))")
    }
    let title = top["title"].flatMap { reader.text($0.value, of: "'title'") } ?? name
    var tables: [PlatformTable] = []
    for table in top["tables"].flatMap({ reader.mapping($0.value, of: "'tables'") }) ?? [] {
      if let read = readTable(table) { tables.append(read) }
    }
    for table in tables {
      for column in table.columns {
        guard let target = column.refersTo, !tables.contains(where: { $0.name == target }) else { continue }
        reader.report(member.line, "column '\(column.name)' of table '\(table.name)': there is no table '\(target)'")
      }
    }
    let views = (top["views"].flatMap { reader.mapping($0.value, of: "'views'") } ?? []).compactMap { readView($0) }
    return Platform(
      name: name, title: title, tables: tables, views: views, queries: readQueries(top["queries"]),
      retention: readRetention(top["retention"], tables), notes: readNotes(top["notes"]))
  }

  private mutating func readNotes(_ member: SourceNode.Member?) -> [String] {
    guard let member else { return [] }
    return reader.texts(member.value, of: "'notes'").map(\.name)
  }

  // MARK: - Retention

  private mutating func readRetention(_ member: SourceNode.Member?, _ tables: [PlatformTable]) -> [PlatformRetention] {
    let classes = types["retention_policy"]?.field("class")?.values ?? []
    var read: [PlatformRetention] = []
    for entry in member.flatMap({ reader.mapping($0.value, of: "'retention'") }) ?? [] {
      let place = "retention of '\(entry.key)'"
      if !classes.contains(entry.key) {
        reader.report(
          entry.line, "\(place): retention_policy.class has no such word; it has \(classes.joined(separator: ", "))")
      }
      let known = ["table", "keep_hours", "column", "age", "archive", "only"]
      guard let keys = reader.members(entry.value, of: place, known: known) else { continue }
      for key in ["table", "keep_hours", "column", "age"] where keys[key] == nil {
        reader.report(entry.line, "missing key '\(key)' in \(place)")
      }
      guard let tableKey = keys["table"], let tableName = reader.text(tableKey.value, of: "'table' of \(place)"),
        let columnKey = keys["column"], let column = reader.text(columnKey.value, of: "'column' of \(place)"),
        let hoursKey = keys["keep_hours"], let number = reader.number(hoursKey.value, of: "'keep_hours' of \(place)"),
        let ageKey = keys["age"], let word = reader.text(ageKey.value, of: "'age' of \(place)")
      else { continue }
      guard let hours = Int64(exactly: number), hours >= 1 else {
        reader.report(hoursKey.line, "'keep_hours' of \(place) must be a whole number, at least 1")
        continue
      }
      guard let age = PlatformRetention.Age(rawValue: word) else {
        let words = PlatformRetention.Age.allCases.map(\.rawValue).joined(separator: ", ")
        reader.report(ageKey.line, "'age' of \(place) must be one of \(words)")
        continue
      }
      guard let table = tables.first(where: { $0.name == tableName }) else {
        reader.report(tableKey.line, "\(place): there is no table '\(tableName)'")
        continue
      }
      if table.column(column) == nil {
        reader.report(columnKey.line, "\(place): '\(tableName)' has no column '\(column)'")
      }
      let type = table.resource.flatMap { types[$0] }
      var only: [PlatformCondition] = []
      for condition in keys["only"].flatMap({ reader.mapping($0.value, of: "'only' of \(place)") }) ?? [] {
        if type == nil { reader.report(condition.line, "\(place): 'only' needs a table of a resource type") }
        checkField(condition.key, line: condition.line, of: type, place)
        let read = readCondition(condition, reference: nil, place)
        if let field = type?.field(condition.key), field.type == .enum {
          for word in read.words where !field.values.contains(word) {
            reader.report(condition.line, "\(place): '\(word)' is no value of \(condition.key)")
          }
        }
        only.append(read)
      }
      read.append(
        PlatformRetention(
          retentionClass: entry.key, table: tableName, keepHours: hours, column: column, age: age,
          isArchived: keys["archive"].flatMap { reader.flag($0.value, of: "'archive' of \(place)") } ?? false,
          only: only))
    }
    return read
  }

  // MARK: - Tables

  private mutating func readTable(_ member: SourceNode.Member) -> PlatformTable? {
    let place = "table '\(member.key)'"
    let known = ["summary", "resource", "read_model", "when", "through", "columns", "unique", "indexes"]
    guard let keys = reader.members(member.value, of: place, known: known) else { return nil }
    let resource = keys["resource"].flatMap { reader.text($0.value, of: "'resource' of \(place)") }
    let readModel = keys["read_model"].flatMap { reader.text($0.value, of: "'read_model' of \(place)") }
    if (resource == nil) == (readModel == nil) {
      reader.report(member.line, "\(place) needs 'resource' or 'read_model', one of them")
    }
    var type: ResourceType?
    if let resource, let line = keys["resource"]?.line {
      type = types[resource]
      if type == nil {
        let hint = Suggestion.hint(for: resource, in: types.keys.sorted())
        reader.report(line, "\(place): unknown resource type '\(resource)'\(hint)")
      }
    }
    var conditions: [PlatformCondition] = []
    for condition in keys["when"].flatMap({ reader.mapping($0.value, of: "'when' of \(place)") }) ?? [] {
      checkField(condition.key, line: condition.line, of: type, place)
      conditions.append(readCondition(condition, reference: nil, place))
    }
    for reference in keys["through"].flatMap({ reader.mapping($0.value, of: "'through' of \(place)") }) ?? [] {
      checkField(reference.key, line: reference.line, of: type, place)
      for condition in reader.mapping(reference.value, of: "'\(reference.key)' of \(place)") ?? [] {
        conditions.append(readCondition(condition, reference: reference.key, place))
      }
    }
    var columns: [PlatformColumn] = []
    for column in keys["columns"].flatMap({ reader.mapping($0.value, of: "'columns' of \(place)") }) ?? [] {
      if let read = readColumn(column, type, place) { columns.append(read) }
    }
    if columns.isEmpty { reader.report(member.line, "\(place) has no columns") }
    let names = Set(columns.map(\.name))
    func checkColumns(_ list: [(name: String, line: Int)], _ what: String, into reader: inout TypeReader) -> [String] {
      for (name, line) in list where !names.contains(name.prefixUpToSpace) {
        reader.report(line, "\(what) of \(place): there is no column '\(name)'")
      }
      return list.map(\.name)
    }
    var unique: [[String]] = []
    if let list = keys["unique"] {
      guard case .sequence(let elements) = list.value.content else {
        reader.report(list.line, "'unique' of \(place) must be a list of lists of columns")
        return nil
      }
      for element in elements {
        let words = reader.texts(element, of: "'unique' of \(place)")
        unique.append(checkColumns(words, "'unique'", into: &reader))
      }
    }
    var indexes: [(name: String, columns: [String])] = []
    for index in keys["indexes"].flatMap({ reader.mapping($0.value, of: "'indexes' of \(place)") }) ?? [] {
      let words = reader.texts(index.value, of: "index '\(index.key)' of \(place)")
      indexes.append((index.key, checkColumns(words, "index '\(index.key)'", into: &reader)))
    }
    return PlatformTable(
      name: member.key, summary: keys["summary"].flatMap { reader.text($0.value, of: "'summary' of \(place)") } ?? "",
      resource: resource, readModel: readModel, when: conditions, columns: columns, unique: unique, indexes: indexes)
  }

  private mutating func readCondition(
    _ member: SourceNode.Member, reference: String?, _ place: String
  ) -> PlatformCondition {
    var words: [String] = []
    var includesAbsent = false
    let elements: [SourceNode]
    if case .sequence(let list) = member.value.content { elements = list } else { elements = [member.value] }
    for element in elements {
      switch element.content {
      case .scalar(.string(let word)): words.append(word)
      case .scalar(.null): includesAbsent = true
      default: reader.report(element.line, "'\(member.key)' of \(place): words, or null for what is absent")
      }
    }
    return PlatformCondition(reference: reference, field: member.key, words: words, includesAbsent: includesAbsent)
  }

  private mutating func checkField(_ name: String, line: Int, of type: ResourceType?, _ place: String) {
    guard let type, type.field(name) == nil, !ResourceType.implicitFields.contains(name) else { return }
    let hint = Suggestion.hint(for: name, in: type.fields.map(\.name))
    reader.report(line, "\(place): \(type.name) has no field '\(name)'\(hint)")
  }

  // MARK: - Columns

  private static let columnKeys = [
    "type", "from", "not_null", "unique", "default", "values", "words", "max", "min", "maximum", "on_delete", "absent",
    "computed", "set_by", "enforce", "why", "fill", "refers_to",
  ]

  private mutating func readColumn(
    _ member: SourceNode.Member, _ type: ResourceType?, _ table: String
  ) -> PlatformColumn? {
    let place = "column '\(member.key)' of \(table)"
    guard let keys = reader.members(member.value, of: place, known: Self.columnKeys) else { return nil }
    guard let sqlType = keys["type"].flatMap({ reader.text($0.value, of: "'type' of \(place)") }) else {
      reader.report(member.line, "missing key 'type' in \(place)")
      return nil
    }
    let from = keys["from"].flatMap { reader.text($0.value, of: "'from' of \(place)") }
    let computed = keys["computed"].flatMap { reader.text($0.value, of: "'computed' of \(place)") }
    let absent = keys["absent"].flatMap { reader.text($0.value, of: "'absent' of \(place)") }
    let source: PlatformColumn.Source
    switch (from, computed, absent) {
    case (let from?, nil, nil):
      checkField(from, line: member.line, of: type, place)
      source = .field(from)
    case (nil, let computed?, nil):
      source = .computed(computed, setBy: keys["set_by"].flatMap { reader.text($0.value, of: "'set_by' of \(place)") })
    case (nil, nil, let absent?): source = .absent(absent)
    default:
      reader.report(member.line, "\(place) needs one of 'from', 'computed' and 'absent'")
      return nil
    }
    let values = keys["values"].map { reader.texts($0.value, of: "'values' of \(place)").map(\.name) } ?? []
    var words: [String: String] = [:]
    for word in keys["words"].flatMap({ reader.mapping($0.value, of: "'words' of \(place)") }) ?? [] {
      guard let shown = reader.text(word.value, of: "'\(word.key)' of \(place)") else { continue }
      if !values.isEmpty, !values.contains(shown) {
        reader.report(word.line, "\(place): '\(shown)' is none of its values")
      }
      words[word.key] = shown
    }
    checkWords(values, words, from: from, type, line: member.line, place)
    var onDelete: Reference.Deletion?
    if let rule = keys["on_delete"], let word = reader.text(rule.value, of: "'on_delete' of \(place)") {
      onDelete = reader.choice(
        word, Reference.Deletion.init(rawValue:), ["cascade", "restrict", "clear"], rule, "'on_delete' of \(place)")
    }
    func flag(_ key: String, _ reader: inout TypeReader) -> Bool? {
      keys[key].flatMap { reader.flag($0.value, of: "'\(key)' of \(place)") }
    }
    let isEnforced = flag("enforce", &reader) ?? true
    let why = keys["why"].flatMap { reader.text($0.value, of: "'why' of \(place)") } ?? ""
    if !isEnforced, why.isEmpty { reader.report(member.line, "\(place) isn't enforced, but 'why' doesn't say why") }
    if let fill = keys["fill"] { checkFill(fill, from: from, type, place) }
    let stated = keys["max"].flatMap { readLength($0, "'max' of \(place)") }
    return PlatformColumn(
      name: member.key, type: sqlType, source: source, isNotNull: flag("not_null", &reader) ?? false,
      isUnique: flag("unique", &reader) ?? false, defaultValue: keys["default"]?.value.json,
      fill: keys["fill"]?.value.json, values: values, words: words, maximumLength: stated ?? Self.length(of: sqlType),
      minimum: keys["min"].flatMap { reader.number($0.value, of: "'min' of \(place)") },
      maximum: keys["maximum"].flatMap { reader.number($0.value, of: "'maximum' of \(place)") },
      onDelete: onDelete,
      refersTo: keys["refers_to"].flatMap { reader.text($0.value, of: "'refers_to' of \(place)") },
      isEnforced: isEnforced, why: why)
  }

  /// What fills a column must be a value of its field; who acts fills a reference to a user.
  private mutating func checkFill(
    _ member: SourceNode.Member, from: String?, _ type: ResourceType?, _ place: String
  ) {
    guard let field = from.flatMap({ type?.field($0) }) else {
      return reader.report(member.line, "'fill' of \(place): only a column that is 'from' a field can be filled")
    }
    if member.value.json == PlatformColumn.actor {
      if field.reference?.types != ["user"] {
        reader.report(member.line, "'fill' of \(place): $actor is for references to user")
      }
      return
    }
    var faults: [ValueProblem] = []
    _ = FieldCheck.check(member.value.json, field: field, path: "", problems: &faults)
    for fault in faults { reader.report(member.line, "'fill' of \(place) \(fault.problem)") }
  }

  private mutating func readLength(_ member: SourceNode.Member, _ place: String) -> Int? {
    guard let number = reader.number(member.value, of: place) else { return nil }
    guard let length = Int(exactly: number), (1...TypeReader.longestText).contains(length) else {
      reader.report(member.line, "\(place) must be a whole number from 1 to \(TypeReader.longestText)")
      return nil
    }
    return length
  }

  /// Every documented word must be the word of some stored one.
  private mutating func checkWords(
    _ values: [String], _ words: [String: String], from: String?, _ type: ResourceType?, line: Int, _ place: String
  ) {
    guard let from, let field = type?.field(from), field.type == .enum else { return }
    let shown = Set(field.values.map { words[$0] ?? $0 })
    for word in values where !shown.contains(word) {
      reader.report(line, "\(place): no value of \(from) is shown as '\(word)'")
    }
    for word in words.keys where !field.values.contains(word) {
      reader.report(line, "\(place): '\(word)' is no value of \(from)")
    }
  }

  /// The n of `varchar(n)`.
  private static func length(of sqlType: String) -> Int? {
    guard sqlType.hasPrefix("varchar("), sqlType.hasSuffix(")") else { return nil }
    return Int(sqlType.dropFirst("varchar(".count).dropLast())
  }

  // MARK: - Views and queries

  private mutating func readView(_ member: SourceNode.Member) -> PlatformView? {
    let place = "view '\(member.key)'"
    guard let keys = reader.members(member.value, of: place, known: ["summary", "columns"]) else { return nil }
    var columns: [(name: String, type: String)] = []
    for column in keys["columns"].flatMap({ reader.mapping($0.value, of: "'columns' of \(place)") }) ?? [] {
      if let type = reader.text(column.value, of: "'\(column.key)' of \(place)") { columns.append((column.key, type)) }
    }
    if columns.isEmpty { reader.report(member.line, "\(place) has no columns") }
    let summary = keys["summary"].flatMap { reader.text($0.value, of: "'summary' of \(place)") } ?? ""
    return PlatformView(name: member.key, summary: summary, columns: columns)
  }

  private mutating func readQueries(_ member: SourceNode.Member?) -> [PlatformQuery] {
    guard let member else { return [] }
    guard case .sequence(let elements) = member.value.content else {
      reader.report(member.line, "'queries' must be a list")
      return []
    }
    var queries: [PlatformQuery] = []
    for element in elements {
      guard let keys = reader.members(element, of: "a query", known: ["title", "sql", "note"]) else { continue }
      guard let title = keys["title"].flatMap({ reader.text($0.value, of: "'title' of a query") }) else {
        reader.report(element.line, "missing key 'title' in a query")
        continue
      }
      let sql = keys["sql"].flatMap { reader.text($0.value, of: "'sql' of '\(title)'") }
      let note = keys["note"].flatMap { reader.text($0.value, of: "'note' of '\(title)'") } ?? ""
      if sql == nil, note.isEmpty { reader.report(element.line, "'\(title)' has neither 'sql' nor 'note'") }
      queries.append(PlatformQuery(title: title, sql: sql, note: note))
    }
    return queries
  }
}

extension String {
  /// An index's column without its direction (`created_at DESC`).
  fileprivate var prefixUpToSpace: String { String(prefix { $0 != " " }) }
}
