import CanonicalJSON
import Catalog
import Projections

/// What must hold of every YAML file of `schema/`: one of a platform where it has the key `platform`, else one of a
/// resource type.
enum CatalogPromises {
  static func target(repository: String) throws -> FuzzTarget {
    let files = RepositoryFiles(root: repository)
    let names = try files.names(in: "schema", ending: ".yaml")
    let platforms = try files.names(in: "schema/platforms", ending: ".yaml")
    let context = Context(
      catalog: try Catalog.load(folder: "\(repository)/schema"), types: names.map { String($0.dropLast(5)) },
      organization: String(decoding: try files.bytes("schema/organization.yaml"), as: UTF8.self))
    let types = try names.map { try files.bytes("schema/\($0)") }
    return FuzzTarget(
      .catalog, seeds: types + (try platforms.map { try files.bytes("schema/platforms/\($0)") }), words: words,
      maximumLength: 10_240
    ) { try check($0, context) }
  }

  /// What stands beside the file.
  struct Context: Sendable {
    let catalog: Catalog
    /// The names of the resource types.
    let types: [String]
    /// The file of the organization, whose values name the platforms.
    let organization: String
  }

  private static let words = [
    "resource:", "plural:", "summary:", "organization: none", "organization: required", "natural_keys:", "read_model:",
    "processing:", "fields:", "unique:", "lifecycle:", "versioned:", "versions:", "public:", "visible_to:", "commands:",
    "facts:", "type:", "string", "text", "slug", "email", "integer", "bigint", "float", "boolean", "timestamp", "json",
    "object", "list", "tags", "reference", "uuid", "ip", "enum", "required: true", "default:", "max:", "min:",
    "values:",
    "synonyms:", "items:", "to:", "secret:", "on_delete: cascade", "personal:", "immutable:", "assignable:", "<<: *a",
    "&a", "*a", "!!binary", "|\n", ">-\n", "? ", "---\n", "...\n", "{", "}", "[", "]", ", ", ": ", "\n  ",
    "%YAML 1.2\n",
    "platform:", "tables:", "columns:", "views:", "queries:", "1e300", "-1", "~", "\u{FEFF}", "e\u{301}",
  ]

  static func check(_ input: [UInt8], _ context: Context) throws -> Bool {
    guard let text = String(validating: input, as: UTF8.self) else { return false }
    if let platform = value(of: "platform", in: text) { return try checkPlatform(text, platform, context) }
    let type = value(of: "resource", in: text) ?? "thing"
    // Whatever the text may name stands beside it, as far as it isn't the file's own.
    var beside = context.types.filter { $0 != type && (text.contains($0) || $0 == "organization" || $0 == "user") }
      .map { (name: "\($0).yaml", text: $0 == "organization" ? context.organization : smallType($0)) }
    beside.append((name: "\(type).yaml", text: text))
    let catalog: Catalog
    do throws(CatalogError) {
      catalog = try Catalog.load(files: beside, label: "schema")
    } catch {
      try checkProblems(error, of: text, file: "schema/\(type).yaml")
      return false
    }
    let again = try Catalog.load(files: beside, label: "schema")
    try promise("it loads as the same again", again.revision == catalog.revision)
    try promise(
      "what it says of the types doesn't depend on the order of keys",
      again.permissionMatrix.canonicalBytes == catalog.permissionMatrix.canonicalBytes)
    for type in catalog.types {
      let schema = type.itemSchema.canonicalBytes
      try promise("a schema is JSON", (try? JSON.parse(schema)) == type.itemSchema)
    }
    try checkReadModels(catalog)
    return true
  }

  /// What is generated from a catalog that loads is read back as a read model that fits it.
  private static func checkReadModels(_ catalog: Catalog) throws {
    for text in ReadModelText.all(of: catalog) {
      do {
        let whole = text.merged(with: nil)
        let definition = try ProjectionFile.read(Array(whole.utf8), file: text.file)
        try ProjectionFolder.check(definition, catalog)
        try promise(
          "what is generated is the same with itself as the present file",
          text.merged(with: whole).utf8.elementsEqual(whole.utf8))
      } catch let error as ProjectionError {
        throw BrokenPromise(description: "what the catalog generates can be read: \(error)")
      }
    }
  }

  private static func checkPlatform(_ text: String, _ name: String, _ context: Context) throws -> Bool {
    do throws(CatalogError) {
      let platform = try context.catalog.readPlatform(text, named: "\(name).yaml", label: "schema")
      return platform.name.utf8.elementsEqual(name.utf8)
    } catch {
      try checkProblems(error, of: text, file: "schema/platforms/\(name).yaml")
      return false
    }
  }

  private static func checkProblems(_ error: CatalogError, of text: String, file: String) throws {
    try promise("what is refused has a mistake", !error.problems.isEmpty)
    // A line ends by any of what YAML takes for the end of one.
    let ends: [Unicode.Scalar] = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
    let lines = 1 + text.unicodeScalars.count { ends.contains($0) }
    for problem in error.problems where problem.file.utf8.elementsEqual(file.utf8) {
      try promise("line \(problem.line) of the mistake is one of the file", (1...(lines + 1)).contains(problem.line))
    }
  }

  /// A type without anything to it.
  private static func smallType(_ name: String) -> String {
    "resource: \(name)\nplural: \(name)_beside\nsummary: Beside.\norganization: none\n"
  }

  /// The value of a key at the beginning of a line, where it is a plain name.
  private static func value(of key: String, in text: String) -> String? {
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: "\(key): ".utf8) {
      let name = line.dropFirst(key.utf8.count + 2)
      let isName = name.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
      return isName && !name.isEmpty ? String(name) : nil
    }
    return nil
  }
}
