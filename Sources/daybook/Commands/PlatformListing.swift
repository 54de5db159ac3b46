import CanonicalJSON
import Catalog

/// One platform's document as a page for people: where each of its tables and columns went.
struct PlatformListing {
  private let platform: Platform

  init(_ platform: Platform) {
    self.platform = platform
  }

  func lines(isMarkdown: Bool) -> [String] {
    let isSame = platform.title.lowercased() == platform.name
    let heading = isSame ? platform.title : "\(platform.name): \(platform.title)"
    var lines = [isMarkdown ? "## \(heading)" : heading.uppercased(), ""]
    for table in platform.tables { lines += page(of: table, isMarkdown) }
    for view in platform.views {
      lines += title("\(platform.name).\(view.name) (view)", view.summary, isMarkdown)
      lines += CatalogListing.table(["COLUMN", "TYPE"], view.columns.map { [$0.name, $0.type] }, isMarkdown)
    }
    if !platform.queries.isEmpty {
      lines += title("Queries and functions of the document", "", isMarkdown)
      for query in platform.queries {
        lines.append(isMarkdown ? "**\(query.title)**" : "  \(query.title)")
        if !query.note.isEmpty { lines.append(isMarkdown ? query.note : "    \(query.note)") }
        if let sql = query.sql { lines += code(sql, isMarkdown) }
        lines.append("")
      }
    }
    lines += title("What goes when", "", isMarkdown)
    if platform.retention.isEmpty {
      lines += [
        "\(isMarkdown ? "" : "  ")The document asks for nothing to go: it is kept until a policy says otherwise.",
        "",
      ]
    } else {
      lines += CatalogListing.table(
        ["CLASS", "TABLE", "KEPT", "BY", "WHICH", "THEN"], platform.retention.map(retention), isMarkdown)
    }
    if !platform.notes.isEmpty {
      lines += title("The rest of the document", "", isMarkdown)
      lines += platform.notes.map { "\(isMarkdown ? "" : "  ")- \($0)" } + [""]
    }
    return lines
  }

  /// The same for programs.
  var json: JSON {
    .object(
      JSONObject(
        members: platform.tables.map { table in
          (
            key: table.name,
            value: .object(JSONObject(members: table.columns.map { (key: $0.name, value: json(of: $0, in: table)) }))
          )
        }))
  }

  private func retention(_ entry: PlatformRetention) -> [String] {
    let which = entry.only.map { "\($0.field) is \($0.words.joined(separator: " or "))" }
    return [
      entry.retentionClass, entry.table, "\(entry.keepHours) h", entry.column,
      which.isEmpty ? "all" : which.joined(separator: " and "), entry.isArchived ? "archived" : "deleted",
    ]
  }

  private func json(of column: PlatformColumn, in table: PlatformTable) -> JSON {
    var object: JSONObject = ["type": .string(column.type), "rules": .string(rules(column, table))]
    switch column.source {
    case .field(let name): object["field"] = .string("\(table.resource ?? table.readModel ?? "").\(name)")
    case .computed(let text, let setBy):
      object["computed"] = .string(text)
      if let setBy { object["set_by"] = .string(setBy) }
    case .absent(let why): object["absent"] = .string(why)
    }
    return .object(object)
  }

  private func page(of table: PlatformTable, _ isMarkdown: Bool) -> [String] {
    let place = table.resource.map { "the resource type \($0)" } ?? "the read model \(table.readModel ?? "")"
    let rows = table.columns.map { [$0.name, $0.type, origin($0), rules($0, table)] }
    var lines = title(
      "\(platform.name).\(table.name)", "Rows of \(place)\(condition(table)). \(table.summary)", isMarkdown)
    lines += CatalogListing.table(["COLUMN", "TYPE", "IN DAYBOOK", "RULES"], rows, isMarkdown)
    lines += CatalogListing.table(
      ["INDEX", "COLUMNS"], table.indexes.map { [$0.name, $0.columns.joined(separator: ", ")] }, isMarkdown)
    return lines
  }

  private func condition(_ table: PlatformTable) -> String {
    guard !table.when.isEmpty else { return "" }
    let parts = table.when.map { condition in
      let field = condition.reference.map { "\($0)'s \(condition.field)" } ?? condition.field
      let words = condition.words + (condition.includesAbsent ? ["absent"] : [])
      return "\(field) is \(words.joined(separator: " or "))"
    }
    return " whose \(parts.joined(separator: " and "))"
  }

  private func origin(_ column: PlatformColumn) -> String {
    switch column.source {
    case .field(let name): name
    case .computed(let text, let setBy): setBy.map { "\(text) (\($0))" } ?? text
    case .absent(let why): "– \(why)"
    }
  }

  private func rules(_ column: PlatformColumn, _ table: PlatformTable) -> String {
    var rules: [String] = []
    if column.isNotNull { rules.append("not null") }
    if column.isUnique || table.unique.contains([column.name]) { rules.append("unique") }
    for constraint in table.unique where constraint.count > 1 && constraint.contains(column.name) {
      rules.append("unique with \(constraint.filter { $0 != column.name }.joined(separator: ", "))")
    }
    if !column.values.isEmpty { rules.append("one of \(column.values.joined(separator: ", "))") }
    let renamed = column.words.sorted { $0.key < $1.key }.map { "\($0.key) shows as \($0.value)" }
    rules += renamed
    if let minimum = column.minimum { rules.append("≥ \(JSON.number(minimum).canonicalString)") }
    if let maximum = column.maximum { rules.append("≤ \(JSON.number(maximum).canonicalString)") }
    if let value = column.defaultValue { rules.append("default \(value.canonicalString)") }
    if let rule = column.onDelete { rules.append("on delete \(rule.rawValue)") }
    if !column.isEnforced { rules.append("not enforced") }
    if !column.why.isEmpty { rules.append(column.why) }
    return rules.joined(separator: "; ")
  }

  private func title(_ text: String, _ summary: String, _ isMarkdown: Bool) -> [String] {
    let body = String(summary.drop { $0 == " " })
    return [isMarkdown ? "### \(text)" : text, ""] + (body.isEmpty ? [] : [isMarkdown ? body : "  \(body)", ""])
  }

  private func code(_ sql: String, _ isMarkdown: Bool) -> [String] {
    let lines = sql.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    return isMarkdown ? ["```sql"] + lines + ["```"] : lines.map { "      \($0)" }
  }
}
