import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// Evidence bundles of a real server, by the built program, and verified by the program in Python too.
@Suite(.serialized) struct EvidenceTests {
  private static let why = ["--reason", "audit of 2026"]

  /// Runs both verifiers; what they print, where they agree on the exit code.
  private func verify(_ desk: Desk, _ bundle: String, _ more: [String] = []) async throws -> (code: Int32, text: String)
  {
    let ours = try await desk.run(["verify-bundle", bundle] + more)
    let foreign = try await runProgram(
      ["python3", Repository.root + "/tools/verify_bundle.py", bundle] + more, in: desk.directory,
      directory: desk.folder)
    #expect(ours.status == foreign.status, "\(ours.output) \(foreign.output) \(foreign.errors)")
    guard case .code(let code) = ours.status else { throw HarnessError("\(ours.status)") }
    return (code, ours.output + foreign.output)
  }

  private func key(_ desk: Desk) async throws -> (key: String, note: String) {
    let answer = try await desk.call("log.checkpoint")
    return (
      try #require(answer["verifier_key"]?.stringValue), try #require(answer["note"]?.stringValue)
    )
  }

  @Test func `an export is verified by both verifiers, is an event, and its checkpoint is compared with an older one`()
    async throws
  {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.makePipeline()
        let (key, note) = try await key(desk)
        try Data(note.utf8).write(to: URL(fileURLWithPath: desk.folder + "/old.note"))
        try await desk.call("organization.create", ["name": "Other", "slug": "other"])
        let made = try await desk.run(
          ["export", "bundle", "--organization", "acme", "--resource-type", "pipeline", "--with", "ocsf,prov,oscal"]
            + Self.why)
        #expect(made.status == .code(0), "\(made.errors)")
        #expect(made.output.contains("Wrote 3 records"), "\(made.output)")
        let verified = try await verify(desk, "bundle", ["--key", key, "--checkpoint", "old.note"])
        #expect(verified.code == 0, "\(verified.text)")
        for words in ["The bundle holds all events of the organization", "neither cut nor forked"] {
          #expect(verified.text.components(separatedBy: words).count == 3, "both say: \(words)\n\(verified.text)")
        }
        let exports = try await desk.call("export.list", ["timeout_ms": 30_000])["items"]?.arrayValue ?? []
        #expect(exports.count == 1 && exports[0]["status"] == "complete" && exports[0]["event_count"] == 3)
        let manifest = try await desk.run(["verify-bundle", "bundle", "--json", "--key", key])
        #expect(try manifest.json()["verified"] == true)
        let reasons = try await desk.daybook("audit", "--event", "export.created", "--json").json()
        #expect(reasons.arrayValue?.first?["reason"] == "audit of 2026")
        let again = try await desk.run(["export", "bundle"] + Self.why)
        #expect(again.status == .code(64) && again.errors.contains("a bundle already"), "\(again.errors)")
        // A byte of a record.
        let file = desk.folder + "/bundle/events.jsonl"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let edited = text.replacingOccurrences(of: "\"a\":3", with: "\"a\":4")
        #expect(edited != text)
        try Data(edited.utf8).write(to: URL(fileURLWithPath: file))
        let found = try await verify(desk, "bundle", ["--key", key])
        #expect(found.code == 2, "\(found.text)")
        #expect(found.text.components(separatedBy: "events.jsonl, line 3 (position").count == 3, "\(found.text)")
      }
    }
  }

  @Test func `a tenant's bundle shows nothing of another tenant, and what is sealed stays so unless it is asked for`()
    async throws
  {
    try await withDesk { desk in
      try await desk.withServer {
        let acme = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])
        let other = try await desk.call("organization.create", ["name": "Other", "slug": "other"])
        let key = try await desk.call(
          "api_key.create",
          ["name": "k", "organization_id": acme["id"] ?? .null, "permissions": ["*": ["read", "write"]]])
        for (organization, name) in [(acme, "ours"), (other, "theirs and secret")] {
          let pipeline = try await desk.call(
            "pipeline.create", ["organization_id": organization["id"] ?? .null, "name": .string(name)])
          try await desk.call(
            "pipeline.edit",
            ["id": pipeline["id"] ?? .null, "name": .string(name + "!"), "reason": .string("because of \(name)")])
        }
        let environment = ["DAYBOOK_API_KEY": try #require(key["api_key"]?.stringValue)]
        let made = try await desk.run(["export", "bundle"] + Self.why, environment: environment)
        #expect(made.status == .code(0), "\(made.errors)")
        let clear = try await desk.run(["export", "clear", "--decrypt"] + Self.why, environment: environment)
        #expect(clear.status == .code(0), "\(clear.errors)")
        let otherID = try #require(other["id"]?.stringValue)
        for bundle in ["bundle", "clear"] {
          let verified = try await verify(desk, bundle)
          #expect(verified.code == 0 && verified.text.contains("shown as a hash alone"), "\(verified.text)")
          for name in try FileManager.default.contentsOfDirectory(atPath: desk.folder + "/" + bundle) {
            let text = try String(contentsOfFile: "\(desk.folder)/\(bundle)/\(name)", encoding: .utf8)
            for needle in [otherID, "theirs and secret"] { #expect(!text.contains(needle), "\(name) has \(needle)") }
            let isDecrypted = bundle == "clear" && ["audit.csv", "decrypted.jsonl", "report.html"].contains(name)
            #expect(text.contains("because of ours") == isDecrypted, "\(bundle)/\(name)")
          }
        }
        let manifest = try String(contentsOfFile: desk.folder + "/clear/manifest.json", encoding: .utf8)
        #expect(manifest.contains(#""remark":"decrypted: values and reasons in the clear""#), "\(manifest)")
        let refused = try await desk.run(
          ["export", "all", "--organization", otherID] + Self.why, environment: environment)
        #expect(refused.status == .code(1), "\(refused)")
      }
    }
  }

  @Test func `an export that is killed at any moment is gone on with, and is whole`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let organization = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])
        let commands = (0..<3000).map { number -> JSON in
          [
            "method": "system.log",
            "params": ["organization_id": organization["id"] ?? .null, "message": .string("line \(number)")],
          ]
        }
        let batch = JSON.object(["commands": .array(commands)]).canonicalString
        let told = try await desk.daybook("call", "batch.apply", "-", input: batch)
        #expect(told.status == .code(0), "\(told.errors.prefix(300))")
        let (key, _) = try await key(desk)
        for milliseconds in [20, 60, 110, 170, 250, 400] {
          let bundle = "\(desk.folder)/bundle-\(milliseconds)"
          let process = try SpawnedProcess(
            [try Programs.built("daybook"), "export", bundle] + Self.why, outputFile: bundle + ".out",
            errorFile: bundle + ".err", environment: ["DAYBOOK_DATA": desk.data, "DAYBOOK_HOME": desk.home])
          try desk.directory.note(process.pid)
          try await Task.sleep(for: .milliseconds(milliseconds))
          process.send(SIGKILL)
          _ = try await process.wait(within: .seconds(60))
          let isBegun = FileManager.default.fileExists(atPath: bundle + "/export.partial.json")
          if isBegun || !FileManager.default.fileExists(atPath: bundle + "/manifest.note") {
            let again = try await desk.run(["export", bundle] + Self.why)
            #expect(again.status == .code(0), "after \(milliseconds) ms: \(again.errors)")
          }
          let verified = try await verify(desk, bundle, ["--key", key])
          #expect(verified.code == 0, "after \(milliseconds) ms: \(verified.text)")
        }
      }
    }
  }
}
