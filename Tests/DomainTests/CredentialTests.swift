import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Testing

/// Credentials in use, their rotations, and warnings before they expire.
@Suite struct CredentialTests {
  @Test func `a credential in use stays, and the refusal names what uses it`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "credential", ["name": "k", "data": ["key": "v"], "organization_id": .string(acme)])
    let connection = try await book.make(
      "connection",
      ["name": "uses it", "type": "s3", "credential_id": .string(id), "organization_id": .string(acme)])
    let error = try await book.refusal("credential.delete", ["id": .string(id)])
    #expect(error.reason == "reference")
    #expect(
      error.data["referrers"] == [["resource_type": "connection", "id": .string(connection), "name": "uses it"]])
    try await book.call("connection.edit", ["id": .string(connection), "credential_id": nil])
    #expect(try await book.call("credential.delete", ["id": .string(id)]).eventNames == ["credential.deleted"])
  }

  @Test func `the history tells of rotations without their secrets`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "credential", ["name": "k", "data": ["key": "very-secret-1"], "organization_id": .string(acme)])
    for number in 2...3 {
      try await book.call(
        "credential.rotate",
        ["id": .string(id), "data": ["key": .string("very-secret-\(number)")], "reason": "every month"])
    }
    let records = try book.records(of: id)
    #expect(records.map(\.header.event) == ["credential.created", "credential.rotated", "credential.rotated"])
    for record in records.dropFirst() {
      let changes = try book.view.changes(
        type: "credential", resource: record.header.resource, set: record.body.set, was: record.body.was)
      #expect(changes["data"] == ["from": "********", "to": "********"])
      #expect(changes["rotated_at"]?["to"]?.stringValue != nil)
      #expect(try book.view.reason(record.body.reason, resource: record.header.resource) == "every month")
    }
    #expect(try !book.everything().contains("very-secret"))
  }

  @Test func `an organization is told once for each date that a credential expires`() async throws {
    let book = try TestDomain()
    let start = try #require(Timestamp("2026-03-01T00:00:00Z"))
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let expiry: JSON = "2026-03-20T00:00:00.000000Z"
    let id = try await book.make(
      "credential",
      ["name": "warehouse", "data": ["key": "v"], "expires_at": expiry, "organization_id": .string(acme)])
    func warn() async throws -> JSONObject {
      try await book.call("credential.warn_expiry", ["id": .string(id)], as: .server)
    }
    #expect(try await warn()["events"] == [], "it is too early")
    book.clock.withLockedValue { $0 = start.adding(seconds: 6 * 86_400) }
    let warned = try await warn()
    #expect(warned.eventNames == ["credential.expiry_warned", "notification.notified"])
    #expect(try book.item(id)["expiry_warned_for"] == expiry)
    let events = try #require(warned["events"]?.arrayValue)
    let position = try #require(events[1]["position"]?.integerValue)
    let record = try #require(try book.log.read { try $0.record(at: UInt64(position)) })
    let header = try record.parsedHeader()
    #expect(header.causation?.text == events[0]["id"]?.stringValue)
    let notification = try book.item(header.resource.text)
    #expect(notification["type"] == "warning")
    #expect(notification["organization_id"] == .string(acme))
    #expect(notification["user_id"] == JSON.null, "it is for all of the organization")
    #expect(notification["resource_id"] == .string(id))
    #expect(notification["is_read"] == false)
    #expect(notification["message"]?.stringValue?.contains("warehouse") == true)
    #expect(try await warn()["events"] == [], "once is enough")
    // Another date is told of again; none at all never is.
    try await book.call(
      "credential.rotate", ["id": .string(id), "data": ["key": "w"], "expires_at": "2026-03-15T00:00:00Z"])
    #expect(try await warn().eventNames.count == 2)
    try await book.call("credential.edit", ["id": .string(id), "expires_at": nil])
    #expect(try await warn()["events"] == [])
    #expect(
      try await book.refusal("credential.warn_expiry", ["id": .string(id)]).code == .methodNotFound,
      "only the server says it")
    #expect(
      try await book.refusal("credential.edit", ["id": .string(id), "expiry_warned_for": expiry]).paths == [
        "/expiry_warned_for"
      ])
    try book.checkIndexes()
  }
}
