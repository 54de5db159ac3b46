import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Records
import Refusals
import Testing

/// A program that acts for people has the rights that it and the person have, and both are on record.
@Suite struct DelegationTests {
  /// Acme has an owner, Olga, a developer, Dan, and a viewer, Vic; Olga has made a key that acts for people.
  private struct Place {
    let book: TestDomain
    let acme: String
    let olga: (id: String, principal: Principal)
    let dan: (id: String, principal: Principal)
    let vic: (id: String, principal: Principal)
    let key: (id: String, principal: Principal)

    init(_ permissions: JSON = ["pipelines": ["read", "write"]], platform: String? = nil) async throws {
      book = try TestDomain()
      acme = try await book.organization("acme", platform: platform)
      olga = try await book.member("olga", of: acme, role: "owner")
      dan = try await book.member("dan", of: acme)
      vic = try await book.member("vic", of: acme, platformRole: "viewer")
      key = try await Self.key(permissions, in: acme, as: olga.principal, book)
    }

    static func key(
      _ permissions: JSON, in organization: String, as maker: Principal, _ book: TestDomain, actsForPeople: Bool = true
    ) async throws -> (id: String, principal: Principal) {
      let made = try await book.call(
        "api_key.create",
        [
          "name": "portal", "organization_id": .string(organization), "permissions": permissions,
          "acts_for_people": .bool(actsForPeople),
        ], as: maker)
      let text = try #require(made["api_key"]?.stringValue)
      return (try #require(made["id"]?.stringValue), try #require(try book.engine.principal(forKey: text)))
    }

    /// A pipeline that the key makes for somebody.
    @discardableResult
    func make(_ name: String, for person: String, _ more: JSONObject = [:], by key: Principal? = nil) async throws
      -> JSONObject
    {
      try await book.call(
        "pipeline.create", more.merging(["name": .string(name), "on_behalf_of": .string(person)]),
        as: key ?? self.key.principal, from: Origin(ip: "192.0.2.1", userAgent: "portal/2"))
    }

    func refusal(_ method: String, _ params: JSONObject, for person: String) async throws -> Refusal {
      try await book.refusal(method, params.merging(["on_behalf_of": .string(person)]), as: key.principal)
    }
  }

  @Test func `nobody's key tries a password, for them or for another`() async throws {
    let place = try await Place([:])
    let book = place.book
    try await book.call(
      "user.set_password", ["id": .string(place.dan.id), "password": "correct horse battery staple"])
    for person in [place.dan.id, place.olga.id] {
      for current in ["correct horse battery staple", "a wrong guess of hers"] {
        let params: JSONObject = [
          "id": .string(person), "password": "another horse battery", "current_password": .string(current),
        ]
        let own = try await book.refusal("user.set_password", params, as: place.key.principal)
        #expect(own.code == .forbidden, "\(own)")
        let acting = try await place.refusal("user.set_password", params, for: person)
        #expect(acting.code == .forbidden, "\(acting)")
      }
    }
  }

