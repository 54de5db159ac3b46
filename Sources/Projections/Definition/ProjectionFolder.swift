import Catalog
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// Reads the folder `projections/` and checks it against the catalog, both ways:
/// every field has its column, every column its field.
public enum ProjectionFolder {
  /// The read models of a folder, in the order of their names.
  /// - Throws: ``ProjectionError`` `definition`, with the file and what is wrong.
  public static func load(_ folder: String, catalog: Catalog) throws -> [ProjectionDefinition] {
    var definitions: [ProjectionDefinition] = []
    for name in try names(in: folder) where name.hasSuffix(".sql") {
      let definition = try ProjectionFile.read(try read("\(folder)/\(name)"), file: name)
      if case .state(let type) = definition.source {
        definitions.append(definition.withPublicColumns(catalog.type(type)?.publicFields ?? []))
      } else {
        definitions.append(definition)
      }
    }
    for definition in definitions { try check(definition, catalog) }
    for type in catalog.types where type.hasReadModel {
      guard definitions.contains(where: { $0.source == .state(type: type.name) }) else {
        throw ProjectionError.definition(
          "\(type.plural).sql", "it is missing: the catalog has the resource type \(type.name)")
      }
    }
    return definitions
  }

  /// The platforms' views, of the folder `platforms` in that folder, in the order of
  /// their names; none where there is no such folder.
  /// - Throws: ``ProjectionError`` `definition`, with the file and what is wrong.
  static func platforms(_ folder: String, catalog: Catalog) throws -> [PlatformSchema] {
    guard try names(in: folder).contains("platforms") else { return [] }
    let known = catalog.type("organization")?.field("platform")?.values ?? []
    return try names(in: "\(folder)/platforms").filter { $0.hasSuffix(".sql") }.map { file in
      let schema = try PlatformSchema.read(try read("\(folder)/platforms/\(file)"), file: file)
      guard known.contains(schema.name) else {
        throw ProjectionError.definition("platforms/\(file)", "organization.platform has no value \(schema.name)")
      }
      return schema
    }
  }

  /// The SQL of what the projector keeps about itself.
  static func projectorSQL(_ folder: String) throws -> String {
    String(decoding: try read("\(folder)/schema/projector.sql"), as: UTF8.self)
  }

  /// Checks one read model's columns, types and places against the catalog.
  package static func check(_ definition: ProjectionDefinition, _ catalog: Catalog) throws {
    func refuse(_ problem: String) -> ProjectionError { .definition(definition.file, problem) }
    let ids = [definition.columns, definition.personalColumns].compactMap { columns in
      columns.first { $0.name == "id" }?.type
    }
    guard Set(ids).count == 1, definition.hasPersonalTable == (ids.count == 2) else {
      throw refuse("both tables need an id of the same type")
    }
    switch definition.source {
    case .events(let filter):
      guard !definition.fill.isEmpty || !definition.fillOpened.isEmpty else { throw refuse("it has no section fill") }
      guard definition.removes.isEmpty == definition.removal.isEmpty else {
        throw refuse("`-- removes:` and the section remove belong together")
      }
      for name in definition.removes where catalog.type(String(name.prefix { $0 != "." })) == nil {
        throw refuse("the catalog has no resource type for the event \(name)")
      }
      guard case .named(let events, let types) = filter else { return }
      for name in types + events.map({ String($0.prefix { $0 != "." }) }) where catalog.type(name) == nil {
        throw refuse("the catalog has no resource type \(name)")
      }
      for type in catalog.types
      where types.contains(type.name) || events.contains(where: { $0.hasPrefix("\(type.name).") }) {
        for name in definition.needs {
          // Its newest value stands for the one that it had at the event.
          guard let field = type.field(name), !field.isImmutable else { continue }
          throw refuse("it needs \(name) of \(type.name), which is not immutable")
        }
      }
    case .state(let name):
      guard definition.removes.isEmpty, definition.removal.isEmpty else {
        throw refuse("only a read model of events removes rows")
      }
      guard let type = catalog.type(name), type.hasReadModel else {
        throw refuse("the catalog has no resource type \(name) with a read model")
      }
      guard definition.name == type.plural else {
        throw refuse("the read model of \(name) is to be named \(type.plural)")
      }
      try compare(definition.columns, expectedRows(type), "daybook.\(definition.name)", refuse)
      let personal = expectedPersonal(type)
      if personal.count > 1 || definition.hasPersonalTable {
        try compare(definition.personalColumns, personal, "personal.\(definition.name)", refuse)
      }
    }
  }

