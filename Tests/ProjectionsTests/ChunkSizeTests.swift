import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Testing

@testable import Projections

/// What a chunk comes to is bounded, however little of the log it is made of.
@Suite struct ChunkSizeTests {
  private static func pipeline(_ event: String, _ id: Identifier, _ set: JSONObject) -> EventDraft {
    var draft = EventDraft(event: "pipeline.\(event)", type: "pipeline", resource: id, actor: "local:0")
    draft.set = set
    return draft
  }

  @Test(.timeLimit(.minutes(2)))
  func `versions that each come with a long content end a chunk early, and all are posted`() async throws {
    let models = try await TestReadModels()
    let id = Identifier.version7(at: .now)
    let text = String(repeating: "x", count: 1 << 20)
    var drafts = [
      Self.pipeline(
        "created", id, ["name": "p", "number": 1, "version_number": 1, "config": ["text": .string(text)]])
    ]
    for number in 2...100 {
      drafts.append(
        Self.pipeline(
          "edited", id, ["version_number": .integer(Int64(number)), "nodes": [.integer(Int64(number))]]))
    }
    try await models.append(drafts)
    let model = models.projections.schema.model
    let request = PreparedChunk.Request(
      units: [UnitID(projection: "pipeline_versions", part: .rows)], after: 0, through: 100, maximumEvents: 5000,
      maximumBytes: 8 << 20)
    let chunk = try models.log.read {
      try ChunkBuilder.build(request, model: model, vault: models.vault, snapshot: $0)
    }
    #expect(chunk.count > 1 && chunk.count < 100 && chunk.last == UInt64(chunk.count))
    #expect(chunk.events.count < ChunkBuilder.stagedBytes + (2 << 20))
    try await models.settle()
    let rows = try await models.rows(
      """
      SELECT count(*), bool_and(snapshot #>> '{config,text}' = repeat('x', 1048576)), max(snapshot #>> '{nodes,0}')
      FROM daybook.pipeline_versions WHERE pipeline_id = '\(id.text)'
      """)
    #expect(rows == [["100", "t", "99"]])
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `an event that is longer than PostgreSQL could hold with all it replaces is in the audit trail without that`()
    async throws
  {
    let models = try await TestReadModels()
    let id = Identifier.version7(at: .now)
    let length = 41 << 20
    var edit = Self.pipeline("edited", id, ["config": ["text": .string(String(repeating: "x", count: length))]])
    edit.set["description"] = "short"
    try await models.append([Self.pipeline("created", id, ["name": "p", "number": 1, "version_number": 1]), edit])
    try await models.settle()
    #expect(await models.projections.status().allSatisfy { $0.state == .running })
    let changes = try await models.rows(
      "SELECT changes #>> '{config,to}', changes #>> '{description,to}' FROM daybook.audit_trail WHERE id = 2")
    #expect(changes[0][0]?.contains("\(length + 11) bytes") == true, "\(changes[0][0]?.prefix(200) ?? "")")
    #expect(changes[0][1] == "short")
    #expect(
      try await models.rows("SELECT length(config ->> 'text') FROM daybook.pipelines WHERE id = '\(id.text)'")
        == [["\(length)"]])
    try await models.close()
  }
}
