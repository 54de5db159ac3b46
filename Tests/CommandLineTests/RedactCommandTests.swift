import CanonicalJSON
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct RedactCommandTests {
  @Test func `an officer takes a value out, verify lists it, and an evidence bundle proves it`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let organization = try #require(
          try await desk.call("organization.create", ["name": "acme", "slug": "acme"])["id"])
        _ = try await desk.call(
          "user.create",
          [
            "email": "dpo@example.org", "role": "officer", "organization_id": organization,
            "password": "correct horse battery",
          ])
        let pipeline = try #require(
          try await desk.call(
            "pipeline.create",
            ["name": "daily load", "description": "of Ann", "organization_id": organization, "config": ["a/b": "Ann"]])[
              "id"]?.stringValue)
        let officer = ["DAYBOOK_EMAIL": "dpo@example.org", "DAYBOOK_PASSWORD": "correct horse battery"]
        let what = ["redact", "pipeline", "daily load", "--field", "description", "--pointer", "/config/a~1b"]

        let nothing = try await desk.daybook("redact", "pipeline", pipeline, "--reason", "r", environment: officer)
        #expect(nothing.status == .code(64) && nothing.errors.contains("--field"), "\(nothing.errors)")
        let refused = try await desk.run(what + ["--reason", "r", "--yes"])
        #expect(refused.status == .code(1) && refused.errors.contains("officer"), "\(refused.errors)")
        let plan = try await desk.run(what + ["--reason", "r", "--dry-run"], environment: officer)
        #expect(plan.output.contains("Of the pipeline \(pipeline), in 1 events:"), "\(plan)")
        #expect(plan.output.contains("/description: 1") && plan.output.contains("/config/a~1b: 1"))
        let asked = try await desk.run(what + ["--reason", "r"], environment: officer)
        #expect(asked.status == .code(64) && asked.errors.contains("--yes"), "nobody is there to be asked")
        let wrong = try await desk.daybook(
          "redact", "alert", pipeline, "--field", "message", "--reason", "r", "--dry-run", environment: officer)
        #expect(wrong.status == .code(1), "\(wrong)")
        let done = try await desk.run(what + ["--reason", "Art. 17(1)(d)", "--yes"], environment: officer)
        #expect(done.output.hasPrefix("Taken out of 1 events"), "\(done)")
        let again = try await desk.run(what + ["--reason", "r", "--yes"], environment: officer)
        #expect(again.output == "Nothing was to be taken out.\n", "\(again)")
        let item = try await desk.call("pipeline.get", ["id": .string(pipeline)])["item"]
        #expect(item?["description"] == ["redacted": true] && item?["config"] == ["a/b": ["redacted": true]])

        let verified = try await desk.daybook("verify")
        #expect(verified.output.contains("1 bodies were dropped, each as an event of the log says:\n  by event "))
        let bundle = desk.folder + "/bundle"
        let exported = try await desk.run(["export", bundle, "--reason", "a request"])
        #expect(exported.status == .code(0), "\(exported)")
        let bundled = try await desk.daybook("verify-bundle", bundle)
        #expect(bundled.status == .code(0) && bundled.output.contains("were dropped from the log by the events"))
        #expect(TestFiles.text(bundle + "/events.jsonl").contains("of Ann") == false)
        #expect(TestFiles.text(bundle + "/audit.csv").contains("(redacted)"))
      }
    }
  }
}