  /// The columns that the table of a type's states must have, in the order of a generated file, each with the SQL types
  /// that will do; the first of them is the generated one.
  static func expectedRows(_ type: ResourceType) -> [(String, [String])] {
    var expected: [(String, [String])] = [("id", ["uuid"]), ("number", ["bigint"])]
    if type.organization != .none { expected.append(("organization_id", ["uuid"])) }
    for field in type.fields {
      switch PostedType.place(of: field) {
      case .row:
        expected.append((field.name, sqlTypes(field)))
        if let folded = field.foldedColumn { expected.append((folded, ["text"])) }
      case .token: expected.append((field.name, ["text"]))
      case .personal, .hidden: break
      }
    }
    return expected + [
      ("created_by", ["uuid"]), ("created_at", ["timestamptz"]), ("updated_at", ["timestamptz"]),
      ("version", ["bigint"]),
      ("deleted_at", ["timestamptz"]),
    ]
  }

  /// The same of its table of personal columns, `id` included; that alone where the type has none.
  static func expectedPersonal(_ type: ResourceType) -> [(String, [String])] {
    var expected: [(String, [String])] = [("id", ["uuid"])]
    for field in type.fields where PostedType.place(of: field) == .personal {
      expected.append((field.name, sqlTypes(field)))
      if let folded = field.foldedColumn { expected.append((folded, ["text"])) }
    }
    return expected
  }

  private static func compare(
    _ columns: [SQLColumn], _ expected: [(String, [String])], _ table: String, _ refuse: (String) -> ProjectionError
  ) throws {
    for (name, types) in expected {
      guard let column = columns.first(where: { $0.name == name }) else {
        throw refuse("\(table) lacks the column \(name) of type \(types[0])")
      }
      guard types.contains(column.type) else {
        throw refuse(
          "\(table).\(name) is of type \(column.type), but the catalog's field needs \(types.joined(separator: " or "))"
        )
      }
    }
    for column in columns where !expected.contains(where: { $0.0 == column.name }) {
      throw refuse(
        "\(table) has the column \(column.name), which is no field of the catalog, or not one for this table")
    }
  }

  /// The SQL types that hold whatever the catalog lets a field hold.
  static func sqlTypes(_ field: Field) -> [String] {
    switch field.type {
    case .string, .slug, .email: field.maximumLength.map { ["varchar(\($0))", "text"] } ?? ["text"]
    case .text, .enum: ["text"]
    case .integer: ["integer", "bigint"]
    case .bigint: ["bigint"]
    case .float: ["double precision"]
    case .boolean: ["boolean"]
    case .timestamp: ["timestamptz"]
    case .json, .object, .list: ["jsonb"]
    case .tags: ["text[]"]
    case .reference, .uuid: ["uuid"]
    case .ip: ["inet"]
    }
  }

  /// The names in a folder, in order, but for hidden ones.
  static func names(in folder: String) throws -> [String] {
    guard let names = try FileSystem.names(in: folder) else {
      throw ProjectionError(FileError("read the folder", folder, code: ENOENT))
    }
    return names.filter { !$0.hasPrefix(".") }
  }

  /// The bytes of a file that must be there.
  static func read(_ path: String) throws -> [UInt8] {
    guard let bytes = try FileSystem.read(path) else { throw ProjectionError(FileError("read", path, code: ENOENT)) }
    return bytes
  }
}
