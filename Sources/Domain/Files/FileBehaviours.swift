import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Files: uploaded in chunks or at once, known by their content, worked on, expired.
enum FileBehaviours {
  /// `file.create`: being uploaded, or uploaded already.
  static let create = Behaviour(
    check: { context in checkHash(context.fields, &context) },
    decide: { decision in
      guard decision.fields["status"] == "uploaded" else {
        try decision.applyCreation()
        return
      }
      var values: JSONObject = ["uploaded_at": .string(decision.now.text), "upload_progress": 100]
      values["uploaded_chunks"] = decision.fields["total_chunks"]
      if let organization = try decision.newOrganization() {
        values = values.merging(try duplicate(decision.fields, in: organization, besides: nil, decision))
      }
      try decision.applyCreation(values)
      decision.members["duplicate_of"] = values["duplicate_of"]
    })

  /// `file.edit`: what is said of it. Its content is fixed once it is uploaded; a
  /// hash that is worked out only then is taken.
  static let edit = Behaviour(
    check: { context in checkHash(context.fields, &context) },
    decide: { decision in
      let state = try decision.target()
      var values = decision.fields
      if state.fields.contains("uploaded_at") {
        for name in ["file_hash", "file_size"] {
          guard let value = values[name], let before = state.fields[name], value != before else { continue }
          // The size of content whose hash isn't known can still be put right.
          if name == "file_size", !state.fields.contains("file_hash") { continue }
          throw Refusal.invalidParam("/\(name)", "is fixed once the file is uploaded")
        }
        if let organization = state.organization, values.contains("file_hash"), !state.fields.contains("file_hash") {
          let merged = state.fields.merging(values)
          values = values.merging(try duplicate(merged, in: organization, besides: state.id, decision))
        }
      }
      try decision.edit(state, decision.type, event: decision.command.event, values: values)
      decision.members["duplicate_of"] = values["duplicate_of"]
    })

