import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// Who read whose data, who was refused what, and what a breach touched, as the program tells it.
@Suite(.serialized) struct AccessCommandTests {
  @Test func `reads of lists, refusals and a breach are told to officers, and the log verifies`() async throws {
    try await withDesk { desk in
      var people: [String: String] = [:]
      func signedIn(_ name: String) -> [String: String] {
        ["DAYBOOK_EMAIL": "\(name)@example.org", "DAYBOOK_PASSWORD": "correct horse battery"]
      }
      func calling(_ name: String, _ method: String, _ params: JSON) async throws -> ProgramResult {
        try await desk.daybook("call", method, params.canonicalString, environment: signedIn(name))
      }
      try await desk.withServer {
        func organization(_ slug: String) async throws -> JSON {
          try #require(
            try await desk.call("organization.create", ["name": .string(slug), "slug": .string(slug)])["id"])
        }
        let acme = try await organization("acme")
        let other = try await organization("other")
        for (name, role, organization) in [
          ("dpo", "officer", acme), ("ann", "developer", acme), ("bob", "viewer", acme), ("sue", "officer", other),
        ] as [(String, JSON, JSON)] {
          people[name] = try #require(
            try await desk.call(
              "user.create",
              [
                "email": .string("\(name)@example.org"), "role": role, "organization_id": organization,
                "password": "correct horse battery",
              ])["id"]?.stringValue)
        }
        let (ann, bob) = (try #require(people["ann"]), try #require(people["bob"]))
        for _ in 0..<3 {
          let listed = try await calling("bob", "user.list", ["where": ["role": "developer"]])
          #expect(listed.output.contains("ann@example.org"), "\(listed.errors)")
        }
        let refused = try await calling("bob", "user.delete", ["id": .string(ann)])
        #expect(refused.status == .code(1))
        let wrong = try await desk.daybook(
          "call", "session.whoami", "{}",
          environment: ["DAYBOOK_EMAIL": "ann@example.org", "DAYBOOK_PASSWORD": "guessed"])
        #expect(wrong.status != .code(0))

        // Promptly, and by id.
        let reads = try await eventually("the read is told") {
          let found = try await desk.daybook(
            "audit", "--person", ann, "--event", "access.read", "--actor", "user:\(bob)", "--changes",
            environment: signedIn("dpo"))
          return found.output.contains("access.read") ? found : nil
        }
        #expect(reads.output.contains("user:\(bob)") && reads.output.contains("purpose list"), "\(reads.output)")
        let refusals = try await eventually("the refusal is told") {
          let found = try await desk.daybook(
            "audit", "--event", "access.refused", "--actor", "user:\(bob)", "--changes", environment: signedIn("dpo"))
          return found.output.contains("user.delete") ? found : nil
        }
        #expect(refusals.output.contains("permission users:admin") && refusals.output.contains(ann), "\(refusals)")
        for name in ["sue", "bob"] {
          let hidden = try await desk.daybook("audit", "--person", ann, environment: signedIn(name))
          #expect(!hidden.output.contains("access.read"), "\(name)")
        }
        // One's own report tells of reads by others, and no more of them than one's own part.
        let report = try await desk.daybook("subject", "report", ann, "--json", environment: signedIn("ann")).json()
        let told = (report["events"]?.arrayValue ?? []).filter { $0["event"] == "access.read" }
        #expect(told.contains { $0["actor"] == .string("user:\(bob)") && $0["data"]?["purpose"] == "list" }, "\(told)")
        #expect(told.allSatisfy { $0["data"]?["persons"] == nil })
        let page = desk.folder + "/ann.html"
        let written = try await desk.daybook("subject", "report", ann, "--html", page, environment: signedIn("ann"))
        #expect(written.status == .code(0), "\(written.errors)")
        #expect(
          TestFiles.text(page).contains("<caption>Who has read your data</caption>")
            && TestFiles.text(page).contains("<td>user:\(bob)</td>") && TestFiles.text(page).contains("<td>list</td>"))
        let attempts = (report["events"]?.arrayValue ?? []).first { $0["event"] == "session.refused" }
        #expect(attempts?["data"]?["attempts"] == 1, "who tried to get into the account is told to its owner")
        let own = try await desk.daybook("subject", "report", bob, "--json", environment: signedIn("bob")).json()
        let ownActs = own["events"]?.arrayValue ?? []
        #expect(ownActs.contains { $0["event"] == "access.refused" && $0["data"]?["method"] == "user.delete" })
        #expect(!JSON.array(ownActs.filter { $0["event"] == "access.read" }).canonicalString.contains(ann))
      }
      let (ann, bob) = (try #require(people["ann"]), try #require(people["bob"]))
      // A stop writes what was counted; the next start goes on.
      try await desk.withServer {
        let breach = try await eventually("the breach is told") { () -> JSON? in
          let found = try await desk.daybook(
            "subject", "breach", "--actor", "user:\(bob)", "--json", environment: signedIn("dpo"))
          // Read models may be on their way to what the stop recorded.
          guard found.status == .code(0) else { return nil }
          let told = try found.json()
          return told["items"]?.arrayValue?.isEmpty == false ? told : nil
        }
        let touched = breach["items"]?.arrayValue ?? []
        #expect(touched.map { $0["person_id"] } == [.string(ann)], "\(breach)")
        #expect(touched.first?["reads"] == 3 && touched.first?["purposes"] == ["list"], "\(breach)")
        let table = try await desk.daybook(
          "subject", "breach", "--since", "2026-01-01T00:00:00Z", environment: signedIn("dpo"))
        #expect(
          table.output.contains(ann) && table.output.contains("TAKEN AS A WHOLE")
            || table.output.contains("Nothing was taken"))
        let foreign = try await desk.daybook(
          "subject", "breach", "--actor", "user:\(bob)", environment: signedIn("sue"))
        #expect(foreign.output.contains("Nobody's data"), "\(foreign.output)")
        #expect(
          try await desk.daybook("subject", "breach", "--actor", "user:\(bob)", environment: signedIn("bob")).status
            == .code(1))
        let runs = try await desk.daybook("audit", "--event", "installation.*", "--json")
        #expect(runs.status == .code(64) && runs.errors.contains("No event"), "\(runs.errors)")
        let none = try await desk.daybook("audit", "--event", "installation.backed_up", "--json")
        #expect(try none.status == .code(0) && none.json() == [], "\(none.errors)")
        let starts = try await desk.daybook("audit", "--event", "installation.started", "--json").json()
        #expect(starts.arrayValue?.count == 2)
        let stops = try await desk.daybook("audit", "--event", "installation.stopped", "--json").json()
        #expect(stops.arrayValue?.count == 1)
      }
      let verified = try await desk.daybook("verify")
      #expect(verified.status == .code(0) && verified.output.contains("The log is whole"), "\(verified)")
    }
  }
}
