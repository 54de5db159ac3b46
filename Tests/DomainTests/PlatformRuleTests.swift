import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// Every length, word list, NOT NULL, CHECK, UNIQUE and ON DELETE rule that the
/// platforms' documents state, tried one by one.
@Suite struct PlatformRuleTests {
  private static let names = ["etl_builder", "django_etl", "data_aggregator", "mecapy", "etlab"]

  private static let sparkConfigurations: [String: JSON] = [
    "local": ["master": "local[*]"], "standalone": ["master": "spark://host:7077"], "yarn": ["master": "yarn"],
    "kubernetes": ["master": "k8s://https://host:6443", "namespace": "n", "image": "i"],
    "databricks": ["host": "https://x.example.com", "token": "t", "cluster_id": "c"],
    "livy": ["url": "http://livy:8998"],
  ]

  private func type(of table: PlatformTable) -> String { table.resource ?? "" }

  /// Rows that no `create` makes: by what else they come about is tested where that is.
  private static let withoutCreate: Set<String> = ["calculation_file"]

  /// A book, and what makes rows of a platform in it.
  private struct Ground {
    let book: TestDomain
    let platform: Platform
    let maker: ResourceMaker

    init(_ name: String) async throws {
      let book = try TestDomain()
      self.book = book
      platform = try #require(book.catalog.platform(name))
      maker = try await ResourceMaker(platform, catalog: book.catalog) { try await book.call($0, $1) }
    }
  }

  /// Runs something for each column that a caller sets by `create`.
  private func eachColumn(
    _ ground: Ground, _ body: (PlatformTable, PlatformColumn, Field, JSONObject) async throws -> Void
  ) async throws {
    for table in ground.platform.tables {
      guard let type = table.resource.flatMap({ ground.book.catalog.type($0) }),
        !Self.withoutCreate.contains(type.name)
      else { continue }
      for column in table.columns where column.isEnforced {
        guard case .field(let name) = column.source, let field = type.field(name), field.isAssignable else { continue }
        try await body(table, column, field, try await ground.maker.parameters(for: table))
      }
    }
  }

  @Test(arguments: names)
  func `a text longer than its documented column is refused by the field's name, and one as long is taken`(
    platform: String
  ) async throws {
    let ground = try await Ground(platform)
    var tried = 0
    try await eachColumn(ground) { table, column, field, params in
      guard let limit = column.maximumLength, [.string, .text, .slug].contains(field.type), limit < 5_000,
        field.name != "file_hash"
      else { return }
      var params = params
      params[field.name] = .string(String(repeating: "x", count: limit + 1))
      let error = try await ground.book.refusal("\(table.resource ?? "").create", params)
      #expect(error.paths == ["/\(field.name)"], "\(table.name).\(column.name): \(error.message)")
      tried += 1
      // Where only some words are allowed, or the name of a time zone, none is that long.
      guard column.values.isEmpty, field.name != "timezone" else { return }
      params[field.name] = .string(String(repeating: "x", count: limit))
      params["dry_run"] = true
      _ = try await ground.book.call("\(table.resource ?? "").create", params)
    }
    #expect(tried > 3)
  }

  @Test(arguments: names)
  func `a word that the document doesn't list is refused by the field's name`(platform: String) async throws {
    let ground = try await Ground(platform)
    var tried = 0
    try await eachColumn(ground) { table, column, field, params in
      guard !column.values.isEmpty else { return }
      let foreign = field.values.filter { !column.values.contains(column.words[$0] ?? $0) }
      for word in foreign + ["no_such_word"] {
        var params = params
        params[field.name] = .string(word)
        // Shapes that Spark's own types ask of a configuration, so that only the word is wrong.
        if type(of: table) == "connection" { params["config"] = Self.sparkConfigurations[word] ?? [:] }
        let error = try await ground.book.refusal("\(table.resource ?? "").create", params)
        #expect(error.paths.contains("/\(field.name)"), "\(table.name).\(column.name) \(word): \(error.message)")
        tried += 1
      }
    }
    #expect(tried > 0 || platform == "mecapy")
  }

  @Test(arguments: names)
  func `what the document says is never null is asked for by the field's name`(platform: String) async throws {
    let ground = try await Ground(platform)
    var tried = 0
    try await eachColumn(ground) { table, column, field, params in
      guard column.isNotNull, field.defaultValue == nil || column.isAsked else { return }
      var params = params
      params[field.name] = .none
      let error = try await ground.book.refusal("\(table.resource ?? "").create", params)
      #expect(error.paths.contains("/\(field.name)"), "\(table.name).\(column.name): \(error.message)")
      tried += 1
    }
    #expect(tried > 3)
  }