  /// `file.add_chunk`: one chunk is there. Telling it twice records nothing.
  static let addChunk = Behaviour(
    check: { context in
      if let problem = FileContent.hashProblem(context.parameters["sha256"]?.stringValue) {
        context.refuse("/sha256", problem)
      }
    },
    decide: { decision in
      let state = try decision.target()
      guard let index = decision.parameters["index"]?.integerValue else {
        throw Refusal.invalidParam("/index", "is required")
      }
      let total = state.fields["total_chunks"]?.integerValue ?? 1
      guard index < total else {
        throw Refusal.invalidParam("/index", "must be less than total_chunks, which is \(total)")
      }
      var chunks = ChunkSet(state.fields["received_chunks"])
      if chunks.contains(index) { return }
      try refuseUnless(["uploading"], state, decision)
      chunks.insert(index)
      guard chunks.ranges.count <= ChunkSet.maximumRanges else {
        throw Refusal.conflict(
          reason: "state",
          "More than \(ChunkSet.maximumRanges) gaps are between the chunks: send what is missing first.",
          ["missing": ChunkSet(state.fields["received_chunks"]).missing(of: total).json])
      }
      let count = chunks.count
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: [
          "received_chunks": chunks.json, "uploaded_chunks": .integer(count),
          "upload_progress": .integer(count * 100 / total),
        ], data: decision.parameters)
    })

  /// `file.complete`: every chunk is there, and this is what the file holds. Where
  /// the organization has a file of that content, it is named.
  static let complete = Behaviour(
    check: { context in checkHash(context.parameters, &context) },
    decide: { decision in
      let state = try decision.target()
      if state.fields.contains("uploaded_at"), state.fields["file_hash"] == decision.parameters["file_hash"],
        decision.parameters["file_size"].map({ $0 == state.fields["file_size"] }) ?? true
      {
        decision.members["duplicate_of"] = state.fields["duplicate_of"]
        return
      }
      try refuseUnless(["uploading"], state, decision)
      let total = state.fields["total_chunks"]?.integerValue ?? 1
      let missing = ChunkSet(state.fields["received_chunks"]).missing(of: total)
      guard missing.ranges.isEmpty else {
        throw Refusal.conflict(
          reason: "state", "\(missing.count) of \(total) chunks are missing.",
          ["from": "uploading", "missing": missing.json])
      }
      var values = decision.parameters.merging([
        "status": "uploaded", "uploaded_at": .string(decision.now.text), "upload_progress": 100,
      ])
      if let organization = state.organization {
        let merged = state.fields.merging(values)
        values = values.merging(try duplicate(merged, in: organization, besides: state.id, decision))
      }
      try decision.edit(state, decision.type, event: decision.command.event, values: values)
      decision.members["duplicate_of"] = values["duplicate_of"]
    })

  /// `file.fail`: it could not be uploaded, or not be worked on.
  static let fail = Behaviour(decide: { decision in
    let state = try decision.target()
    let message = decision.parameters["error_message"] ?? .null
    if state.fields["status"] == "failed", state.fields["error_message"] == message { return }
    try refuseUnless(["uploading", "uploaded", "processing"], state, decision)
    try decision.edit(
      state, decision.type, event: decision.command.event, values: ["status": "failed", "error_message": message])
  })

  /// `file.begin_processing`: somebody works on it.
  static let beginProcessing = Behaviour(decide: { decision in
    try markProcessing(decision.target(), decision)
  })

  /// `file.finish_processing`: the work on it has ended.
  static let finishProcessing = Behaviour(decide: { decision in
    let state = try decision.target()
    let status: JSON = decision.parameters["status"] == "failed" ? "failed" : "completed"
    if state.fields["status"] == status { return }
    try refuseUnless(["processing"], state, decision)
    try decision.edit(
      state, decision.type, event: decision.command.event,
      values: ["status": status, "error_message": decision.parameters["error_message"] ?? .null])
  })

  /// `file.expire`: its time is over, and it goes.
  static let expire = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let end = state.fields["expires_at"]?.stringValue.flatMap({ Timestamp($0) }), end <= decision.now else {
      throw Refusal.conflict(
        reason: "state", "This file has not expired.", ["expires_at": state.fields["expires_at"] ?? .null])
    }
    try decision.delete(state, decision.type, event: decision.command.event)
  })

  // MARK: - Shared with jobs

  /// Work on a file begins, by a command of its own or since a job began.
  static func markProcessing(
    _ file: ResourceState, _ decision: Decision, causation: Identifier? = nil
  ) throws {
    let present = status(of: file)
    if present == "processing" { return }
    let allowed = ["uploaded", "completed", "failed"]
    guard allowed.contains(present), file.fields.contains("uploaded_at") else {
      throw Decision.wrongState(decision.command.method, present: present, allowed: allowed)
    }
    try decision.edit(
      file, try decision.model.type("file"), event: "file.processing_begun",
      values: ["status": "processing", "error_message": .null], causation: causation)
  }

  static func status(of state: ResourceState) -> String {
    state.fields["status"]?.stringValue ?? "uploading"
  }

  // MARK: -

  private static func refuseUnless(_ allowed: [String], _ state: ResourceState, _ decision: Decision) throws {
    let present = status(of: state)
    guard !allowed.contains(present) else { return }
    throw Decision.wrongState(decision.command.method, present: present, allowed: allowed)
  }

  @Sendable private static func checkHash(_ values: JSONObject, _ context: inout CheckContext) {
    if let problem = FileContent.hashProblem(values["file_hash"]?.stringValue) { context.refuse("/file_hash", problem) }
  }

  /// The reference to an earlier file of the same content, where the organization has one.
  private static func duplicate(
    _ fields: JSONObject, in organization: Identifier, besides id: Identifier?, _ decision: Decision
  ) throws -> JSONObject {
    guard let hash = fields["file_hash"]?.stringValue, let size = fields["file_size"]?.integerValue else { return [:] }
    let content = FileContent.identifier(organization: organization, hash: hash, size: size)
    guard let original = try FileContent.original(of: content, besides: id, in: decision.transaction) else {
      return [:]
    }
    return ["duplicate_of": .string(original.text)]
  }
}
