import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

@Suite struct ReferenceTests {
  @Test func `a reference must lead to something alive of the same organization`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let foreign = try await book.make("pipeline", ["name": "f", "organization_id": .string(other)])
    let mine = try await book.make("pipeline", ["name": "m", "organization_id": .string(acme)])
    for wrong in [foreign, acme, Identifier.version7(at: .now).text] {
      let error = try await book.refusal(
        "run.create", ["pipeline_id": .string(wrong), "organization_id": .string(acme)])
      #expect(error.paths == ["/pipeline_id"])
      #expect(error.message.contains("no pipeline of this id"))
    }
    try await book.call("pipeline.delete", ["id": .string(mine)])
    let error = try await book.refusal("run.create", ["pipeline_id": .string(mine), "organization_id": .string(acme)])
    #expect(error.message.contains("was deleted"))
  }

  @Test func `a user referred to is a member, unless an administrator says so`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let ann = try await book.member("ann", of: acme)
    let stranger = try await book.member("bob", of: other)
    let error = try await book.refusal(
      "pipeline.create", ["name": "p", "owner_id": .string(stranger.id)], as: ann.principal)
    #expect(error.paths == ["/owner_id"])
    try await book.call("pipeline.create", ["name": "p", "owner_id": .string(ann.id)], as: ann.principal)
    try await book.call(
      "pipeline.create", ["name": "q", "owner_id": .string(stranger.id), "organization_id": .string(acme)])
    try book.checkIndexes()
  }

  @Test func `deletion takes along what depends and names the cause`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(pipeline)])
    let task = try await book.make(by: "task_run.start", ["run_id": .string(run), "name": "t"])
    let alert = try await book.make(
      by: "alert.raise", ["run_id": .string(run), "message": "m", "organization_id": .string(acme)])
    let result = try await book.call("pipeline.delete", ["id": .string(pipeline), "reason": "clean up"])
    #expect(
      Set(result.eventNames) == ["pipeline.deleted", "run.deleted", "task_run.deleted", "alert.deleted"])
    #expect(result.eventNames.first == "pipeline.deleted")
    let cause = try #require(try book.records(of: pipeline).last?.header.id)
    let runDeleted = try #require(try book.records(of: run).last?.header)
    #expect(runDeleted.causation == cause)
    #expect(try book.records(of: task).last?.header.causation == runDeleted.id)
    #expect(try book.records(of: alert).last?.header.causation == runDeleted.id)
    for id in [pipeline, run, task, alert] { #expect(try book.state(id).isDeleted) }
    try book.checkIndexes()
  }

  @Test func `a protected reference refuses and names what still refers`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let credential = try await book.make(
      "credential", ["name": "c", "data": ["password": "x"], "organization_id": .string(acme)])
    let connection = try await book.make(
      "connection",
      ["name": "db", "type": "postgresql", "credential_id": .string(credential), "organization_id": .string(acme)])
    let error = try await book.refusal("credential.delete", ["id": .string(credential)])
    #expect(error.reason == "reference")
    #expect(error.data["referrers"] == [["resource_type": "connection", "id": .string(connection), "name": "db"]])
    try await book.call("connection.edit", ["id": .string(connection), "credential_id": nil])
    try await book.call("credential.delete", ["id": .string(credential)])
    try book.checkIndexes()
  }

  @Test func `deleting an organization takes everything along, though parts protect each other`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let owner = try await book.member("ann", of: acme, role: "owner")
    let credential = try await book.make(
      "credential", ["name": "c", "data": ["password": "x"], "organization_id": .string(acme)])
    try await book.call(
      "connection.create",
      [
        "name": "db", "type": "kafka", "credential_id": .string(credential), "organization_id": .string(acme),
        "owner_id": .string(owner.id),
      ])
    let result = try await book.call("organization.delete", ["id": .string(acme)])
    #expect(
      Set(result.eventNames) == [
        "organization.deleted", "membership.deleted", "credential.deleted", "connection.deleted",
      ])
    #expect(try !book.state(owner.id).isDeleted)
    try book.checkIndexes()
    try await book.organization("acme")
  }

  @Test func `deletion clears references that may be empty`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let connection = try await book.make(
      "connection", ["name": "db", "type": "kafka", "organization_id": .string(acme)])
    let run = try await book.make(
      "run", ["code": "1", "connection_id": .string(connection), "organization_id": .string(acme)])
    let result = try await book.call("connection.delete", ["id": .string(connection)])
    #expect(result.eventNames == ["connection.deleted", "run.edited"])
    let last = try #require(try book.records(of: run).last)
    #expect(last.body.set == ["connection_id": nil])
    #expect(last.body.was == ["connection_id": .string(connection)])
    let cause = try book.records(of: connection).last?.header.id
    #expect(last.header.causation == cause)
    try book.checkIndexes()
  }

  @Test func `a user who is referred to twice by one resource is cleared in one event`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let alert = try await book.make(by: "alert.raise", ["message": "m", "organization_id": .string(acme)])
    try await book.call("alert.acknowledge", ["id": .string(alert)], as: ann.principal)
    try await book.call("alert.resolve", ["id": .string(alert)], as: ann.principal)
    #expect(try book.item(alert)["acknowledged_by"] == .string(ann.id))
    let result = try await book.call("user.delete", ["id": .string(ann.id)])
    #expect(Set(result.eventNames) == ["user.deleted", "membership.deleted", "alert.edited"])
    #expect(try book.item(alert)["resolved_by"] == JSON.null)
    try book.checkIndexes()
  }

  @Test func `a combination that must be unique is refused, and free again afterwards`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let error = try await book.refusal("organization.create", ["name": "x", "slug": "acme"])
    #expect(error.reason == "unique")
    #expect(error.data["fields"] == ["slug"])
    try await book.call("organization.edit", ["id": .string(acme), "slug": "acme2"])
    let next = try await book.organization("acme")
    #expect(try await book.refusal("organization.edit", ["id": .string(next), "slug": "acme2"]).reason == "unique")
    try await book.call("organization.delete", ["id": .string(next)])
    try await book.organization("acme")
    try book.checkIndexes()
  }

  @Test func `an email is unique in any case of its letters and in the whole service`() async throws {
    let book = try TestDomain()
    let user = try await book.make("user", ["email": "Ann@Example.org", "username": "ann"])
    #expect(try await book.refusal("user.create", ["email": "aNN@example.ORG"]).reason == "unique")
    #expect(try await book.refusal("user.create", ["email": "b@example.org", "username": "ann"]).reason == "unique")
    try await book.call("user.create", ["email": "b@example.org", "username": "ANN"])
    try await book.call("user.edit", ["id": .string(user), "email": "ann@example.org"])
    try book.checkIndexes()
  }

  @Test func `a platform's own constraint binds only its organizations`() async throws {
    let book = try TestDomain()
    let free = try await book.organization("free")
    let django = try await book.organization("django", platform: "django_etl")
    let credential = try await book.make(
      "credential", ["name": "k", "data": ["key": "v"], "organization_id": .string(django)])
    for organization in [free, free] {
      try await book.call(
        "connection.create", ["name": "db", "type": "kafka", "organization_id": .string(organization)])
    }
    let connector: JSONObject = [
      "name": "db", "type": "database", "credential_id": .string(credential), "organization_id": .string(django),
      "config": [:],
    ]
    try await book.call("connection.create", connector)
    let error = try await book.refusal("connection.create", connector)
    #expect(error.data["fields"] == ["organization_id", "name"])
    try book.checkIndexes()
  }
}
