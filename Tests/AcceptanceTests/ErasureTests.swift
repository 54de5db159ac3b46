import BasicTypes
import CanonicalJSON
import DaybookClient
import Failpoints
import Foundation
import Glibc
import Refusals
import TestBasics
import Testing

extension Acceptance {
  /// A person is planted everywhere, found everywhere, erased, and found nowhere, while another one stays.
  @Suite struct ErasureTests {
    /// Somebody with a value of their own in everything that is sealed for them.
    private struct Person: Sendable {
      let name: String
      let id: String
      let texts: [String: String]
      let address: String

      /// The values, in every form in which a file may hold them.
      var markers: [Marker] {
        texts.map { Marker("\(name)'s \($0.key)", $0.value) } + [
          Marker("\(name)'s email in lower case", texts["email"]?.lowercased() ?? ""), Marker("\(name)'s ip", address),
        ]
      }

      /// What a report holds: all but the password, which nothing shows.
      var shown: [String] { texts.filter { $0.key != "password" }.map(\.value) + [address] }
    }

    private func plant(
      _ server: DaybookProcess, _ admin: DaybookClient, _ name: String, _ organization: JSON,
      from address: String
    ) async throws -> Person {
      let unique = String(newID().suffix(12))
      var texts = [
        "email", "username", "full_name", "first_name", "last_name", "display_name", "avatar_url", "keycloak_id",
      ]
      .reduce(into: [String: String]()) { $0[$1] = "\(name)-\($1)-\(unique)" }
      texts["email"] = "\(name).\(unique)@private-\(unique).example"
      texts["password"] = "pass-\(name)-\(unique) phrase"
      texts["reason"] = "since \(name) was ill \(unique)"
      texts["settings"] = "left-handed-\(name)-\(unique)"
      texts["agent"] = "laptop of \(name) \(unique)"
      var params = JSONObject()
      for (field, text) in texts where !["reason", "settings", "agent"].contains(field) {
        params[field] = .string(text)
      }
      let id = try await admin.created(
        "user", params.merging(["role": "developer", "organization_id": organization, "membership_role": "member"]))
      let socket = try RawSocket.connect(to: try await server.tcpAddress(), from: address)
      func tell(_ method: String, _ params: JSONObject) async throws -> String {
        let answer = try await socket.call(method, params)
        return try #require(answer["result"], "\(method): \(answer.canonicalString)")["id"]?.stringValue ?? ""
      }
      func text(_ name: String) -> JSON { .string(texts[name] ?? "") }
      _ = try await tell(
        "session.open", ["email": text("email"), "password": text("password"), "user_agent": text("agent")])
      let pipeline = try await tell(
        "pipeline.create", ["organization_id": organization, "name": .string("p-\(newID())"), "reason": text("reason")])
      _ = try await tell("pipeline.edit", ["id": .string(pipeline), "description": "d", "reason": text("reason")])
      _ = try await tell(
        "user_preferences.create",
        ["organization_id": organization, "user_id": .string(id), "custom_settings": ["hand": text("settings")]])
      return Person(name: name, id: id, texts: texts, address: address)
    }

    private func report(_ client: DaybookClient, _ id: String) async throws -> (first: JSON, events: [JSON]) {
      var first: JSON = .null
      var events: [JSON] = []
      var from: JSON = 1
      while !from.isNull {
        let page = try await client.call("subject.report", ["id": .string(id), "from": from, "limit": 3])
        if first.isNull { first = page }
        events += page["events"]?.arrayValue ?? []
        from = page["next"] ?? .null
      }
      return (first, events)
    }

