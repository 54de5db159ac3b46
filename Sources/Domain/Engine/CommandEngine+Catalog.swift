import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension CommandEngine {
  /// The id under which the catalog's revisions are recorded.
  public static let catalogIdentifier = Identifier.version5(namespace: .urlNamespace, name: "daybook:catalog")

  /// What states have besides what their events have set, as `catalog.revised` events have recorded it.
  static func recordedDefaults(_ log: EventLog) throws -> StateDefaults {
    do {
      let recorded = try log.read { try $0.state(catalogIdentifier) }
      guard let recorded, recorded.type == "catalog" else { return StateDefaults() }
      return StateDefaults(recorded.fields["defaults"]?.objectValue ?? [:])
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// Records the catalog's revision as `catalog.revised` where it isn't the one that was recorded last. To be called at
  /// start, before any command.
  ///
  /// With it go the defaults of fields that are required by now and that resources lack: these resources have them from
  /// then on, at earlier moments too, and go on having them when the catalog's default changes. Unique constraints that
  /// are new get their index; so do all that pass over form where it was made by the data of another Unicode version,
  /// or of none.
  /// - Throws: ``Refusal`` `conflict` where the revision contradicts living resources, with a count of what
  ///   contradicts and what to do
  ///   about it; nothing is recorded then.
  public func recordCatalog() async throws {
    let revision = JSON.string(catalog.revision)
    let id = CommandEngine.catalogIdentifier
    let folding = JSON.string(UnicodeForm.version)
    let recorded = try await inBackground { try $0.state(id)?.fields }
    guard recorded?["revision"] != revision || recorded?["folding"] != folding else { return }
    var change = try await eachState(CatalogChange(model: model, rules: rules)) { try $0.examine($1, in: $2) }
    if !change.unindexed.isEmpty { change = try await eachState(change) { try $0.collectKeys($1, in: $2) } }
    try change.refuse()
    let defaults = change.defaults(besides: log.stateDefaults)
    let keys = change.keys
    let schema = catalog.revision
    let source = catalog.source
    do {
      _ = try await log.commit { transaction in
        let before = try transaction.state(id)?.fields
        guard before?["revision"] != revision || before?["folding"] != folding else { return }
        var draft = EventDraft(
          event: "catalog.revised", type: "catalog", resource: id, actor: Principal.server.actor, schema: schema,
          at: transaction.now)
        if before?["revision"] != revision { draft.set = ["revision": revision] }
        if before?["folding"] != folding { draft.set["folding"] = folding }
        if before?["defaults"]?.objectValue ?? [:] != defaults.json { draft.set["defaults"] = .object(defaults.json) }
        if let before {
          for name in draft.set.keys { draft.was[name] = before[name] ?? .null }
        }
        draft.data = ["source": .object(source)]
        try transaction.append(draft)
        for (constraint, holders) in keys {
          try transaction.releaseAll(constraint: constraint)
          for (key, holder) in holders { try transaction.claim(constraint: constraint, key: key, for: holder) }
        }
      }
    } catch {
      throw Refusal(causedBy: error)
    }
    log.stateDefaults = defaults
  }

  /// Goes through the states of all resources, in chunks, so that no read transaction lasts long.
  private func eachState<Result: Sendable>(
    _ start: Result, _ visit: @escaping @Sendable (inout Result, ResourceState, borrowing LogSnapshot) throws -> Void
  ) async throws -> Result {
    var result = start
    var next: UInt64 = 1
    while true {
      let (first, sofar) = (next, result)
      let chunk = try await inBackground { snapshot -> (result: Result, next: UInt64) in
        var result = sofar
        var next = first
        for record in try snapshot.records(from: first, limit: 2000, maximumBytes: 16 << 20) {
          next = record.position + 1
          // Each resource once: by its first event, whose header ends so, since its members are sorted and `version` is
          // the last.
          guard record.header.suffix(firstVersion.count).elementsEqual(firstVersion) else { continue }
          if let state = try snapshot.state(record.parsedHeader().resource) { try visit(&result, state, snapshot) }
        }
        return (result, next)
      }
      result = chunk.result
      if chunk.next == next { return result }
      next = chunk.next
    }
  }
}

private let firstVersion = Array(#""version":1}"#.utf8)
