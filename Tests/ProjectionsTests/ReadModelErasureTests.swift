import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Postgres
import Projections
import Testing
import Vault

/// A person whose key is gone leaves the read models, and everybody else stays.
@Suite struct ReadModelErasureTests {
  @Test(.timeLimit(.minutes(3)))
  func `what is left is what a rebuild makes, and the tables are new files`() async throws {
    try await TestReadModels.with { models in
      let (ann, bob) = try await Self.people(models)
      try await models.settle()
      let before = try await models.rows("SELECT pg_relation_filenode('personal.users')")
      _ = try models.vault.destroy([.subject(ann)])
      let done = try await models.projections.erase(ann, through: models.log.head.position, patience: .seconds(60))
      #expect(done["tables"]?.arrayValue?.contains("personal.users") == true && (done["rows"]?.integerValue ?? 0) > 0)
      let left = try await models.rows("SELECT email FROM personal.users WHERE email IS NOT NULL")
      #expect(left == [["bob@example.org"]])
      #expect(try await models.rows("SELECT reason FROM personal.audit_trail WHERE reason IS NOT NULL") == [["by bob"]])
      #expect(try await models.rows("SELECT pg_relation_filenode('personal.users')") != before)
      let report = try await models.projections.rebuild(nil, check: true)
      #expect(report.tables.allSatisfy { !$0.differs }, "\(report.tables.filter(\.differs).map(\.name))")
      #expect(try models.log.read { try $0.state(bob) } != nil)
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `somebody who reads a table all the while is named, keeps nobody else out, and the next try goes on`()
    async throws
  {
    try await TestReadModels.with { models in
      let (ann, _) = try await Self.people(models)
      try await models.settle()
      _ = try models.vault.destroy([.subject(ann)])
      let head = models.log.head.position
      try await PostgresConnection.with(models.url) { reader in
        try await reader.execute("BEGIN; SELECT FROM personal.users")
        let error = await #expect(throws: ProjectionError.self) {
          _ = try await models.projections.erase(ann, through: head, patience: .seconds(3))
        }
        #expect(error?.code == .busy && error?.message.contains("personal") == true, "\(error?.message ?? "")")
        // The values are gone from the rows already, and others read them.
        #expect(
          try await models.rows("SELECT email FROM personal.users WHERE email IS NOT NULL") == [["bob@example.org"]])
        try await reader.execute("COMMIT")
      }
      _ = try await models.projections.erase(ann, through: head, patience: .seconds(30))
    }
  }

  /// Two people, each of whom has given a reason.
  private static func people(_ models: TestReadModels) async throws -> (ann: Identifier, bob: Identifier) {
    let acme = try await models.domain.organization("acme")
    var ids: [Identifier] = []
    for name in ["ann", "bob"] {
      let member = try await models.domain.member(name, of: acme)
      try await models.call(
        "pipeline.create", ["name": .string(name), "organization_id": .string(acme), "reason": .string("by \(name)")],
        as: member.principal)
      ids.append(try #require(Identifier(member.id)))
    }
    return (ids[0], ids[1])
  }
}
