import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Records
import Refusals
import TestBasics
import Testing

/// What becomes of resources when the catalog changes under them.
@Suite struct CatalogChangeTests {
  /// The real catalog with words of one of its files changed.
  private func catalog(_ file: String, _ old: String, _ new: String) throws -> Catalog {
    let folder = FileManager.default.temporaryDirectory.path + "/daybook-schema-\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: Repository.root + "/schema", toPath: folder)
    defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
    // They name fields that a test takes away.
    try FileManager.default.removeItem(atPath: folder + "/platforms")
    let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
    #expect(text.contains(old))
    try text.replacing(old, with: new).write(toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
    return try Catalog.load(folder: folder, knownBehaviours: CommandEngine.knownBehaviours)
  }

  private func withPriority(_ field: String) throws -> Catalog {
    try catalog("alert.yaml", "  alert_type:\n", "  priority: {\(field)}\n  alert_type:\n")
  }

  private static let urgency = "type: enum, values: [low, normal, high], required: true, default: normal"

  private func engine(_ catalog: Catalog, _ book: TestDomain) throws -> CommandEngine {
    try CommandEngine(catalog: catalog, log: book.log, vault: book.vault)
  }

  private func call(
    _ engine: CommandEngine, _ method: String, _ params: JSONObject
  ) async throws -> JSONObject {
    let result = try await engine.apply(method: method, params: params, principal: TestDomain.administrator)
    return try #require(try JSON.parse(result.resultBytes).objectValue)
  }

  private func makeAlerts(_ book: TestDomain, _ messages: [String]) async throws -> (
    organization: String, ids: [String]
  ) {
    let organization = try await book.organization("acme")
    var ids: [String] = []
    for message in messages {
      ids.append(
        try await book.make(
          "alert", ["organization_id": .string(organization), "message": .string(message), "level": "info"]))
    }
    return (organization, ids)
  }

  /// Verifies a copy of the log: one process opens a log once.
  private func expectSound(_ book: TestDomain) throws {
    let folder = book.folder.path + "/backup"
    _ = try EventLogBackup.make(of: book.log, into: folder)
    let report = try EventLogVerifier.verify(folder: folder + "/log")
    #expect(report.isHealthy, "\(report.problems)")
  }

  private func stored(_ book: TestDomain, through position: UInt64) throws -> [[UInt8]] {
    try book.log.read { snapshot in
      try snapshot.records(from: 1, limit: Int(position), maximumBytes: .max).map { $0.header + $0.body }
    }
  }

  @Test func `resources without a field that is required by now have its default, at every moment`() async throws {
    let book = try TestDomain()
    try await book.engine.recordCatalog()
    let (_, ids) = try await makeAlerts(book, ["first", "second", "third"])
    try await book.call("alert.delete", ["id": .string(ids[2])])
    let before = book.log.head.position
    let bytes = try stored(book, through: before)
    let engine = try engine(withPriority(Self.urgency), book)
    try await engine.recordCatalog()
    #expect(book.log.head.position == before + 1)
    #expect(try stored(book, through: before) == bytes, "no byte that was stored has changed")
    let recorded = try #require(try book.records(of: CommandEngine.catalogIdentifier.text).last)
    #expect(recorded.body.set["defaults"] == ["alert": ["priority": "normal"]])
    #expect(recorded.body.was["defaults"] == .null)
    let view = StateView(engine.rules)
    for id in ids {
      #expect(try book.state(id).fields["priority"] == "normal")
      #expect(try view.item(book.state(id))["priority"] == "normal")
      let identifier = try #require(Identifier(id))
      let then = try book.log.read { try $0.fold(identifier, through: before) }
      #expect(then?.fields["priority"] == "normal")
    }
    let same = try await call(engine, "alert.edit", ["id": .string(ids[0]), "priority": "normal"])
    #expect(same["events"] == [], "what it has already is no change")
    _ = try await call(engine, "alert.edit", ["id": .string(ids[0]), "priority": "high"])
    let edited = try #require(try book.records(of: ids[0]).last)
    #expect(edited.body.set == ["priority": "high"])
    #expect(edited.body.was == ["priority": "normal"])
    _ = try await call(engine, "alert.acknowledge", ["id": .string(ids[1])])
    let moved = try #require(try book.records(of: ids[1]).last)
    #expect(!moved.body.set.contains("priority"), "the default is no value that an event sets")
    #expect(try book.state(ids[1]).fields["priority"] == "normal")
    try expectSound(book)
  }

  @Test func `a default that was recorded stays when the catalog's default changes, and after a restart`() async throws
  {
    let book = try TestDomain()
    let (organization, ids) = try await makeAlerts(book, ["first"])
    try await engine(withPriority(Self.urgency), book).recordCatalog()
    let next = try engine(withPriority(Self.urgency.replacing("default: normal", with: "default: low")), book)
    try await next.recordCatalog()
    #expect(try book.state(ids[0]).fields["priority"] == "normal")
    let made = try await call(next, "alert.create", ["organization_id": .string(organization), "message": "new"])
    #expect(try book.state(try #require(made["id"]?.stringValue)).fields["priority"] == "low")
    // An engine over a log that was just opened knows what was recorded.
    book.log.stateDefaults = StateDefaults()
    #expect(try book.state(ids[0]).fields["priority"] == nil)
    _ = try engine(book.catalog, book)
    #expect(try book.state(ids[0]).fields["priority"] == "normal")
    // A word that only the recorded default holds is held.
    let without = try engine(withPriority("type: enum, values: [low, high], required: true, default: low"), book)
    let refused = await #expect(throws: Refusal.self) { try await without.recordCatalog() }
    #expect(
      refused?.data["contradictions"]?.arrayValue?.first?["problem"] == "alert.priority: a value is gone, but held")
  }

