import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension CommandEngine {
  static let installation = DerivedIdentifier(
    name: "daybook:installation", type: "installation", organization: nil,
    former: .version5(namespace: .urlNamespace, name: "daybook:installation"))

  /// Records as `installation.restored` that this log was put back from a backup, once; to be called at the first
  /// start, before any command.
  /// - Throws: ``Refusal`` where it can't be recorded.
  public func recordRestored(_ note: InstallationNote) async throws {
    try await record(note, as: "installation.restored", in: "restored_position")
  }

  /// Records as `installation.head_accepted` that this log was opened though no signed head said where it ends, once;
  /// to be called at that start, before any command.
  /// - Throws: ``Refusal`` where it can't be recorded.
  public func recordAcceptedHead(_ note: InstallationNote) async throws {
    try await record(note, as: "installation.head_accepted", in: "accepted_position")
  }

  private func record(_ note: InstallationNote, as event: String, in field: String) async throws {
    let schema = catalog.revision
    do {
      _ = try await log.commit { transaction in
        let (id, known) = try CommandEngine.installation.resolve(transaction.state)
        // A crash came after it was recorded and before the note was removed.
        if known?.fields[field] == JSON(position: note.position) { return }
        var draft = EventDraft(
          event: event, type: "installation", resource: id, actor: Principal.server.actor, schema: schema,
          at: transaction.now)
        draft.set = [field: JSON(position: note.position)]
        if let known { draft.was = [field: known.fields[field] ?? .null] }
        draft.data = note.facts
        try transaction.append(draft)
      }
    } catch {
      throw Refusal(causedBy: error)
    }
  }
}
