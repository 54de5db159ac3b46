import Catalog

/// The generated part of the read model of a resource type's states.
enum StateTableText {
  /// What is said of the columns that every such table has.
  private static let implicit = [
    (name: "created_by", meaning: "The user who made it; the system user for what no person made."),
    (name: "updated_at", meaning: "When its last event was recorded."),
    (name: "version", meaning: "How many events it has had."),
    (name: "deleted_at", meaning: "When it was deleted; the row stays."),
  ]

  static func text(of type: ResourceType) -> String {
    let table = "daybook.\(type.plural)"
    let personalTable = "personal.\(type.plural)"
    let summary = SQLLayout.oneLine(type.summary)
    var text = SQLLayout.frontMatter(
      type, name: type.plural, [(key: "from", value: type.name), (key: "summary", value: summary)])
    text += "\n-- section: tables\n"
    text += SQLLayout.table(table, columns(ProjectionFolder.expectedRows(type)))
    let personal = ProjectionFolder.expectedPersonal(type)
    if personal.count > 1 {
      text += "\n-- Personal columns: unlogged, so that no value ever enters the write-ahead log or a replica.\n"
      text += SQLLayout.table(personalTable, columns(personal), unlogged: true)
    }
    text += "\n" + SQLLayout.comment(on: "TABLE \(table)", summary)
    text += SQLLayout.comment(on: "COLUMN \(table).number", "1, 2, 3 … of its type, in the order of creation.")
    for field in type.fields {
      if let folded = field.foldedColumn, [.row, .personal].contains(PostedType.place(of: field)) {
        let owner = PostedType.place(of: field) == .personal ? personalTable : table
        text += SQLLayout.comment(on: "COLUMN \(owner).\(folded)", foldedMeaning(field))
      }
      guard let meaning = SQLLayout.meaning(of: field) else { continue }
      switch PostedType.place(of: field) {
      case .row, .token: text += SQLLayout.comment(on: "COLUMN \(table).\(field.name)", meaning)
      case .personal: text += SQLLayout.comment(on: "COLUMN \(personalTable).\(field.name)", meaning)
      case .hidden: break
      }
    }
    for column in implicit { text += SQLLayout.comment(on: "COLUMN \(table).\(column.name)", column.meaning) }
    return text + "\n"
  }

  private static func foldedMeaning(_ field: Field) -> String {
    switch field.comparison {
    case .folded:
      "How \(field.name) is compared, folded by Unicode; NULL where that is lower(\(field.name) COLLATE \"C\")."
    case .composed, nil: "How \(field.name) is compared, in NFC; NULL where that is \(field.name) itself."
    }
  }

  private static func columns(_ expected: [(String, [String])]) -> [(name: String, type: String)] {
    expected.map { name, types in (name, name == "id" ? "\(types[0]) PRIMARY KEY" : types[0]) }
  }
}
