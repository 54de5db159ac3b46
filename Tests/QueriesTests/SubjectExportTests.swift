import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Projections
import Refusals
import Testing

@testable import Queries

/// To whom something about a person was handed out (GDPR Art. 19).
@Suite struct SubjectExportTests {
  @Test(.timeLimit(.minutes(3)))
  func `the exports whose records are about or by a person are listed, and no other; so does the receipt`() async throws
  {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      let officer = try await library.member("dpo@example.org", of: acme, role: "officer")
      let chief = try await library.make("user", ["email": "chief@example.org", "role": "officer", "is_staff": true])
      let stranger = try await library.member("stranger@example.org", of: other, role: "officer")
      func export(_ params: JSONObject) async throws -> String {
        try await library.make("export", params.merging(["reason": "case 12"]))
      }
      let early = try await export(["organization_id": .string(acme)])
      let ann = try await library.member("ann@example.org", of: acme, role: "developer")
      let id = try #require(ann.subject?.text)
      try await library.call(
        "membership.create", ["user_id": .string(id), "organization_id": .string(other), "role": "member"])
      try await library.call("pipeline.create", ["name": "p", "organization_id": .string(acme)])
      let none = try await export(["organization_id": .string(acme), "resource_types": ["pipeline"]])
      try await library.call("pipeline.create", ["name": "q", "organization_id": .string(acme)], as: ann)
      let acts = try await export(["organization_id": .string(acme), "actor": .string(ann.actor)])
      let whole = try await export(["whole_service": true, "decrypted": true])
      let theirs = try await export(["organization_id": .string(other)])
      var copy = EventDraft(
        event: "installation.backed_up", type: "installation", resource: Identifier.version7(at: .now),
        actor: "local:0")
      copy.data = ["position": 1]
      _ = try await library.models.append([copy])

      func list(_ principal: Principal) async throws -> JSON {
        try await library.ask("subject.list_exports", ["id": .string(id)], as: principal)
      }
      func ids(_ answer: JSON) -> Set<String> { Set(answer.items.compactMap { $0["id"]?.stringValue }) }
      let person = try library.models.domain.principal(id)
      let staff = try library.models.domain.principal(chief)
      for principal in [staff, person] {
        let answer = try await list(principal)
        // The membership in the other organization names the person, but is neither sealed for them nor their act: it
        // is an event of what is theirs alone.
        #expect(ids(answer) == [acts, whole, theirs], "\(answer)")
        #expect(answer.items.map { $0.text("kind") } == ["export", "export", "export", "backup"])
        #expect(answer.integer("other_organizations") == 0)
      }
      let own = try await list(officer)
      #expect(ids(own) == [acts, whole] && own.integer("other_organizations") == 1)
      #expect(own.items.first { $0["id"]?.stringValue == acts }?["purpose"] == "case 12")
      #expect(own.items.first { $0["id"]?.stringValue == whole }?["decrypted"] == true)
      #expect(own.items.first { $0["id"]?.stringValue == acts }?["decrypted"] == false)
      #expect(!ids(own).contains(early) && !ids(own).contains(none))
      let unrelated = try await library.member("bob@example.org", of: acme)
      #expect(
        try await library.refusal("subject.list_exports", ["id": .string(id)], as: unrelated).code == .forbidden)
      let loner = try await library.make("user", ["email": "loner@example.org"])
      #expect(
        try await library.refusal("subject.list_exports", ["id": .string(loner)], as: stranger).code == .notFound)

      library.engine.eraseReadModels { person, patience in
        try await library.projections.erase(person, through: library.log.head.position, patience: patience)
      }
      library.engine.listExports { try await library.queries.exports(holding: $0) }
      let erasing: JSONObject = ["id": .string(id), "reason": "r"]
      let plan = try await library.call("subject.erase", erasing.merging(["dry_run": true]), as: officer)["plan"]
      #expect(
        Set((plan?["exports"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }) == [acts, whole],
        "told before, of one's own organization")
      try await library.call("subject.erase", erasing, as: staff)
      func receipt(_ principal: Principal) async throws -> [JSON] {
        let answer = try await library.ask("subject.receipt", ["id": .string(id)], as: principal)
        return answer["events"]?.arrayValue?.compactMap { $0["data"]?["exports"]?.arrayValue }.flatMap { $0 } ?? []
      }
      #expect(Set(try await receipt(staff).compactMap { $0["id"]?.stringValue }) == [acts, whole, theirs])
      #expect(Set(try await receipt(officer).compactMap { $0["id"]?.stringValue }) == [acts, whole])
    }
  }
}
