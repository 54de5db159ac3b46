import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Projections
import Refusals
import Testing

@testable import Queries

/// A person who is a member of two organizations, and everything personal that is held on them, each value changed
/// once.
struct RecipientWorld {
  /// A resource that holds personal data of the person.
  struct Thing {
    let type: ResourceType
    let id: String
    /// The position at which it had its former values.
    let former: UInt64
  }

  let world: AudienceWorld
  let things: [Thing]
  private let library: TestQueries

  init(_ library: TestQueries) async throws {
    self.library = library
    let start = Timestamp.now
    library.models.domain.clock.withLockedValue { $0 = start }
    world = try await AudienceWorld(library)
    let person = try #require(world.users["Both"])
    var things: [Thing] = []
    for type in library.engine.catalog.types where type.hasPersonalFields {
      let personal = type.fields.filter { $0.personal != nil }
      let settable = personal.filter(\.isAssignable)
      func values(_ mark: String) throws -> JSONObject {
        JSONObject(members: try settable.map { ($0.name, try Self.value(of: $0, mark)) })
      }
      let id: String
      switch type.name {
      case "user":
        id = person
        try await library.call("user.edit", try values("a").merging(["id": .string(id)]))
        try await library.engine.recordSignIn(
          of: try library.models.domain.principal(person), from: Origin(ip: "192.0.2.1"))
      default:
        // A new type with personal fields is one that names its person and belongs to an organization.
        id = try await library.make(
          type.name, try values("a").merging(["user_id": .string(person), "organization_id": .string(world.acme)]))
      }
      let former = library.log.head.position
      library.models.domain.clock.withLockedValue { $0 = start.adding(seconds: 3600) }
      try await library.call("\(type.name).edit", try values("b").merging(["id": .string(id)]))
      if type.name == "user" {
        try await library.engine.recordSignIn(
          of: try library.models.domain.principal(person), from: Origin(ip: "192.0.2.2"))
      }
      let state = try library.models.domain.state(id)
      for field in personal { #expect(state.fields[field.name] != nil, "\(type.name).\(field.name) has a value") }
      things.append(Thing(type: type, id: id, former: former))
    }
    self.things = things
    #expect(things.map(\.type.name) == ["user", "user_preferences"])
    try await settle()
  }

  /// Waits until the read models, and the roles of PostgreSQL, have everything.
  func settle() async throws {
    for _ in 0..<2 {
      _ = try await library.make("workspace", ["name": "w", "organization_id": .string(world.acme)])
      try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
    }
  }

  private static func value(of field: Field, _ mark: String) throws -> JSON {
    switch field.type {
    case .email: return .string("\(mark)@example.org")
    case .boolean: return .bool(mark == "a")
    case .json, .object: return ["mark": .string(mark)]
    case .string where field.name == "timezone": return mark == "a" ? "Europe/Berlin" : "Asia/Tokyo"
    default: return .string("\(mark)-\(field.name)".prefix(field.maximumLength ?? 100).description)
    }
  }

  // MARK: - The ways

  /// What a query answers; null where it is refused.
  private func ask(_ method: String, _ params: JSONObject, _ principal: Principal) async throws -> JSON {
    library.noted.withLockedValue { $0 = [] }
    do {
      return try await library.ask(method, params, as: principal)
    } catch let error as Refusal {
      #expect([.forbidden, .notFound].contains(error.code), "\(method): \(error)")
      return .null
    }
  }

  /// Checks that it was noted for a purpose that the person's data was shown, if and only if it was, and not to the
  /// person.
  private func checkNoted(
    _ purpose: ReadNote.Purpose, _ thing: Thing, _ principal: Principal, where isShown: (Field) -> Bool
  ) throws {
    let person = try #require(world.users["Both"].flatMap { Identifier($0) })
    let noted = library.noted.withLockedValue { $0 }
    let purposes = noted.compactMap { note -> ReadNote.Purpose? in
      guard case .persons(let persons, let purpose) = note, persons.contains(person) else { return nil }
      #expect(Set(persons).count == persons.count)
      return purpose
    }
    let isShown = thing.type.fields.contains { $0.personal != nil && isShown($0) }
    #expect(
      purposes == (isShown && principal.subject != person ? [purpose] : []),
      "\(purpose) of \(thing.type.name) for \(principal.actor)")
  }

  func gets(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    let answer = try await ask("\(thing.type.name).get", ["id": .string(thing.id)], principal)
    try checkNoted(.profile, thing, principal) { isGiven(answer["item"]?[$0.name]) }
    return isGiven(answer["item"]?[field.name])
  }

  func getsAsItWas(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    let params: JSONObject = ["id": .string(thing.id), "as_of": .integer(Int64(thing.former))]
    let item = try await ask("\(thing.type.name).get", params, principal)["item"]
    try checkNoted(.history, thing, principal) { isGiven(item?[$0.name]) }
    return isGiven(item?[field.name])
  }

  func lists(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    try await listed(thing, field, [:], principal)
  }

  func listsAsItWas(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    try await listed(thing, field, ["as_of": .integer(Int64(thing.former))], principal)
  }

  private func listed(_ thing: Thing, _ field: Field, _ more: JSONObject, _ principal: Principal) async throws -> Bool {
    let answer = try await ask("\(thing.type.name).list", more.merging(["limit": 1000]), principal)
    let item = answer.items.first { $0["id"]?.stringValue == thing.id }
    try checkNoted(more.isEmpty ? .list : .history, thing, principal) { isGiven(item?[$0.name]) }
    return isGiven(item?[field.name])
  }

  /// Whether the resource is found by the field, and lists ordered by it: both, or neither.
  func finds(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    let found = try await ask(
      "\(thing.type.name).list", ["limit": 1000, "where": [field.name: ["is_null": false]]], principal)
    let isFound = found.items.contains { $0["id"]?.stringValue == thing.id }
    guard ListColumn(field: field, isPersonal: true).isOrdered else { return isFound }
    let ordered = try await ask("\(thing.type.name).list", ["limit": 1000, "order": .string(field.name)], principal)
    #expect(ordered.items.contains { $0["id"]?.stringValue == thing.id } == isFound, "\(field.name)")
    return isFound
  }

  func history(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    let answer = try await ask("\(thing.type.name).history", ["id": .string(thing.id), "limit": 1000], principal)
    try checkNoted(.history, thing, principal) { field in
      answer.items.contains { $0["changes"]?[field.name] != nil }
    }
    return answer.items.contains { $0["changes"]?[field.name] != nil }
  }

  func diff(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    let answer = try await ask("\(thing.type.name).diff", ["id": .string(thing.id), "from_version": 1], principal)
    try checkNoted(.history, thing, principal) { answer["changes"]?[$0.name] != nil }
    return answer["changes"]?[field.name] != nil
  }

  func audit(_ thing: Thing, _ field: Field, _ principal: Principal) async throws -> Bool {
    let answer = try await ask("audit.search", ["resource_id": .string(thing.id), "limit": 1000], principal)
    try checkNoted(.audit, thing, principal) { field in
      answer.items.contains { $0["changes"]?[field.name] != nil }
    }
    return answer.items.contains { $0["changes"]?[field.name] != nil }
  }

  private func isGiven(_ value: JSON?) -> Bool { value.map { !$0.isNull } ?? false }
}
