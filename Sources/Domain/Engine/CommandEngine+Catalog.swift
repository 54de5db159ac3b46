import BasicTypes
import CanonicalJSON
import Catalog
import EventLog

extension CommandEngine {
  /// The id under which the catalog's revisions are recorded.
  public static let catalogIdentifier = Identifier.version5(namespace: .urlNamespace, name: "daybook:catalog")

  /// Records the catalog's revision as `catalog.revised` where it isn't the one that was recorded last. To be called at start, before any command.
  /// - Throws: ``DaybookError`` `conflict` where the revision contradicts living resources, with a count of what contradicts; nothing is recorded then.
  public func recordCatalog() async throws {
    let revision = JSON.string(catalog.revision)
    let id = CommandEngine.catalogIdentifier
    let recorded = try await inBackground { try $0.state(id)?.fields["revision"] }
    guard recorded != revision else { return }
    try await refuseContradictions()
    let schema = catalog.revision
    let source = catalog.source
    do {
      _ = try await log.commit { transaction in
        let before = try transaction.state(id)?.fields["revision"]
        guard before != revision else { return }
        var draft = EventDraft(
          event: "catalog.revised", type: "catalog", resource: id, actor: Principal.server.actor, schema: schema,
          at: transaction.now)
        draft.set = ["revision": revision]
        if let before { draft.was = ["revision": before] }
        draft.data = ["source": .object(source)]
        try transaction.append(draft)
      }
    } catch {
      throw DaybookError(error)
    }
  }

  private func refuseContradictions() async throws {
    var found = Contradictions()
    var next: UInt64 = 1
    while true {
      let start = next
      let model = model
      let chunk = try await inBackground { snapshot -> (found: Contradictions, next: UInt64) in
        var found = Contradictions()
        var next = start
        for record in try snapshot.records(from: start, limit: 2000, maximumBytes: 16 << 20) {
          next = record.position + 1
          // Each resource once: by its first event.
          guard record.header.hasSuffix(Contradictions.firstVersion) else { continue }
          if let state = try snapshot.state(record.parsedHeader().resource), !state.isDeleted {
            found.check(state, model)
          }
        }
        return (found, next)
      }
      found.add(chunk.found)
      if chunk.next == start { break }
      next = chunk.next
    }
    try found.refuse()
  }
}

/// What living resources hold that a catalog doesn't allow, counted by kind.
private struct Contradictions: Sendable {
  /// How a header ends that makes a resource's first version: its members are sorted, and `version` is the last.
  static let firstVersion = Array(#""version":1}"#.utf8)

  private var counts: [String: Int] = [:]

  mutating func check(_ state: ResourceState, _ model: CatalogModel) {
    guard let type = model.types[state.type] else {
      count("\(state.type): the resource type is gone, but resources of it are held")
      return
    }
    for name in state.fields.keys where type.field(name) == nil && !ResourceType.implicitFields.contains(name) {
      count("\(type.name).\(name): the field is gone, but values of it are held")
    }
    // A type without commands of its own holds only what Daybook records about itself.
    guard type.type.hasReadModel else { return }
    for field in type.fields {
      guard let value = state.fields[field.name] else {
        if field.field.isRequired { count("\(type.name).\(field.name): is required, but missing") }
        continue
      }
      if field.field.type == .enum, field.keeping == .plain, let word = value.stringValue,
        !field.field.values.contains(word)
      {
        count("\(type.name).\(field.name): a value is gone, but held")
      }
    }
  }

  mutating func add(_ other: Contradictions) { counts.merge(other.counts) { $0 + $1 } }

  private mutating func count(_ kind: String) { counts[kind, default: 0] += 1 }

  func refuse() throws {
    guard !counts.isEmpty else { return }
    let sorted = counts.sorted { $0.key < $1.key }
    throw DaybookError.conflict(
      reason: "state",
      "The catalog contradicts what the log holds: "
        + sorted.prefix(10).map { "\($0.key) (\($0.value) resources)" }.joined(separator: "; ") + ".",
      [
        "contradictions": .array(
          sorted.map { .object(["problem": .string($0.key), "count": .integer(Int64($0.value))]) })
      ])
  }
}

extension [UInt8] {
  fileprivate func hasSuffix(_ other: [UInt8]) -> Bool {
    count >= other.count && suffix(other.count).elementsEqual(other)
  }
}
