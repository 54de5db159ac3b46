/// Reads one SQL file of `projections/`: front matter in comments, then sections of statements.
///
/// The front matter says `-- projection: NAME`, `-- summary: …`, and either `-- from:
/// TYPE` or `-- events: NAME, TYPE.*, *`; an event read model may say `-- opens: reason,
/// origin, data`, `-- needs: FIELD`, `-- removes: NAME, …` and `-- partitioned: COLUMN`.
/// Sections begin with `-- section: tables`, `indexes`, `fill`, `fill opened` or `remove`.
package enum ProjectionFile {
  /// - Throws: ``ProjectionError`` `definition`, with the file's name and what is wrong.
  package static func read(_ bytes: [UInt8], file: String) throws -> ProjectionDefinition {
    let text = String(decoding: bytes, as: UTF8.self)
    var matter: [String: String] = [:]
    var sections: [String: [Substring]] = [:]
    var section: String?
    var lastKey: String?
    for line in SQLText.lines(text) {
      if let name = value(of: "section", line) {
        guard ["tables", "indexes", "fill", "fill opened", "remove"].contains(name) else {
          throw ProjectionError.definition(file, "there is no section \(name)")
        }
        section = name
        sections[name, default: []] = []
      } else if let section {
        sections[section, default: []].append(line)
      } else if line.hasPrefix("--   "), let lastKey {
        matter[lastKey, default: ""] += " " + line.dropFirst(5)
      } else if line.hasPrefix("-- "), let colon = line.firstIndex(of: ":") {
        let key = String(line[line.index(line.startIndex, offsetBy: 3)..<colon])
        matter[key] = String(line[line.index(after: colon)...].drop { $0 == " " })
        lastKey = key
      }
    }
    func statements(_ section: String) -> [String] {
      SQLText.statements(sections[section, default: []].joined(separator: "\n"))
    }
    guard let name = matter["projection"], !name.isEmpty else {
      throw ProjectionError.definition(file, "the line `-- projection: NAME` is missing")
    }
    guard file == "\(name).sql" else {
      throw ProjectionError.definition(file, "the file of the projection \(name) is to be named \(name).sql")
    }
    let tables = statements("tables")
    var columns: [SQLColumn] = []
    var personalColumns: [SQLColumn] = []
    for case let table? in tables.map(SQLText.table) {
      guard table.name == name, table.schema == "daybook" || table.schema == "personal" else {
        throw ProjectionError.definition(file, "it makes the table \(table.schema).\(table.name), which is not its own")
      }
      if table.schema == "daybook" { columns = table.columns } else { personalColumns = table.columns }
    }
    guard columns.contains(where: { $0.name == "id" }) else {
      throw ProjectionError.definition(file, "it makes no table daybook.\(name) with an id")
    }
    for statement in tables
    where statement.contains("TABLE personal.") && !statement.contains("UNLOGGED TABLE personal.") {
      if statement.contains("CREATE") { throw ProjectionError.definition(file, "a personal table has to be UNLOGGED") }
    }
    let fingerprint = ProjectionFingerprint(
      matter: matter,
      sections: ["tables", "indexes", "fill", "fill opened", "remove"].map { (name: $0, statements: statements($0)) })
    return ProjectionDefinition(
      name: name, file: file, summary: matter["summary"] ?? "", source: try source(matter, file),
      opens: try opens(matter, file), needs: list(matter["needs"]), columns: columns, personalColumns: personalColumns,
      fingerprint: fingerprint.rows, wording: fingerprint.wording, tables: tables, indexes: statements("indexes"),
      fill: statements("fill"), fillOpened: statements("fill opened"), removes: Set(list(matter["removes"])),
      removal: statements("remove"), partitionColumn: try partitionColumn(matter, tables, columns, file))
  }

  /// The column that the table is partitioned by, which the table has to say as well.
  private static func partitionColumn(
    _ matter: [String: String], _ tables: [String], _ columns: [SQLColumn], _ file: String
  ) throws -> String? {
    let column = matter["partitioned"]
    let partitioned = tables.filter { $0.contains("PARTITION BY") }
    guard column != nil || !partitioned.isEmpty else { return nil }
    guard let column, columns.contains(SQLColumn(name: column, type: "timestamptz")), partitioned.count == 1,
      partitioned[0].contains("PARTITION BY RANGE (\(column))"), !SQLText.touchesPersonal(partitioned[0])
    else {
      throw ProjectionError.definition(
        file,
        "`-- partitioned: COLUMN` and `PARTITION BY RANGE (COLUMN)` of its daybook table belong together, with a timestamptz column"
      )
    }
    return column
  }

  private static func source(_ matter: [String: String], _ file: String) throws -> ProjectionDefinition.Source {
    switch (matter["from"], matter["events"]) {
    case (let type?, nil):
      return .state(type: type)
    case (nil, let events?):
      let names = list(events)
      if names == ["*"] { return .events(.all) }
      let types = names.filter { $0.hasSuffix(".*") }.map { String($0.dropLast(2)) }
      return .events(.named(events: Set(names.filter { !$0.hasSuffix(".*") }), types: Set(types)))
    default:
      throw ProjectionError.definition(file, "it needs either `-- from: TYPE` or `-- events: …`")
    }
  }

  private static func opens(
    _ matter: [String: String], _ file: String
  ) throws -> Set<ProjectionDefinition.OpenedPart> {
    Set(
      try list(matter["opens"]).map { name in
        guard let part = ProjectionDefinition.OpenedPart(rawValue: name) else {
          throw ProjectionError.definition(file, "`-- opens:` knows reason, origin and data, not \(name)")
        }
        return part
      })
  }

  private static func value(of key: String, _ line: Substring) -> String? {
    let prefix = "-- \(key): "
    return line.hasPrefix(prefix) ? String(line.dropFirst(prefix.count)) : nil
  }

  private static func list(_ text: String?) -> [String] {
    (text ?? "").split(separator: ",").map { item in String(item.filter { $0 != " " }) }.filter { !$0.isEmpty }
  }
}