  @Test func `the record names the key and the person, and where each was, sealed for the person`() async throws {
    let place = try await Place()
    let made = try await place.make(
      "p", for: place.dan.id, ["origin": ["ip": "203.0.113.7", "user_agent": "Firefox"], "reason": "for the launch"])
    let id = try #require(made["id"]?.stringValue)
    let record = try #require(try place.book.records(of: id).last)
    #expect(record.header.actor == "api_key:\(place.key.id)")
    #expect(record.header.onBehalfOf?.text == place.dan.id && record.header.person?.text == place.dan.id)
    #expect(record.header.isDone(by: "user:\(place.dan.id)") && !record.header.isDone(by: "user:\(place.olga.id)"))
    #expect(
      try place.book.view.origin(record.body.origin, resource: record.header.resource) == [
        "ip": "203.0.113.7", "user_agent": "Firefox", "via": ["ip": "192.0.2.1", "user_agent": "portal/2"],
      ])
    #expect(try place.book.item(id)["created_by"] == .string(place.dan.id), "what they made is theirs")
    let about = try place.book.log.read { try $0.positions(about: Identifier(place.dan.id)!, from: 1, limit: 1000) }
    let maker = try place.book.log.read { try $0.positions(about: Identifier(place.olga.id)!, from: 1, limit: 1000) }
    #expect(about.contains(record.header.position) && !maker.contains(record.header.position))
    // Without an origin the program's address doesn't stand for the person's.
    let second = try await place.make("q", for: place.dan.id)
    let other = try #require(try place.book.records(of: second["id"]?.stringValue ?? "").last)
    #expect(
      try place.book.view.origin(other.body.origin, resource: other.header.resource) == [
        "via": ["ip": "192.0.2.1", "user_agent": "portal/2"]
      ])
    // By itself, the key acts for its maker as before.
    let third = try await place.book.make("pipeline", ["name": "r"], as: place.key.principal)
    let own = try #require(try place.book.records(of: third).last)
    #expect(own.header.onBehalfOf == nil && own.header.person == nil)
    #expect(try place.book.item(third)["created_by"] == .string(place.olga.id))
  }

  @Test func `a person may be named by their e-mail address in any case`() async throws {
    let place = try await Place()
    let id = try #require(try await place.make("p", for: "DAN@example.org")["id"]?.stringValue)
    #expect(try place.book.records(of: id).last?.header.onBehalfOf?.text == place.dan.id)
    for faulty: JSON in ["dan", 7, ["id": "x"], ""] {
      let refused = try await place.book.refusal(
        "pipeline.create", ["name": "p", "on_behalf_of": faulty], as: place.key.principal)
      #expect(refused.code == .invalidParams || refused.code == .notFound, "\(refused)")
    }
  }

  @Test func `both need the right, and the refusal names both`() async throws {
    let place = try await Place()
    let viewer = try await place.refusal("pipeline.create", ["name": "p"], for: place.vic.id)
    #expect(viewer.code == .forbidden && viewer.data["permission"] == "pipelines:write")
    #expect(viewer.data["actor"] == .string("api_key:\(place.key.id)"))
    #expect(viewer.data["on_behalf_of"] == .string(place.vic.id))
    #expect(viewer.message.contains("the person doesn't") && viewer.message.contains(place.vic.id))
    #expect(viewer.message.contains(place.key.id))
    let key = try await place.refusal(
      "connection.create", ["name": "c", "type": "api", "config": [:]], for: place.dan.id)
    #expect(key.code == .forbidden && key.message.contains("The key doesn't have the permission connections:write"))
    // An owner gives the key nothing that it lacks.
    let owner = try await place.refusal("credential.create", ["name": "c", "data": ["a": 1]], for: place.olga.id)
    #expect(owner.code == .forbidden)
    try await place.book.call(
      "membership.edit", ["id": .string(try place.book.membership(of: place.dan.id)), "role": "admin"])
    try await place.make("p", for: place.dan.id)
  }

  @Test func `only a key that was given the right acts for anybody`() async throws {
    let place = try await Place()
    let plain = try await Place.key(
      ["*": ["read", "write", "execute", "admin"]], in: place.acme, as: place.olga.principal, place.book,
      actsForPeople: false)
    let params: JSONObject = ["name": "p", "on_behalf_of": .string(place.dan.id)]
    for principal in [plain.principal, place.olga.principal, TestDomain.administrator] {
      let refused = try await place.book.refusal("pipeline.create", params, as: principal)
      #expect(refused.code == .forbidden && refused.data["permission"] == "acts_for_people", "\(refused)")
    }
    // No key gives the right, nor changes a key that has it.
    for (method, more): (String, JSONObject) in [
      ("api_key.create", ["name": "k", "acts_for_people": true]),
      ("api_key.edit", ["id": .string(plain.id), "acts_for_people": true]),
      ("api_key.edit", ["id": .string(place.key.id), "name": "mine"]),
    ] {
      let refused = try await place.book.refusal(method, more, as: plain.principal)
      #expect(refused.code == .forbidden && refused.message.contains("Only a person"), "\(method) \(refused)")
    }
    // It goes with the rank of who made the key, and comes back with it.
    let olga: JSON = .string(try place.book.membership(of: place.olga.id))
    try await place.book.member("other", of: place.acme, role: "owner")
    try await place.book.call("membership.edit", ["id": olga, "role": "member"])
    #expect(try await place.refusal("pipeline.create", ["name": "p"], for: place.dan.id).code == .forbidden)
    try await place.book.call("membership.edit", ["id": olga, "role": "admin"])
    try await place.make("p", for: place.dan.id)
    try await place.book.call(
      "api_key.edit", ["id": .string(place.key.id), "acts_for_people": false], as: place.book.principal(place.olga.id))
    #expect(try await place.refusal("pipeline.create", ["name": "q"], for: place.dan.id).code == .forbidden)
  }

  @Test func `nobody of another organization, unknown, erased, deleted or deactivated is acted for`() async throws {
    let place = try await Place()
    let other = try await place.book.organization("other")
    let eve = try await place.book.member("eve", of: other)
    let unknown = Identifier.version7(at: .now).text
    var refusals: [Refusal] = []
    for person in [eve.id, unknown] {
      let refused = try await place.refusal("pipeline.create", ["name": "p"], for: person)
      #expect(refused.code == .notFound && refused.data["id"] == .string(person))
      refusals.append(refused)
    }
    #expect(Set(refusals.map(\.message)).count == 1, "nothing tells which of them exists")
    let addresses = ["eve@example.org", "nobody@example.org"]
    let byAddress = try await addresses.mapInOrder {
      try await place.refusal("pipeline.create", ["name": "p"], for: $0)
    }
    #expect(byAddress[0] == byAddress[1] && byAddress[0].code == .notFound)
    #expect(!"\(byAddress[0].json.canonicalString)".contains("@"), "an address is never repeated")

    // Resolved before, and decided after.
    let prepared = try place.book.engine.prepare(
      method: "pipeline.create", params: ["name": "late", "on_behalf_of": .string(place.vic.id)],
      principal: place.key.principal, origin: Origin())
    try await place.book.call("user.deactivate", ["id": .string(place.dan.id)])
    let refused = try await place.refusal("pipeline.create", ["name": "p"], for: place.dan.id)
    #expect(refused.code == .conflict && refused.data["from"] == "deactivated")
    #expect(refused.message.contains(place.dan.id) && refused.message.contains(place.key.id))
    try await place.book.call("user.delete", ["id": .string(place.vic.id)])
    #expect(try await place.refusal("pipeline.create", ["name": "p"], for: place.vic.id).code == .notFound)
    let before = place.book.log.head.position
    let late = await withCheckedContinuation { continuation in
      place.book.engine.submit(prepared, on: nil) { continuation.resume(returning: $0) }
    }
    #expect(throws: Refusal.self) { try late.get() }
    #expect(place.book.log.head.position == before)
  }

  @Test func `what only a person may do themselves, or an office, no program does for them`() async throws {
    let place = try await Place(["*": ["read", "write", "execute", "admin"]])
    let officer = try await place.book.member("officer", of: place.acme, platformRole: "officer")
    let chief = try await place.book.member("chief", of: place.acme, platformRole: "admin")
    let dan: JSON = .string(place.dan.id)
    for (method, params, person): (String, JSONObject, String) in [
      ("subject.erase", ["id": dan, "reason": "r"], officer.id),
      ("subject.restrict", ["id": dan, "reason": "r"], officer.id),
      ("legal_hold.place", ["held_id": dan, "name": "h", "reason": "r"], officer.id),
      ("organization.create", ["name": "n", "slug": "n"], chief.id),
      ("user.edit", ["id": dan, "role": "admin"], chief.id),
      ("user.edit", ["id": dan, "is_staff": true], chief.id),
      ("subject.request_erasure", ["id": dan], place.dan.id),
      ("user.edit", ["id": dan, "email": "taken@example.org"], place.dan.id),
    ] {
      let refused = try await place.refusal(method, params, for: person)
      #expect([.forbidden, .notFound].contains(refused.code), "\(method) \(refused)")
    }
    let invited = try await place.book.organization("inviting")
    let boss = try await place.book.member("boss", of: invited, role: "owner")
    _ = try await place.book.call(
      "membership.create", ["user_id": dan, "organization_id": .string(invited), "is_guest": true])
    let invitation = try await place.book.make(
      by: "membership.create", ["user_id": dan, "organization_id": .string(invited)], as: boss.principal)
    #expect(
      [.forbidden, .notFound].contains(
        try await place.refusal("invitation.accept", ["id": .string(invitation)], for: place.dan.id).code))
  }

  @Test func `in ETLab a program reaches what the person's places let them reach`() async throws {
    let place = try await Place(["*": ["read", "write", "execute"]], platform: "etlab")
    let workspace = try await place.book.make("workspace", ["name": "w"], as: place.dan.principal)
    let page: JSONObject = ["name": "page", "kind": "page", "workspace_id": .string(workspace)]
    let made = try await place.book.call(
      "pipeline.create", page.merging(["on_behalf_of": .string(place.dan.id)]), as: place.key.principal)
    #expect(made.eventNames.first == "pipeline.created")
    let refused = try await place.refusal("pipeline.create", page.merging(["name": "other"]), for: place.vic.id)
    #expect([.notFound, .forbidden].contains(refused.code), "who has no place there: \(refused)")
    let own = try await place.book.make(
      by: "workspace.create", ["name": "mine", "on_behalf_of": .string(place.vic.id)], as: place.key.principal)
    #expect(try place.book.item(own)["owner_id"] == .string(place.vic.id))
  }

  @Test func `a batch is given for one person as a whole`() async throws {
    let place = try await Place()
    func command(_ name: String, _ more: JSONObject = [:]) -> JSON {
      ["method": "pipeline.create", "params": .object(more.merging(["name": .string(name)]))]
    }
    let done = try await place.book.call(
      "batch.apply",
      [
        "commands": [command("a"), command("b")], "on_behalf_of": .string(place.dan.id),
        "origin": ["ip": "2001:db8::1"],
      ], as: place.key.principal)
    #expect(done["results"]?.arrayValue?.count == 2)
    for result in done["results"]?.arrayValue ?? [] {
      let id = try #require(result["id"]?.stringValue)
      let record = try #require(try place.book.records(of: id).last)
      #expect(record.header.onBehalfOf?.text == place.dan.id)
      #expect(
        try place.book.view.origin(record.body.origin, resource: record.header.resource)["ip"] == "2001:db8::1")
    }
    let refused = try await place.book.refusal(
      "batch.apply", ["commands": [command("c", ["on_behalf_of": .string(place.dan.id)])]], as: place.key.principal)
    #expect(refused.code == .invalidParams && refused.message.contains("as a whole"), "\(refused)")
    let viewer = try await place.refusal("batch.apply", ["commands": [command("d")]], for: place.vic.id)
    #expect(viewer.code == .forbidden && viewer.data["on_behalf_of"] == .string(place.vic.id))
  }

  @Test func `an origin goes with a person, and is an address and a client`() async throws {
    let place = try await Place()
    let alone = try await place.book.refusal(
      "pipeline.create", ["name": "p", "origin": ["ip": "203.0.113.7"]], as: place.key.principal)
    #expect(alone.code == .invalidParams && alone.message.contains("on_behalf_of"), "\(alone)")
    for faulty: JSON in [
      ["ip": "here"], ["ip": 7], ["address": "203.0.113.7"], "203.0.113.7",
      ["user_agent": .string(String(repeating: "x", count: 501))],
    ] {
      let refused = try await place.refusal("pipeline.create", ["name": "p", "origin": faulty], for: place.dan.id)
      #expect(refused.code == .invalidParams, "\(faulty) \(refused)")
    }
  }

  @Test func `a command id is one request for one person, from wherever`() async throws {
    let place = try await Place()
    let id: JSONObject = ["command_id": "01990000-0000-7000-8000-00000000c0de"]
    let first = try await place.make("p", for: place.dan.id, id.merging(["origin": ["ip": "203.0.113.7"]]))
    let again = try await place.make("p", for: "dan@example.org", id.merging(["origin": ["ip": "203.0.113.8"]]))
    #expect(again["replayed"] == true && again["id"] == first["id"])
    for params: JSONObject in [
      id.merging(["name": "p"]), id.merging(["name": "p", "on_behalf_of": .string(place.olga.id)]),
    ] {
      let refused = try await place.book.refusal("pipeline.create", params, as: place.key.principal)
      #expect(refused.code == .conflict && refused.data["reason"] == "command", "\(refused)")
    }
  }

  @Test func `an erasure takes the person's address and client, and the ids stay`() async throws {
    let place = try await Place()
    let made = try await place.make(
      "p", for: place.dan.id, ["origin": ["ip": "203.0.113.7", "user_agent": "Firefox"], "reason": "why"])
    let id = try #require(made["id"]?.stringValue)
    let officer = try await place.book.make(
      "user", ["email": "dpo@example.org", "role": "officer", "is_staff": true])
    try await place.book.call(
      "subject.erase", ["id": .string(place.dan.id), "reason": "r"], as: place.book.principal(officer))
    let record = try #require(try place.book.records(of: id).last)
    #expect(try place.book.view.origin(record.body.origin, resource: record.header.resource) == ["erased": true])
    #expect(record.header.onBehalfOf?.text == place.dan.id)
    #expect(try await place.refusal("pipeline.create", ["name": "q"], for: place.dan.id).code == .notFound)
  }

  @Test func `the indexes are made anew from the records as they were`() async throws {
    let place = try await Place()
    try await place.make("p", for: place.dan.id, ["origin": ["ip": "203.0.113.7"]])
    let derivation = try place.book.log.read {
      try IndexDerivation.recorded(in: $0, vault: place.book.vault, otherwise: place.book.catalog)
    }
    let person = try #require(Identifier(place.dan.id))
    try place.book.log.read { snapshot in
      for position in 1...snapshot.head.position {
        guard let record = try snapshot.record(at: position) else { continue }
        let header = try record.parsedHeader()
        let derived = try derivation.subjects(header, record.parsedBody(), snapshot).contains(person)
        #expect(derived == (try snapshot.positions(about: person, from: position, limit: 1) == [position]), "\(header)")
      }
    }
  }
}

extension Sequence {
  fileprivate func mapInOrder<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await transform(element)) }
    return results
  }
}