  @Test(arguments: [
    ("  priority: {type: text, required: true}\n", "priority: is required, but missing", "Give the field a default"),
    (
      "  priority: {type: text, required: true, default: x, secret: whole}\n", "priority: is required, but missing",
      "A default can't stand for what is sealed"
    ),
    ("", "message: is of type integer, but values of another type are held", "Add a field of another name"),
    ("", "message: holds texts of more than 3 characters", "Keep the longer limit"),
    ("", "message: is to be sealed, but values of it stand in the clear", "Add a field of another name"),
    ("", "level: a value is gone, but held", "Keep it among the values"),
    ("", "message: the field is gone, but values of it are held", "give null to alert.edit"),
  ])
  func `what can't be changed under resources says how to go about it`(
    _ added: String, _ problem: String, _ remedy: String
  ) async throws {
    let book = try TestDomain()
    _ = try await makeAlerts(book, ["first", "second"])
    let message = "  message: {type: text, required: true}\n"
    let level = "  level: {type: enum, values: [info, warning, error, critical]}\n"
    let next: Catalog
    if !added.isEmpty {
      next = try catalog("alert.yaml", message, message + added)
    } else if problem.hasPrefix("message: is of type") {
      next = try catalog("alert.yaml", message, "  message: {type: integer}\n")
    } else if problem.hasPrefix("message: holds") {
      next = try catalog("alert.yaml", message, "  message: {type: string, max: 3}\n")
    } else if problem.hasPrefix("message: is to be sealed") {
      next = try catalog("alert.yaml", message, "  message: {type: text, secret: whole}\n")
    } else if problem.hasPrefix("level") {
      next = try catalog("alert.yaml", level, "  level: {type: enum, values: [warning, error, critical]}\n")
    } else {
      next = try catalog("alert.yaml", message, "")
    }
    let before = book.log.head.position
    let engine = try engine(next, book)
    let error = await #expect(throws: Refusal.self) { try await engine.recordCatalog() }
    #expect(book.log.head.position == before)
    let told = error?.data["contradictions"]?.arrayValue ?? []
    #expect(told.count == 1 && told.first?["problem"] == .string("alert.\(problem)") && told.first?["count"] == 2)
    #expect(told.first?["remedy"]?.stringValue?.contains(remedy) == true)
    #expect(error?.message.contains(remedy) == true && error?.message.contains("(2 resources)") == true)
  }

  @Test func `a unique constraint with a default in it holds for resources that were there before`() async throws {
    let book = try TestDomain()
    let (organization, ids) = try await makeAlerts(book, ["first", "second"])
    let next = try catalog(
      "alert.yaml", "  alert_type:\n",
      "  priority: {\(Self.urgency)}\n  alert_type:\n"
    )
    let unique = try #require(next.type("alert")).unique
    #expect(unique.isEmpty, "this test gives the type its first constraint")
    let constrained = try constrain(next)
    let engine = try engine(constrained, book)
    try await engine.recordCatalog()
    let again: JSONObject = ["organization_id": .string(organization), "message": "first"]
    let taken = await #expect(throws: Refusal.self) {
      try await engine.apply(method: "alert.create", params: again, principal: TestDomain.administrator)
    }
    #expect(taken?.data["reason"] == "unique")
    _ = try await call(engine, "alert.edit", ["id": .string(ids[0]), "priority": "high"])
    _ = try await call(engine, "alert.create", again)
    try await engine.recordCatalog()
    try expectSound(book)
  }

  @Test func `a unique constraint that resources break is refused with their number`() async throws {
    let book = try TestDomain()
    _ = try await makeAlerts(book, ["same", "same", "other"])
    let engine = try engine(constrain(withPriority(Self.urgency)), book)
    let error = await #expect(throws: Refusal.self) { try await engine.recordCatalog() }
    let told = try #require(error?.data["contradictions"]?.arrayValue?.first)
    #expect(told["problem"] == "alert: several resources have the same organization_id and message and priority")
    #expect(told["count"] == 1)
    #expect(told["remedy"]?.stringValue?.contains("alert_message") == true)
  }

  /// The catalog with a constraint of alerts.
  private func constrain(_ catalog: Catalog) throws -> Catalog {
    let types = catalog.types.map { type in
      guard type.name == "alert" else { return type }
      return ResourceType(
        name: type.name, plural: type.plural, summary: type.summary, organization: type.organization,
        naturalKeys: type.naturalKeys, fields: type.fields,
        unique: [
          UniqueConstraint(
            name: "alert_message", fields: ["organization_id", "message", "priority"], ignoresCase: false,
            platforms: [])
        ], lifecycle: type.lifecycle, versionedContent: type.versionedContent, commands: type.commands,
        facts: type.facts, hasReadModel: type.hasReadModel)
    }
    return Catalog(types: types, revision: "constrained", source: [:])
  }
}
