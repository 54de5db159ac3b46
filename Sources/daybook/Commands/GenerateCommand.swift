import ArgumentParser
import Catalog
import Projections

/// `daybook generate`: the SQL files that follow from the resource types.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Write the read models' SQL files that follow from the resource types.",
    discussion: """
      For each resource type it writes projections/<plural>.sql down to the line
      "-- section: indexes": tables, columns, comments. What stands there and
      below is written by hand and stays. Types with `versions` get a second file.
      A file whose resource type is gone is named, never deleted.

      EXAMPLES
        daybook generate
        daybook generate --check
      """)

  @Flag(name: .long, help: "Write nothing; name each file that differs, and exit with 1 where one does.")
  var check = false

  @Option(
    name: .long, help: "The folder with the resource types (default: found in $DAYBOOK_HOME, or above the program).",
    completion: .directory)
  var schema: String?

  @Option(
    name: .long, help: "The folder with the SQL files (default: found in $DAYBOOK_HOME, or above the program).",
    completion: .directory)
  var projections: String?

  func run() throws {
    let schema = try schema ?? Program.folder("schema", containing: ".yaml", option: "--schema")
    let projections = try projections ?? Program.folder("projections", containing: ".sql", option: "--projections")
    let catalog = try Catalog.load(folder: schema)
    let differences =
      try check
      ? GeneratedFolder.differences(projections, catalog: catalog)
      : GeneratedFolder.write(projections, catalog: catalog)
    let left = check ? differences : differences.filter { !$0.isMendable }
    for difference in differences where !left.contains(difference) { Terminal.say("wrote \(difference.file)") }
    guard left.isEmpty else {
      let isMendable = left.contains { $0.isMendable }
      throw Failure(
        .refused, left.map(\.problem).joined(separator: "\n"), place: projections,
        next: isMendable ? "Run tools/generate." : "Delete it, or bring its resource type back.")
    }
    if check || differences.isEmpty { Terminal.say("\(projections) is what follows from \(schema)") }
  }
}
