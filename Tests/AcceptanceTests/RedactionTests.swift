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
  /// What was written in the clear is taken out: it is in no answer and in no file, and every old proof still holds.
  @Suite struct RedactionTests {
    /// A pipeline and an alert whose texts name somebody, with values beside them that stay.
    private struct Texts: Sendable {
      let pipeline: String
      let alert: String
      let gone: [Marker]
      let kept: [Marker]

      /// What is asked for.
      var redactions: [JSONObject] {
        [
          [
            "resource_id": .string(pipeline), "pointers": ["/description", "/steps/*/config/owner", "/tags/1"],
            "facts": ["/name"], "reason": "Art. 17(1)(d)",
          ],
          ["resource_id": .string(alert), "pointers": ["/message", "/context/who"], "reason": "Art. 17(1)(d)"],
        ]
      }
    }

    private func plant(_ client: DaybookClient, _ organization: JSON) async throws -> Texts {
      let unique = String(newID().suffix(12))
      func text(_ name: String) -> String { "\(name) of Ann Example é \(unique)" }
      let names = ["description", "later description", "owner", "tag", "version name", "message", "who"]
      let keep = ["table-\(unique)", "metadata-\(unique)", "metric-\(unique)"]
      let pipeline = try await client.created(
        "pipeline",
        [
          "organization_id": organization, "name": .string("p-\(unique)"), "description": .string(text("description")),
          "tags": ["daily", .string(text("tag"))], "command_id": .string(newID()),
          "steps": [
            [
              "name": "s", "order_index": 0, "step_type": "extract",
              "config": ["owner": .string(text("owner")), "table": .string(keep[0])],
            ]
          ],
        ])
      _ = try await client.call(
        "pipeline.edit",
        [
          "id": .string(pipeline), "description": .string(text("later description")),
          "metadata": ["k": .string(keep[1])],
        ])
      _ = try await client.call("pipeline.edit", ["id": .string(pipeline), "is_scheduled": true])
      _ = try await client.call(
        "pipeline.name_version",
        ["id": .string(pipeline), "version_number": 1, "name": .string(text("version name"))])
      let alert = try await client.created(
        "alert",
        [
          "organization_id": organization, "message": .string(text("message")), "level": "error",
          "context": ["who": .string(text("who"))], "metric": .string(keep[2]),
        ])
      _ = try await client.call("alert.acknowledge", ["id": .string(alert)])
      return Texts(
        pipeline: pipeline, alert: alert, gone: names.map { Marker($0, text($0)) },
        kept: keep.map { Marker(String($0.prefix { $0 != "-" }), $0) })
    }

    private func officer(_ server: DaybookProcess, _ admin: DaybookClient, _ organization: JSON) async throws
      -> (email: String, password: String)
    {
      let email = "officer-\(newID())@example.org"
      _ = try await admin.created(
        "user",
        [
          "email": .string(email), "password": "officer of data protection", "role": "officer",
          "organization_id": organization, "membership_role": "member",
        ])
      return (email, "officer of data protection")
    }

    @Test(.timeLimit(.minutes(5)))
    func `what was taken out is in no answer and no file, what stood beside it is, and every proof holds`()
      async throws
    {
      try await withServer(["--log-level", "trace"]) { server in
        let admin = try await server.client()
        let organization: JSON = .string(try await admin.organization("redacted"))
        let texts = try await plant(admin, organization)
        let duty = try await officer(server, admin, organization)
        try await admin.caughtUp()
        let old = try await admin.call("log.proof", ["position": 4])
        let note = try #require(try await admin.call("log.checkpoint")["note"]?.stringValue)
        let size = try #require(old["tree_size"]?.integerValue)
        // What column statistics keep.
        _ = try await server.psql("ANALYZE")
        _ = try await server.psql("CHECKPOINT")
        let before = try await server.files(with: texts.gone + texts.kept)
        for marker in texts.gone + texts.kept {
          let files = before[marker.name] ?? []
          #expect(files.contains { $0.hasSuffix("log/data.mdb") || $0.hasSuffix("log/journal") }, "\(marker.name)")
          #expect(files.contains { $0.contains("pg_wal") }, "\(marker.name) is in \(files)")
        }

        let chief = try await server.client(email: duty.email, password: duty.password)
        for redaction in texts.redactions {
          let plan = try await chief.call("redaction.create", redaction.merging(["dry_run": true]))["plan"]
          let done = try await chief.call("redaction.create", redaction)
          #expect(done["redacted"] == plan && plan?["events"] != 0, "\(done.canonicalString)")
        }

        // In no answer, and each says that something was taken out.
        let id: JSON = .string(texts.pipeline)
        for (method, params) in [
          ("pipeline.get", ["id": id]), ("pipeline.get", ["id": id, "as_of": .integer(size)]),
          ("pipeline.list", ["where": ["id": id]]), ("pipeline.list", ["as_of": .integer(size)]),
          ("pipeline.history", ["id": id]), ("pipeline.versions", ["id": id]),
          ("pipeline.diff", ["id": id, "from_version": 1, "to_version": 3]),
          ("alert.get", ["id": .string(texts.alert)]), ("alert.list", [:]),
          ("alert.history", ["id": .string(texts.alert)]),
          ("audit.search", ["limit": 1000]), ("log.read", ["limit": 10_000]),
        ] as [(String, JSONObject)] {
          let text = try await admin.call(method, params).canonicalString
          for marker in texts.gone { #expect(!text.contains(marker.text), "\(method) tells \(marker.name)") }
          if method != "pipeline.diff" {
            #expect(text.contains(#"{"redacted":true}"#), "\(method) says that something was taken out: \(text)")
          }
        }
        let listed = try await admin.call("pipeline.list", ["where": ["id": id]])["items"]?.arrayValue?.first
        let got = try await admin.call("pipeline.get", ["id": id])["item"]
        #expect(listed == got, "a list shows what get does")
        #expect(got?["tags"] == ["daily", ["redacted": true]] && got?["metadata"]?["k"] == .string(texts.kept[1].text))
        let trail = try await admin.all("audit.search", ["resource_id": id])
        let created = trail.first { $0["event"] == "pipeline.created" }
        #expect(created?["changes"]?["description"]?["to"] == ["redacted": true], "that there was a change stays told")
        #expect(created?["actor"]?.stringValue != nil && created?["at"]?.stringValue != nil)
        let sql = try await server.psql(
          "SELECT description || ' ' || (SELECT snapshot::text FROM daybook.pipeline_versions v WHERE v.pipeline_id = p.id "
            + "ORDER BY version_number LIMIT 1) FROM daybook.pipelines p WHERE id = '\(texts.pipeline)'")
        #expect(sql.contains(#"{"redacted": true}"#) && sql.contains(texts.kept[0].text), "\(sql)")

        // In no file, while it runs and after it has written everything to disk; what stood beside it is.
        #expect(try await server.files(with: texts.gone) == [:])
        #expect(try await server.terminate() == .code(0))
        let after = try await server.files(with: texts.gone + texts.kept)
        #expect(after.filter { name, _ in texts.gone.contains { $0.name == name } } == [:])
        for marker in texts.kept { #expect(after[marker.name] != nil, "\(marker.name) is there") }

        // What was proved stays proved; the read models are what the log makes of them.
        let verified = try await server.run(["verify", "--data", server.data, "--json"])
        #expect(verified.status == .code(0), "\(verified)")
        let report = try JSON.parse(Array(verified.output.utf8))
        #expect((report["dropped_count"]?.integerValue ?? 0) >= 4 && report["dropped"]?.arrayValue?.isEmpty == false)
        try await server.start()
        let again = try await server.client()
        try await again.caughtUp()
        let same = try await again.call("log.proof", ["position": 4, "tree_size": .integer(size)])
        #expect(same["hashes"] == old["hashes"] && same["root"] == old["root"])
        #expect(note.contains(try #require(old["root"]?.stringValue)))
        let rebuild = try await server.run(["rebuild", "--check", "--json"], within: .seconds(120))
        #expect(rebuild.status == .code(0), "\(rebuild)")
      }
    }

    @Test(.timeLimit(.minutes(6)))
    func `killed at any step, a redaction is complete after the next start`() async throws {
      try await withServer { server in
        let organization: JSON = .string(try await server.client().organization("killed"))
        // In every run one with each kind of file half done.
        let samples: [Failpoint] = [.redactionRecorded, .redactionFileRenamed, .redactionReadModelsWritten]
        for point in isThorough ? Failpoint.of(.redaction) : samples {
          let admin = try await server.client()
          let duty = try await officer(server, admin, organization)
          let texts = try await plant(admin, organization)
          #expect(try await server.terminate() == .code(0))
          try await server.start(environment: ["DAYBOOK_FAILPOINT": "\(point.rawValue):kill"])
          let chief = try await server.client(email: duty.email, password: duty.password)
          await #expect(throws: ClientError.self, "\(point)") {
            _ = try await chief.call("redaction.create", texts.redactions[0])
          }
          #expect(try await server.end() == .signal(SIGKILL), "\(point)")
          try await server.start()
          let again = try await server.client()
          let gone = Array(texts.gone.prefix(5))
          // From the first moment on the log shows nothing of it.
          for method in ["pipeline.get", "pipeline.history"] {
            let text = try await again.call(method, ["id": .string(texts.pipeline)]).canonicalString
            for marker in gone { #expect(!text.contains(marker.text), "\(point)") }
          }
          _ = try await eventually("the redaction is complete", within: .seconds(60)) { () -> Bool? in
            let events = try await again.call("log.read", ["events": ["redaction.completed"], "limit": 100])
            let created = try await again.call("log.read", ["events": ["redaction.created"], "limit": 100])
            return events["records"]?.arrayValue?.count == created["records"]?.arrayValue?.count ? true : nil
          }
          #expect(try await server.files(with: gone) == [:], "\(point)")
        }
        #expect(try await server.terminate() == .code(0))
        let verified = try await server.run(["verify", "--data", server.data, "--json"])
        #expect(verified.status == .code(0), "\(verified)")
      }
    }
  }
}
