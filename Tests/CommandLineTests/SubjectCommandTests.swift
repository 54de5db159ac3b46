import CanonicalJSON
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct SubjectCommandTests {
  @Test func `an officer finds a person, hands them a report, erases them and shows the receipt`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let organization = try #require(
          try await desk.call("organization.create", ["name": "acme", "slug": "acme"])["id"])
        func person(_ name: String, _ role: JSON) async throws -> String {
          try #require(
            try await desk.call(
              "user.create",
              [
                "email": .string("\(name)@example.org"), "full_name": .string("<\(name)>\u{202E}"), "role": role,
                "organization_id": organization, "password": "correct horse battery",
              ])["id"]?.stringValue)
        }
        _ = try await person("dpo", "officer")
        let ann = try await person("ann", "developer")
        let officer = ["DAYBOOK_EMAIL": "dpo@example.org", "DAYBOOK_PASSWORD": "correct horse battery"]

        let found = try await desk.daybook("subject", "find", "ann@example.org", environment: officer)
        #expect(found.lines.count == 2 && found.lines[1].hasPrefix(ann) && found.lines[1].contains("<ann>"))
        let report = try await desk.daybook("subject", "report", "ann@example.org", environment: officer)
        #expect(report.output.contains("ann@example.org") && report.output.contains("user.created"), "\(report)")
        let page = desk.folder + "/ann.html"
        let written = try await desk.daybook(
          "subject", "report", ann, "--html", page, environment: officer)
        #expect(written.status == .code(0), "\(written.errors)")
        let html = TestFiles.text(page)
        #expect(html.contains("&lt;ann&gt;") && !html.contains("<ann>"), "what is shown is text, not markup")
        #expect(html.contains("&lt;ann&gt;\u{FFFD}") && !html.contains("\u{202E}"), "nothing turns the direction")
        #expect(html.contains("ann@example.org") && html.contains("<caption>Your data</caption>"))
        #expect(
          try await desk.daybook("subject", "report", ann, "--html", page, environment: officer).status != .code(0),
          "no file is written over")

        let restricted = try await desk.daybook(
          "subject", "restrict", "ann@example.org", "--reason", "Art. 18(1)(a)", environment: officer)
        #expect(restricted.output == "Restricted: \(ann).\n", "\(restricted.errors)")
        #expect(
          try await desk.daybook("subject", "restrict", ann, "--reason", "r", environment: officer).output
            == "\(ann) was restricted already.\n")
        let known = try await desk.daybook("subject", "report", ann, environment: officer)
        #expect(known.lines.first?.hasPrefix("Restricted since ") == true && known.output.contains("ann@example.org"))
        #expect(
          try await desk.daybook("subject", "report", ann, "--html", desk.folder + "/r.html", environment: officer)
            .status == .code(0))
        #expect(TestFiles.text(desk.folder + "/r.html").contains("your data is only stored (GDPR Art. 18)"))
        let others = try await desk.daybook("subject", "report", ann)
        #expect(others.output.contains(#"{"restricted":true}"#) && !others.output.contains("ann@example.org"))
        let hidden = try await desk.call("user.list", [:])
        #expect(!hidden.canonicalString.contains("ann@example.org"))
        let ended = try await desk.daybook("subject", "unrestrict", ann, "--reason", "checked", environment: officer)
        #expect(ended.output == "Restricted no longer: \(ann).\n", "\(ended.errors)")

        let nothing = try await desk.daybook("subject", "exports", ann, environment: officer)
        #expect(nothing.output == "Nothing that holds records of this person was handed out.\n", "\(nothing.errors)")
        let made = try await desk.call("export.create", ["whole_service": true, "reason": "case 12"])
        let handed = try await desk.daybook("subject", "exports", "ann@example.org", environment: officer)
        #expect(handed.lines.count == 2 && handed.output.contains(made["id"]?.stringValue ?? "-"), "\(handed)")

        // The local administrator is no officer.
        let refused = try await desk.daybook("subject", "erase", ann, "--reason", "r", "--yes")
        #expect(refused.status == .code(1) && refused.errors.contains("officer"), "\(refused.errors)")
        let asked = try await desk.daybook("subject", "erase", ann, "--reason", "r", environment: officer)
        #expect(asked.status == .code(64) && asked.errors.contains("--yes"), "nobody is there to be asked")
        let plan = try await desk.daybook(
          "subject", "erase", ann, "--reason", "r", "--dry-run", environment: officer)
        #expect(plan.output.contains("goes: ") && plan.output.contains("1 × user.email"), "\(plan.output)")
        #expect(plan.output.contains("stays: the person's id"))
        let erased = try await desk.daybook(
          "subject", "erase", "ann@example.org", "--reason", "Art. 17(1)(b)", "--yes", environment: officer)
        #expect(erased.output.hasPrefix("Erased: \(ann)"), "\(erased.errors)")
        let receipt = try await desk.daybook("subject", "receipt", ann, environment: officer)
        #expect(receipt.output.contains("was handed out: export \(made["id"]?.stringValue ?? "-")"), "\(receipt)")
        #expect(receipt.lines.first == "\(ann): erased" && receipt.output.contains("Art. 17(1)(b)"), "\(receipt)")
        let gone = try await desk.daybook("subject", "find", "ann@example.org", environment: officer)
        #expect(gone.output == "There is nobody of this name whom you may know of.\n")
      }
    }
  }
}