    @Test(.timeLimit(.minutes(5)))
    func `an erased person is in no file, no answer and no restored backup, and every old proof still holds`()
      async throws
    {
      try await withServer(["--log-level", "trace"]) { server in
        let admin = try await server.client()
        let organization: JSON = .string(try await admin.organization("private"))
        let ann = try await plant(server, admin, "ann", organization, from: "127.83.41.29")
        let bob = try await plant(server, admin, "bob", organization, from: "127.84.42.30")
        let duty = "officer-\(newID())"
        _ = try await admin.created(
          "user",
          [
            "email": .string("\(duty)@example.org"), "password": "officer of data protection", "role": "officer",
            "organization_id": organization, "membership_role": "member",
          ])
        let officer = try await server.client(email: "\(duty)@example.org", password: "officer of data protection")
        try await admin.caughtUp()

        // The report of each holds what is theirs, all of it, and nothing of the other's.
        for (person, other) in [(ann, bob), (bob, ann)] {
          let (first, events) = try await report(officer, person.id)
          let text = first.canonicalString + JSON.array(events).canonicalString
          for value in person.shown { #expect(text.contains(value), "\(person.name)'s report lacks \(value)") }
          for value in other.shown { #expect(!text.contains(value), "\(person.name)'s report tells \(value)") }
          #expect((first["values"]?.arrayValue?.count ?? 0) >= 11, "\(first.canonicalString)")
        }
        let found = try await officer.call("subject.find", ["email": .string(ann.texts["email"] ?? "")])
        #expect(found["items"]?.arrayValue?.first?["id"] == .string(ann.id))

        let backup = server.folder.path + "/backup"
        #expect(try await server.run(["backup", backup]).status == .code(0))
        let old = try await admin.call("log.proof", ["position": 3])
        let oldNote = try #require(try await admin.call("log.checkpoint")["note"]?.stringValue)
        let size = try #require(old["tree_size"]?.integerValue)

        // PostgreSQL writes unlogged tables to disk when it stops: the scan finds both there.
        #expect(try await server.terminate() == .code(0))
        let before = try await server.files(with: ann.markers + bob.markers)
        for marker in ["ann's email", "ann's reason", "ann's settings", "ann's agent", "bob's email"] {
          #expect(before[marker] != nil, "the scan finds \(marker) before")
        }
        try await server.start()
        let boss = try await server.client()
        try await boss.caughtUp()
        let chief = try await server.client(email: "\(duty)@example.org", password: "officer of data protection")
        let plan = try await chief.call(
          "subject.erase", ["id": .string(ann.id), "reason": "Art. 17(1)(b)", "dry_run": true])["plan"]
        #expect(plan?["erased"]?["values"]?["user.email"] == 1 && plan?["deleted"]?["user_preferences"] == 1)
        let erased = try await chief.call("subject.erase", ["id": .string(ann.id), "reason": "Art. 17(1)(b)"])
        #expect(erased["receipt"] == plan)

        // In no answer.
        await #expect(throws: ClientError.self) {
          _ = try await server.client(email: ann.texts["email"] ?? "", password: ann.texts["password"] ?? "")
        }
        for client in [boss, chief] {
          let missing = try await client.refusal("user.get", ["email": .string(ann.texts["email"] ?? "")])
          #expect(missing.code == .notFound)
          let listed = try await client.call(
            "user.list", ["where": ["email": .string(ann.texts["email"] ?? "")], "include_deleted": true])
          #expect(listed["items"] == [])
        }
        for (method, params) in [
          ("user.get", ["id": .string(ann.id), "include_deleted": true]), ("user.history", ["id": .string(ann.id)]),
          ("user.get", ["id": .string(ann.id), "as_of": .integer(size)]),
          ("user.list", ["include_deleted": true]), ("audit.search", ["limit": 1000]),
          ("log.read", ["limit": 10_000]),
        ] as [(String, JSONObject)] {
          let text = try await boss.call(method, params).canonicalString
          for value in ann.shown { #expect(!text.contains(value), "\(method) tells \(value)") }
          if method.hasPrefix("user") || method == "audit.search" {
            #expect(text.contains(#"{"erased":true}"#), "\(method) says that something was erased")
          }
        }
        let acts = try await boss.all("audit.search", ["actor": .string("user:\(ann.id)")])
        #expect(acts.contains { $0["event"] == "pipeline.edited" && $0["reason"] == ["erased": true] })
        let receipt = try await chief.call("subject.receipt", ["id": .string(ann.id)])
        #expect(receipt["status"] == "erased" && receipt["events"]?.arrayValue?.count == 2)

        // In no export that is made afterwards, nor in its views in the clear.
        let bundle = server.folder.path + "/bundle"
        let exported = try await server.run([
          "export", bundle, "--reason", "afterwards", "--whole-service", "--decrypt", "--with", "ocsf,prov",
          "--connect", server.unixAddress,
        ])
        #expect(exported.status == .code(0), "\(exported)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: bundle).count > 5)

        // In no file, while PostgreSQL runs and after it has written everything to disk; the other one is.
        _ = try await server.psql("CHECKPOINT")
        #expect(try await server.files(with: ann.markers, besides: [backup]) == [:])
        #expect(try await server.terminate() == .code(0))
        let after = try await server.files(with: ann.markers + bob.markers, besides: [backup])
        #expect(after.filter { $0.key.hasPrefix("ann") } == [:])
        #expect(after["bob's email"] != nil && after["bob's settings"] != nil)

        // What was proved stays proved; the read models are what the log makes of them.
        let verified = try await server.run(["verify", "--data", server.data, "--json"])
        #expect(verified.status == .code(0), "\(verified)")
        try await server.start()
        let again = try await server.client()
        try await again.caughtUp()
        let same = try await again.call("log.proof", ["position": 3, "tree_size": .integer(size)])
        #expect(same["hashes"] == old["hashes"] && same["root"] == old["root"])
        #expect(oldNote.contains(try #require(old["root"]?.stringValue)))
        let rebuild = try await server.run(["rebuild", "--check", "--json"], within: .seconds(120))
        #expect(rebuild.status == .code(0), "\(rebuild)")
        let anew = try await again.created("user", ["email": .string(ann.texts["email"] ?? "")])
        #expect(anew != ann.id)
        #expect(try await server.terminate() == .code(0))

        // A backup from before, put back with the keys of today, has lost the person at its first answer.
        try FileManager.default.removeItem(atPath: server.data + "/log")
        let restored = try await server.run(["restore", backup, "--data", server.data])
        try #require(restored.status == .code(0), "\(restored)")
        try await server.start()
        let last = try await server.client()
        try await last.caughtUp()
        _ = try await eventually("the person is erased again", within: .seconds(30)) { () -> Bool? in
          try await last.call("subject.receipt", ["id": .string(ann.id)])["status"] == "erased" ? true : nil
        }
        let text = try await last.call("log.read", ["limit": 10_000]).canonicalString
        for value in ann.shown { #expect(!text.contains(value)) }
        #expect(try await last.refusal("user.get", ["email": .string(ann.texts["email"] ?? "")]).code == .notFound)
        #expect(
          try await last.call("user.get", ["id": .string(bob.id)])["item"]?["email"]
            == .string(bob.texts["email"] ?? ""))
      }
    }

    @Test(.timeLimit(.minutes(6)))
    func `killed at any step behind its confirmation, an erasure is complete after the next start`() async throws {
      try await withServer { server in
        let organization: JSON = .string(try await server.client().organization("killed"))
        let points = Failpoint.of(.erasure) + Failpoint.of(.destruction)
        for point in points {
          // In every run one of each kind of file that is half done.
          let isSample = point.change == .erasure || point == .destructionStoreRenamed
          guard isThorough || isSample else { continue }
          let admin = try await server.client()
          let duty = "officer-\(newID())"
          _ = try await admin.created(
            "user",
            [
              "email": .string("\(duty)@example.org"), "password": "officer of data protection", "role": "officer",
              "organization_id": organization, "membership_role": "member",
            ])
          let ann = try await plant(server, admin, "ann", organization, from: "127.83.41.29")
          #expect(try await server.terminate() == .code(0))
          try await server.start(environment: ["DAYBOOK_FAILPOINT": "\(point.rawValue):kill"])
          let officer = try await server.client(email: "\(duty)@example.org", password: "officer of data protection")
          await #expect(throws: ClientError.self, "\(point)") {
            _ = try await officer.call("subject.erase", ["id": .string(ann.id), "reason": "Art. 17"])
          }
          #expect(try await server.end() == .signal(SIGKILL), "\(point)")
          try await server.start()
          let again = try await server.client()
          // From the first moment on nothing of the person can be read.
          let text = try await again.call("user.get", ["id": .string(ann.id), "include_deleted": true]).canonicalString
          for value in ann.shown { #expect(!text.contains(value), "\(point)") }
          _ = try await eventually("the erasure is complete", within: .seconds(30)) { () -> Bool? in
            try await again.call("subject.receipt", ["id": .string(ann.id)])["status"] == "erased" ? true : nil
          }
          _ = try await server.psql("CHECKPOINT")
          #expect(try await server.files(with: ann.markers) == [:], "\(point)")
        }
        #expect(try await server.terminate() == .code(0))
        let verified = try await server.run(["verify", "--data", server.data, "--json"])
        #expect(verified.status == .code(0), "\(verified)")
      }
    }
  }
}