  @Test(arguments: names)
  func `a number below its documented least is refused by the field's name`(platform: String) async throws {
    let ground = try await Ground(platform)
    try await eachColumn(ground) { table, column, field, params in
      guard let minimum = column.minimum else { return }
      var params = params
      params[field.name] = field.type == .float ? .number(minimum - 0.5) : .integer(Int64(minimum) - 1)
      let error = try await ground.book.refusal("\(table.resource ?? "").create", params)
      #expect(error.paths == ["/\(field.name)"], "\(table.name).\(column.name): \(error.message)")
    }
  }

  @Test(arguments: names)
  func `a second row of the same unique columns is refused and names them`(platform: String) async throws {
    let ground = try await Ground(platform)
    for table in ground.platform.tables {
      guard let type = table.resource.flatMap({ ground.book.catalog.type($0) }) else { continue }
      let single = table.columns.filter(\.isUnique).map { [$0.name] }
      for columns in table.unique + single {
        let fields = columns.compactMap { name -> String? in
          guard case .field(let field)? = table.column(name)?.source else { return nil }
          return field
        }
        // Ids and hashes are unique by the way they are made.
        guard fields.count == columns.count, !fields.contains("id"),
          fields.allSatisfy({ type.field($0)?.secret != .hash })
        else { continue }
        let declared = type.unique.contains { constraint in
          (constraint.platforms.isEmpty || constraint.platforms.contains(platform))
            && Set(constraint.fields).subtracting(["organization_id"]) == Set(fields).subtracting(["organization_id"])
        }
        #expect(declared, "\(table.name) is unique by \(columns), but \(type.name) is not")
        guard declared, fields.allSatisfy({ type.field($0)?.isAssignable ?? true }),
          !Self.withoutCreate.contains(type.name)
        else { continue }
        var first = try await ground.maker.parameters(for: table)
        for field in fields where first[field] == nil {
          guard let declaration = type.field(field) else { continue }
          first[field] = try await ground.maker.value(for: declaration, nil)
        }
        if type.name == "membership" { first["user_id"] = .string(try await ground.maker.make("user")) }
        var second = try await ground.maker.parameters(for: table)
        for field in fields { second[field] = first[field] }
        if type.name == "membership" {
          // The user came with a membership of their own.
          first = second
        } else {
          _ = try await ground.maker.create(type.name, first)
        }
        let error = try await ground.book.refusal("\(type.name).create", second)
        #expect(error.reason == "unique", "\(table.name) \(columns): \(error.message)")
        let named = Set((error.data["fields"]?.arrayValue ?? []).compactMap(\.stringValue))
        #expect(Set(fields).subtracting(["organization_id"]).isSubset(of: named), "\(table.name) \(columns)")
      }
    }
  }

