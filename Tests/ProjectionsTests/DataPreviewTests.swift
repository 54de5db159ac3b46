import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Projections
import Testing
import Vault

/// Rows that were previewed at a node.
@Suite struct DataPreviewTests {
  /// A preview as commands record it.
  static func preview(_ models: TestReadModels, in organization: Identifier, sample: JSON, schema: JSON? = nil) throws
    -> EventDraft
  {
    var draft = EventDraft(event: "run.previewed", type: "run", resource: .version7(at: .now), actor: "local:0")
    draft.organization = organization
    draft.data = ["node_id": "n1", "row_count": 5_000_000_000, "expires_at": "2030-01-02T00:00:00.000000Z"]
    func seal(_ value: JSON, _ member: String) throws -> JSON {
      try models.vault.seal(
        value, for: .expiring(organization: organization, retentionClass: "previews", month: Timestamp.now.month),
        context: SealContext(eventID: draft.id, resourceID: draft.resource, field: "data/\(member)"))
    }
    draft.data["sample_data"] = try seal(sample, "sample_data")
    if let schema { draft.data["schema_info"] = try seal(schema, "schema_info") }
    return draft
  }

  @Test(.timeLimit(.minutes(2)))
  func `a preview is one row, and what it shows is apart`() async throws {
    let models = try await TestReadModels()
    let organization = Identifier.version7(at: .now)
    let full = try Self.preview(models, in: organization, sample: [["name": "Ada", "n": 1]], schema: ["name": "text"])
    let bare = try Self.preview(models, in: organization, sample: [])
    let position = try await models.append([full, bare])
    try await models.settle()
    for isRebuilt in [false, true] {
      if isRebuilt {
        #expect(try await models.projections.rebuild(["data_previews"], check: true).differences == [])
      }
      let rows = try await models.rows(
        """
        SELECT d.id, d.organization_id, d.run_id, d.node_id, d.row_count, d.column_count,
          d.expires_at = '2030-01-02T00:00:00Z', d.created_at <= now(), p.sample_data, p.schema_info
        FROM daybook.data_previews AS d JOIN personal.data_previews AS p USING (id) ORDER BY d.id
        """)
      #expect(
        rows == [
          [
            String((position - 1) << 20), organization.text, full.resource.text, "n1", "5000000000", nil, "t", "t",
            #"[{"n": 1, "name": "Ada"}]"#, #"{"name": "text"}"#,
          ],
          [
            String(position << 20), organization.text, bare.resource.text, "n1", "5000000000", nil, "t", "t", "[]", nil,
          ],
        ])
    }
    try await models.close()
  }
}
