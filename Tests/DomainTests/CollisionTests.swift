import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import Testing

/// What is unique in the whole service tells nobody cheaply or unseen what there is in other organizations.
@Suite struct CollisionTests {
  private struct Place {
    let book: TestDomain
    let start = Timestamp.now
    let acme: String
    let mal: (id: String, principal: Principal)

    /// Mal owns Acme; in another organization there is somebody hidden.
    init() async throws {
      book = try TestDomain()
      let start = start
      book.clock.withLockedValue { $0 = start }
      acme = try await book.organization("acme")
      mal = try await book.member("mal", of: acme, role: "owner")
      let other = try await book.organization("secret")
      try await book.call(
        "user.create",
        [
          "email": "hidden@example.org", "username": "hidden", "organization_id": .string(other),
        ])
    }

    /// The refusal of a command, which may leave a record behind.
    func refusal(_ method: String, _ params: JSONObject) async throws -> Refusal? {
      do {
        try await book.call(method, params, as: mal.principal)
        return nil
      } catch let refusal as Refusal { return refusal }
    }

    /// Who is recorded to have asked for what is taken, once all that was submitted is decided.
    func recorded() async throws -> [(actor: String, method: JSON?)] {
      let head = "\(book.log.head.position)"
      try await book.call("organization.edit", ["id": .string(acme), "description": .string(head)])
      return try await book.log.records(from: 1, limit: 1000, maximumBytes: 1 << 24).compactMap { record in
        let header = try record.parsedHeader()
        return header.event == "session.collided" ? (header.actor, try record.parsedBody().data["method"]) : nil
      }
    }
  }

  @Test func `a dry run says the same of what is taken elsewhere and of what is free`() async throws {
    let place = try await Place()
    let id: JSONObject = ["id": .string(place.mal.id), "dry_run": true]
    func answer(_ method: String, _ params: JSONObject) async throws -> [String] {
      try await place.book.call(method, params, as: place.mal.principal).eventNames
    }
    for (field, taken, free) in [("email", "hidden@example.org", "free@example.org"), ("username", "hidden", "free")] {
      #expect(try await answer("user.edit", id.merging([field: .string(taken)])) == ["user.edited"])
      #expect(try await answer("user.edit", id.merging([field: .string(free)])) == ["user.edited"])
    }
    for email in ["HIDDEN@example.org", "free@example.org"] {
      let made = try await answer("user.create", ["email": .string(email), "dry_run": true])
      #expect(made == ["user.created", "membership.created"])
    }
    let slug: JSONObject = ["id": .string(place.acme), "slug": "secret", "dry_run": true]
    #expect(try await answer("organization.edit", slug) == ["organization.edited"])
    let batch: JSONObject = [
      "dry_run": true,
      "commands": [["method": "user.create", "params": ["email": "hidden@example.org"]]],
    ]
    try await place.book.call("batch.apply", batch, as: place.mal.principal)
    #expect(try await place.recorded().isEmpty)
    // What the caller may see is told of as before, and all of it to administrators.
    let own = try await place.book.member("own", of: place.acme)
    #expect(
      try await place.book.refusal("user.edit", id.merging(["email": "own@example.org"]), as: place.mal.principal)
        .reason == "unique")
    #expect(
      try await place.book.refusal("user.edit", ["id": .string(own.id), "username": "hidden", "dry_run": true]).reason
        == "unique")
    try place.book.checkIndexes()
  }

  @Test func `what is taken elsewhere stays so, is told without detail, and recorded with who asked`() async throws {
    let place = try await Place()
    let foreign = try await place.book.make(
      "pipeline", ["name": "p", "organization_id": .string(try await place.book.organization("third"))])
    let asked: [(String, JSONObject)] = [
      ("user.edit", ["id": .string(place.mal.id), "email": "hidden@example.org"]),
      ("user.create", ["email": "Hidden@example.org"]),
      ("user.create", ["email": "x@example.org", "username": "hidden"]),
      ("organization.edit", ["id": .string(place.acme), "slug": "secret"]),
      ("pipeline.create", ["id": .string(foreign), "name": "q"]),
      ("pipeline.create", ["id": .string(foreign), "name": "q", "dry_run": true]),
      ("batch.apply", ["commands": [["method": "user.create", "params": ["email": "hidden@example.org"]]]]),
    ]
    var messages: Set<String> = []
    for (method, params) in asked {
      let refusal = try #require(try await place.refusal(method, params))
      messages.insert(refusal.message)
      #expect(refusal.code == .conflict && refusal.reason == "taken")
      #expect(refusal.data.allSatisfy { $0.key == "reason" || $0.key == "index" }, "\(refusal.data)")
    }
    #expect(messages.count == 1)
    let recorded = try await place.recorded()
    #expect(recorded.map(\.method) == asked.map { .string($0.0) })
    #expect(recorded.allSatisfy { $0.actor == "user:\(place.mal.id)" })
    #expect(try !place.book.everything().contains("hidden"))
    try place.book.checkIndexes()
  }

  @Test func `who meets too much that is taken learns nothing more within the hour`() async throws {
    let place = try await Place()
    let id: JSONObject = ["id": .string(place.mal.id)]
    func ask(_ email: String) async throws -> Refusal? {
      try await place.refusal("user.edit", id.merging(["email": .string(email)]))
    }
    for _ in 0..<10 { #expect(try await ask("hidden@example.org")?.reason == "taken") }
    for email in ["hidden@example.org", "free@example.org"] {
      let refusal = try #require(try await ask(email))
      #expect(refusal.code == .overloaded && refusal.data["retry_after_ms"] == 3_600_000)
    }
    #expect(try await place.refusal("user.edit", id.merging(["full_name": "Mal"])) == nil)
    #expect(try await place.recorded().count == 10)
    let start = place.start
    place.book.clock.withLockedValue { $0 = start.adding(seconds: 3600) }
    #expect(try await ask("free@example.org") == nil)
  }
}