  @Test(arguments: names)
  func `a deletion does what the document's ON DELETE says`(platform: String) async throws {
    let ground = try await Ground(platform)
    var tried = 0
    for table in ground.platform.tables {
      guard let type = table.resource.flatMap({ ground.book.catalog.type($0) }) else { continue }
      for column in table.columns {
        guard let rule = column.onDelete, case .field(let name) = column.source else { continue }
        if name == "created_by" || name == "organization_id" { continue }
        let field = try #require(type.field(name), "\(table.name).\(column.name)")
        // A step lives inside the pipeline's versions, of which none is ever lost:
        // nothing can be deleted that protects it.
        if name == "step_id" { continue }
        let reference = try #require(field.reference, "\(table.name).\(column.name) is no reference")
        #expect(reference.onDelete == rule, "\(table.name).\(column.name): the catalog says \(reference.onDelete)")
        guard field.isAssignable, reference.onDelete == rule else { continue }
        let target: String
        var params = try await ground.maker.parameters(for: table)
        if reference.types == ["user"] {
          target = try await ground.maker.make("user")
          params[name] = .string(target)
        } else {
          if params[name] == nil { params[name] = try await ground.maker.value(for: field, column) }
          target = try #require(params[name]?.stringValue)
        }
        if type.name == "membership" { continue }
        let id = try await ground.maker.create(type.name, params)
        let kind = reference.types.last ?? ""
        switch rule {
        case .cascade:
          let result = try await ground.book.call("\(kind).delete", ["id": .string(target)])
          #expect(result.eventNames.contains("\(type.name).deleted"), "\(table.name).\(column.name)")
          #expect(try ground.book.state(id).isDeleted)
        case .restrict:
          let error = try await ground.book.refusal("\(kind).delete", ["id": .string(target)])
          #expect(error.reason == "reference", "\(table.name).\(column.name): \(error.message)")
          let referrers = (error.data["referrers"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
          #expect(referrers.contains(id), "\(table.name).\(column.name)")
        case .clear:
          try await ground.book.call("\(kind).delete", ["id": .string(target)])
          #expect(try ground.book.state(id).fields[name] == nil, "\(table.name).\(column.name)")
          #expect(try !ground.book.state(id).isDeleted)
        }
        tried += 1
      }
    }
    #expect(tried > 0)
    try ground.book.checkIndexes()
  }

  @Test func `states that a platform's document doesn't know can't be reached there`() async throws {
    let book = try TestDomain()
    let builder = try await book.organization("b", platform: "etl_builder")
    let pipeline = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(builder), "config": ["nodes": []]])
    try await book.call("pipeline.publish", ["id": .string(pipeline)])
    let deprecated = try await book.refusal("pipeline.deprecate", ["id": .string(pipeline)])
    #expect(deprecated.paths == ["/status"])
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(pipeline), "trigger_type": "manual"])
    let timedOut = try await book.refusal("run.finish", ["id": .string(run), "status": "timeout"])
    #expect(timedOut.paths == ["/status"])
    try await book.call("run.finish", ["id": .string(run), "status": "failed"])
    let django = try await book.organization("d", platform: "django_etl")
    let other = try await book.make("pipeline", ["name": "p", "organization_id": .string(django), "config": [:]])
    let archived = try await book.refusal("pipeline.archive", ["id": .string(other)])
    #expect(archived.paths == ["/status"])
    let free = try await book.organization("f")
    let any = try await book.make("pipeline", ["name": "p", "organization_id": .string(free)])
    try await book.call("pipeline.publish", ["id": .string(any)])
    try await book.call("pipeline.deprecate", ["id": .string(any)])
  }

  @Test func `whoever made something that a document ties to its maker can't be deleted, elsewhere they can`()
    async throws
  {
    let book = try TestDomain()
    let builder = try await book.organization("b", platform: "etl_builder")
    let free = try await book.organization("f")
    let params: JSONObject = ["email": "a@example.org", "username": "ann", "role": "developer"]
    let ann = try await book.make("user", params)
    for organization in [builder, free] {
      try await book.call("membership.create", ["user_id": .string(ann), "organization_id": .string(organization)])
    }
    let principal = try book.principal(ann)
    try await book.call("pipeline.create", ["name": "p", "organization_id": .string(free)], as: principal)
    let made = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(builder), "config": [:]], as: principal)
    let error = try await book.refusal("user.delete", ["id": .string(ann)])
    #expect(error.reason == "reference")
    #expect(error.data["referrers"] == [["resource_type": "pipeline", "id": .string(made), "name": "p"]])
    try book.checkIndexes()
    try await book.call("pipeline.delete", ["id": .string(made)])
    try await book.call("user.delete", ["id": .string(ann)])
    try book.checkIndexes()
  }

  @Test func `whoever joins has what the platform's table of users demands, and keeps it`() async throws {
    let book = try TestDomain()
    let builder = try await book.organization("b", platform: "etl_builder")
    let user = try await book.make("user", ["email": "a@example.org"])
    let refused = try await book.refusal(
      "membership.create", ["user_id": .string(user), "organization_id": .string(builder)])
    #expect(refused.paths == ["/user_id"])
    let created = try await book.refusal(
      "user.create", ["email": "b@example.org", "organization_id": .string(builder)])
    #expect(created.paths == ["/username"])
    try await book.call("user.edit", ["id": .string(user), "username": "ann"])
    try await book.call("membership.create", ["user_id": .string(user), "organization_id": .string(builder)])
    let cleared = try await book.refusal("user.edit", ["id": .string(user), "username": nil])
    #expect(cleared.paths == ["/username"])
    let long = try await book.refusal(
      "user.edit", ["id": .string(user), "username": .string(String(repeating: "u", count: 101))])
    #expect(long.paths == ["/username"])
  }
}
