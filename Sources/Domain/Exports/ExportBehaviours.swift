import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Evidence
import MerkleTree
import Records
import Refusals
import Vault

/// Evidence that is handed out: its events are the chain of custody.
enum ExportBehaviours {
  /// `export.create`: records who asks for what, and answers the terms that a bundle must keep to.
  static let create = Behaviour<ExportPlan>(
    prepare: { context in
      let question = ExportQuestion(&context)
      guard context.problems.isEmpty else { return .refused }
      return .background { engine, prepared in try await ExportPlan(question, engine, prepared) }
    },
    decide: { decision, plan in
      try ExportQuestion.authorize(decision.principal, in: plan.organization)
      guard plan.headersOf != nil || decision.principal.readsAllHeaders,
        plan.withheldTypes == decision.principal.veiledTypes(of: decision.model.catalog)
      else { throw Refusal.forbidden(permission: "log:read") }
      if plan.organization != nil { _ = try decision.newOrganization() }
      try decision.checkVersion(0)
      let event = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: decision.prepared.id,
          organization: plan.organization, values: values(of: plan, decision)))
      decision.answered = event.resource
      let terms = plan.terms(id: event.resource, actor: decision.principal.actor, at: event.at)
      decision.members["checkpoint"] = .string(plan.checkpoint)
      decision.members["terms"] = .object(terms.json)
      decision.members["verifier_key"] = .string(try signer(decision.engine, plan.checkpoint).verifier.vkey)
    })

  private static func values(of plan: ExportPlan, _ decision: Decision) -> JSONObject {
    [
      "actor": .string(decision.principal.actor), "event_count": JSON(position: plan.events),
      "filter": .object(plan.filter.json), "first_position": JSON(position: plan.first),
      "headers_of": plan.headersOf.map { .string($0.text) } ?? .null, "is_decrypted": .bool(plan.isDecrypted),
      "last_position": JSON(position: plan.last), "root": .string(plan.head.root.base64),
      "since": plan.since.map { .string($0.text) } ?? .null, "tree_size": JSON(position: plan.head.position),
      "until": plan.until.map { .string($0.text) } ?? .null, "withheld_count": JSON(position: plan.withheld),
      "withheld_types": .array(plan.withheldTypes.map(JSON.string)),
    ]
  }

  /// `export.complete`: records the digest of the manifest, and answers the log's signature over it and the terms.
  /// Only who began an export completes it.
  static let complete = Behaviour(
    check: { context in
      guard let text = context.parameters["manifest_sha256"]?.stringValue else { return }
      if MerkleTree.Digest(hex: text)?.hex != text {
        context.refuse("/manifest_sha256", "must be 64 hexadecimal digits in lower case, as sha256sum writes them")
      }
    },
    authorizesItself: true,
    decide: { decision in
      let state = try target(of: decision)
      try decision.checkVersion(state.version)
      try decision.checkLifecycle(state, allowed: decision.command.command.from)
      guard let terms = ExportTerms(state), let digest = decision.parameters["manifest_sha256"]?.stringValue,
        let manifest = MerkleTree.Digest(hex: digest)
      else { throw Refusal.internalError("The export \(state.id) has terms that can't be read.") }
      guard decision.parameters["row_count"] == JSON(position: terms.events) else {
        throw Refusal.invalidParam(
          "/row_count", "is not the number of records that this export is about, \(terms.events)")
      }
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: [
          "completed_at": .string(decision.now.text), "manifest_sha256": .string(digest),
          "status": decision.command.command.to.map(JSON.string) ?? .null,
        ])
      let text = terms.statement(manifest: manifest)
      let signer = try signer(decision.engine, nil)
      let note = try SignedNote(text: text, signatures: [signer.signature(over: text)])
      decision.members["note"] = .string(note.serialized)
    })

  /// The export that a command names, of whoever began it.
  private static func target(of decision: Decision) throws -> ResourceState {
    guard let id = decision.prepared.id else { throw Refusal.invalidParam("/id", "is required") }
    // Not by created_by, which is the same for the local administrator and for a key that no person made.
    let actor = JSON.string(decision.principal.actor)
    guard let state = try decision.transaction.state(id), state.type == decision.type.name, !state.isDeleted,
      try state.fields["actor"] == actor || decision.isVisible(state)
    else { throw Refusal.notFound(type: decision.type.name, id: id.text) }
    guard state.fields["actor"] == actor else {
      throw Refusal.forbidden(permission: "exports:read", "Only who began an export completes it.")
    }
    decision.answered = id
    return state
  }

  /// The key that signs this log's checkpoints, under the name that it has there.
  private static func signer(_ engine: CommandEngine, _ checkpoint: String?) throws -> NoteSigner {
    guard let note = try checkpoint ?? engine.log.signedHead()?.note,
      let name = try SignedNote(parsing: Array(note.utf8)).signatures.first?.name
    else { throw Refusal.unavailable(component: "log", "This log has no key that signs checkpoints.") }
    return try NoteSigner(name: name, key: engine.vault.signingKey)
  }
}
