import Catalog
import Projections

/// What must hold of every SQL file of `projections/`: one of a read model where it has a line `-- projection: NAME`,
/// else one of a platform's views.
enum ProjectionPromises {
  static func target(repository: String) throws -> FuzzTarget {
    let files = RepositoryFiles(root: repository)
    let catalog = try Catalog.load(folder: "\(repository)/schema")
    let platforms = try files.names(in: "projections/platforms", ending: ".sql")
    let context = Context(
      catalog: catalog, platforms: platforms.map { String($0.dropLast(4)) }, generated: ReadModelText.all(of: catalog))
    let models = try files.names(in: "projections", ending: ".sql").map { try files.bytes("projections/\($0)") }
    return FuzzTarget(
      .projections, seeds: models + (try platforms.map { try files.bytes("projections/platforms/\($0)") }),
      words: words, maximumLength: 6144
    ) { try check($0, context) }
  }

  /// What the file is read with.
  struct Context: Sendable {
    let catalog: Catalog
    let platforms: [String]
    let generated: [ReadModelText]
  }

  private static let words = [
    "-- projection: x\n", "-- from: alert\n", "-- events: *\n", "-- events: run.logged, alert.*\n", "-- summary: ",
    "-- opens: reason, origin, data\n", "-- needs: ", "-- removes: retention.swept\n", "-- partitioned: at\n",
    "-- section: tables\n", "-- section: indexes\n", "-- section: fill\n", "-- section: fill opened\n",
    "-- section: remove\n", "CREATE TABLE daybook.x (\n  id uuid\n);\n",
    "CREATE UNLOGGED TABLE personal.x (\n  id uuid\n);\n", "PARTITION BY RANGE (at)", "COMMENT ON ", "CONSTRAINT ",
    "CHECK (",
    "PRIMARY KEY", "NOT NULL", "DEFAULT ", "timestamptz", "personal.", "daybook.", "''", "'", "$$", "$a$", ";", "--",
    "\n",
    "\r\n", "/*", "*/", "\"", "CREATE VIEW etlab.x WITH (security_invoker = true) AS SELECT 1;\n",
    "CREATE OR REPLACE FUNCTION ", "e\u{301}",
  ]

  static func check(_ input: [UInt8], _ context: Context) throws -> Bool {
    let text = String(decoding: input, as: UTF8.self)
    try checkText(text)
    for generated in context.generated.prefix(2) {
      let merged = generated.merged(with: text)
      try promise("what is generated comes first", merged.utf8.starts(with: generated.text.utf8))
      try promise(
        "what is written by hand stays", generated.merged(with: merged).utf8.elementsEqual(merged.utf8))
    }
    if let name = name(in: text) { return try checkReadModel(input, name: name, context.catalog) }
    guard let platform = context.platforms.first(where: { text.contains("\($0).") }) else { return false }
    do {
      let schema = try PlatformSchema.read(input, file: "\(platform).sql")
      try promise(
        "every view and function is of the platform",
        (schema.views + schema.functions).allSatisfy {
          $0.utf8.starts(with: "\(platform).".utf8)
        })
      return true
    } catch is ProjectionError {
      return false
    }
  }

  private static func checkReadModel(_ input: [UInt8], name: String, _ catalog: Catalog) throws -> Bool {
    let definition: ProjectionDefinition
    do {
      definition = try ProjectionFile.read(input, file: "\(name).sql")
    } catch is ProjectionError {
      return false
    }
    try promise("a table has an id", definition.columns.contains { $0.name == "id" })
    // A comment in front says nothing.
    let commented = try ProjectionFile.read(Array("-- A remark\n".utf8) + input, file: "\(name).sql")
    try promise("a remark makes no other table", commented.fingerprint == definition.fingerprint)
    if !input.contains(UInt8(ascii: "\r")) {
      let ended = input.flatMap { $0 == UInt8(ascii: "\n") ? [UInt8(ascii: "\r"), $0] : [$0] }
      let other = try ProjectionFile.read(ended, file: "\(name).sql")
      try promise("the ends of lines make no other table", other.fingerprint == definition.fingerprint)
    }
    do {
      try ProjectionFolder.check(definition, catalog)
      return true
    } catch is ProjectionError {
      return false
    }
  }

  /// What holds of any text that is taken for SQL.
  private static func checkText(_ text: String) throws {
    let statements = SQLText.statements(text)
    for statement in statements {
      try promise("no statement is empty", !SQLText.essence(statement).isEmpty)
      let essence = SQLText.essence(statement)
      try promise(
        "an essence has nothing more to leave out", SQLText.essence(essence).utf8.elementsEqual(essence.utf8))
      let code = SQLText.code(statement)
      try promise("code has no more constants", SQLText.code(String(decoding: code, as: UTF8.self)) == code)
      let renamed = SQLText.renamed(statement, for: .next)
      try promise(
        "what is renamed stays so", SQLText.renamed(renamed, for: .next).utf8.elementsEqual(renamed.utf8))
      try promise("nothing is renamed for the live tables", SQLText.renamed(statement, for: .live) == statement)
      try promise("what is renamed touches no live personal table", !SQLText.touchesPersonal(renamed))
      if let table = SQLText.table(of: statement) {
        try promise("a column has a name", table.columns.allSatisfy { !$0.name.isEmpty })
      }
    }
    try promise("statements are found again", SQLText.statements(statements.joined(separator: "\n;\n")) == statements)
  }

  /// What the file says of its projection's name.
  private static func name(in text: String) -> String? {
    let key = "-- projection: "
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: key.utf8) {
      return String(line.dropFirst(key.utf8.count))
    }
    return nil
  }
}
