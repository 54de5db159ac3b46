import Access
import BasicTypes
import CanonicalJSON
import DaybookClient
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// An application signs in with one key, and gives commands for the people who use it.
@Suite(.timeLimit(.minutes(3))) struct DelegationTests {
  private struct Place {
    let test: TestServer
    let acme: String
    let person: String
    let viewer: String
    let key: String
    let application: DaybookClient

    init(_ test: TestServer) async throws {
      self.test = test
      acme = try await test.organization("acme")
      let administrator = try await test.administrator()
      var people: [String] = []
      for (name, role) in [("dan", "developer"), ("vic", "viewer")] {
        let made = try await administrator.call(
          "user.create",
          [
            "email": .string("\(name)@example.org"), "role": .string(role), "organization_id": .string(acme),
          ])
        people.append(try #require(made["id"]?.stringValue))
      }
      (person, viewer) = (people[0], people[1])
      let made = try await administrator.call(
        "api_key.create",
        [
          "name": "portal", "organization_id": .string(acme), "acts_for_people": true,
          "permissions": ["pipelines": ["read", "write", "execute"]],
        ])
      try await administrator.close()
      key = try #require(made["id"]?.stringValue)
      application = try await DaybookClient.connect(to: test.endpoint("tcp"))
      let opened = try await application.call(
        "session.open", ["api_key": made["api_key"] ?? .null, "user_agent": "portal/2"])
      #expect(opened["principal"]?["acts_for_people"] == true)
    }
  }

  private func run(_ body: (Place) async throws -> Void) async throws {
    try await TestServer.run {
      $0.recordsAccess = true
      $0.accessRecordInterval = .milliseconds(20)
    } _: { test in
      let place = try await Place(test)
      try await closing({ try await body(place) }, { try await place.application.close() })
    }
  }

  @Test func `over the socket a key's command is the person's, and the refusal names both and is recorded`()
    async throws
  {
    try await run { place in
      let made = try await place.application.call(
        "pipeline.create",
        [
          "name": "p", "on_behalf_of": "dan@example.org",
          "origin": ["ip": "2001:DB8::7", "user_agent": "Firefox"], "reason": "by the form",
        ])
      let id = try #require(made["id"]?.stringValue)
      let item = try #require(try await place.application.call("pipeline.get", ["id": .string(id)])["item"])
      #expect(item["created_by"] == .string(place.person))
      let history = try await place.application.call("pipeline.history", ["id": .string(id)])
      let event = try #require(history["items"]?.arrayValue?.first)
      #expect(event["actor"] == .string("api_key:\(place.key)") && event["on_behalf_of"] == .string(place.person))
      // A run for the person is theirs.
      let run = try await place.application.call(
        "run.start", ["pipeline_id": .string(id), "trigger_type": "manual", "on_behalf_of": .string(place.person)])
      let administrator = try await place.test.administrator()
      let started = try await administrator.call("run.get", ["id": run["id"] ?? .null])
      #expect(started["item"]?["triggered_by"] == .string(place.person))
      try await administrator.close()

      let code = await #expect(throws: ClientError.self) {
        try await place.application.call(
          "pipeline.edit", ["id": .string(id), "name": "q", "on_behalf_of": .string(place.viewer)])
      }
      let refusal = try #require(code?.refusal)
      #expect(refusal.code == .forbidden && refusal.data["on_behalf_of"] == .string(place.viewer))
      #expect(refusal.data["actor"] == .string("api_key:\(place.key)"))
      let log = place.test.server.services.log
      let recorded = try await TestBasics.eventually("access.refused") {
        try await log.records(from: 1, limit: .max, maximumBytes: .max).map { try $0.parsedHeader() }
          .first { $0.event == "access.refused" }
      }
      #expect(recorded.actor == "api_key:\(place.key)" && recorded.onBehalfOf?.text == place.viewer)
    }
  }

  @Test func `every command says in rpc discover that it takes a person and an origin, and no query does`() async throws
  {
    try await run { place in
      let methods = try await place.application.call("rpc.discover", [:])["methods"]?.arrayValue ?? []
      #expect(methods.count > 100)
      for method in methods {
        let names = (method["params"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        let isCommand = names.contains("dry_run") && names.contains("command_id")
        #expect(names.contains("on_behalf_of") == isCommand && names.contains("origin") == isCommand, "\(method)")
      }
    }
  }
}
