import BasicTypes
import CanonicalJSON
import EventLog
import Vault

/// Turns a stretch of the log into a ``PreparedChunk``. Pure but for the snapshot and the vault that it reads.
///
/// There are four ways into the tables, each with a type that takes events down for it; an event may take several:
///
/// | way | what takes it | to |
/// |---|---|---|
/// | ``CopiedEvents``; ``FoldedResources``, new ones | the audit trail; new resources | `COPY` into the table itself |
/// | ``FoldedResources``, others | fields set in resources that were there | `COPY` into `staged_changes`, merged |
/// | ``StagedEvents`` | events for a `fill` of the read model's own | `COPY` into `staged_events`, then that SQL |
/// | ``OpenedEvents``; ``FoldedResources``, personal | sealed values; events that remove rows | JSON arrays as `$1` |
struct ChunkBuilder {
  /// What there is to do for the events of a name.
  private struct Plan {
    let type: PostedType?
    let isFolded: Bool
    /// The places of the read models that are filled from it.
    let filled: [Int]
    /// The places of those whose rows it takes away.
    let removed: [Int]
  }

  /// A chunk ends once its staged rows have so many bytes. The log's bytes don't tell: each version of a resource in
  /// the chunk comes with all the content that the chunk's events have set.
  static let stagedBytes = 64 << 20

  private let model: ProjectionModel
  private let opener: ValueOpener
  private let units: Set<UnitID>
  /// The read models that are filled from events; every output keeps what is for one at the same place.
  private let readModels: [EventReadModel]
  private var plans: [String: Plan] = [:]
  private var fixedFields: [Identifier: JSONObject] = [:]
  private var chunk: PreparedChunk

  private var folded: FoldedResources
  private var copied: CopiedEvents
  private var staged: StagedEvents
  private var opened: OpenedEvents

  private init(
    _ request: PreparedChunk.Request, model: ProjectionModel, vault: Vault, defaults: StateDefaults,
    bytes: Int
  ) throws {
    self.model = model
    opener = ValueOpener(vault: vault)
    units = Set(request.units)
    chunk = PreparedChunk(request: request, last: request.after)
    var types: Set<String> = []
    var readModels: [EventReadModel] = []
    for name in Set(request.units.map(\.projection)).sorted() {
      guard let definition = model.definition(name) else {
        throw ProjectionError(.unknown, "There is no read model \(name).")
      }
      switch definition.source {
      case .state(let type):
        types.insert(type)
      case .events(let filter):
        readModels.append(EventReadModel(definition, filter, units, model))
        if case .named(_, let whole) = filter {
          types.formUnion(whole.filter { model.types[$0]?.isVersioned == true })
        }
      }
    }
    self.readModels = readModels
    folded = FoldedResources(types, defaults: FoldDefaults(defaults, model))
    copied = CopiedEvents(readModels, bytes: bytes)
    staged = StagedEvents(readModels)
    opened = OpenedEvents(readModels, opener: opener)
  }

  /// Builds the chunk that a request describes from the log as the snapshot has it.
  static func build(
    _ request: PreparedChunk.Request, model: ProjectionModel, vault: Vault, snapshot: borrowing LogSnapshot
  ) throws -> PreparedChunk {
    let wanted = Int(clamping: request.through - min(request.after, request.through))
    let records = try snapshot.records(
      from: request.after + 1, limit: min(request.maximumEvents, wanted),
      maximumBytes: request.maximumBytes)
    var builder = try ChunkBuilder(
      request, model: model, vault: vault, defaults: snapshot.defaults,
      bytes: records.reduce(0) { $0 + $1.body.count + 256 })
    for record in records where builder.staged.byteCount < stagedBytes {
      try builder.take(try StoredEvent(record), snapshot)
    }
    builder.finish()
    return builder.chunk
  }

  private mutating func take(_ event: StoredEvent, _ snapshot: borrowing LogSnapshot) throws {
    chunk.last = event.position
    chunk.lastEventID = event.id
    chunk.lastAt = event.at
    chunk.count += 1
    if event.type == "sql_role" { chunk.touchesRoles = true }
    if event.event == "projection.skipped" || event.event == "projection.unskipped" { chunk.touchesSkips = true }
    let plan = plan(event)
    if let type = plan.type, plan.isFolded { folded.take(event, type) }
    try fill(plan, from: event, snapshot)
    for place in plan.removed { opened.addRemoval(event, at: place) }
  }

  /// What there is to do for an event of that name, found out once.
  private mutating func plan(_ event: StoredEvent) -> Plan {
    if let known = plans[event.event] { return known }
    let plan = Plan(
      type: model.types[event.type], isFolded: folded.takes(event.type),
      filled: readModels.indices.filter {
        readModels[$0].filter.takes(event.event, type: event.type)
      },
      removed: readModels.indices.filter { readModels[$0].definition.removes.contains(event.event) }
    )
    plans[event.event] = plan
    return plan
  }

  /// Takes the event down for the read models that are filled from events.
  private mutating func fill(_ plan: Plan, from event: StoredEvent, _ snapshot: borrowing LogSnapshot) throws {
    var row: StagedRow?
    var isStaged = false
    for place in plan.filled {
      let readModel = readModels[place]
      let needed = try fixed(readModel.definition.needs, of: event, plan.type, snapshot)
      if readModel.isFilled {
        let current = row ?? StagedRow(event, plan.type)
        row = current
        if let columns = readModel.columns {
          copied.add(current, columns, of: event, at: place)
        } else {
          isStaged = true
          staged.mark(place)
          if readModel.filter != .all {
            row?.needsData = true
            if !needed.isEmpty { row?.fields = current.fields.merging(needed) }
          }
        }
      }
      if !readModel.opening.isEmpty { opened.add(event, for: readModel, at: place, needed) }
    }
    guard isStaged, var row else { return }
    if row.needsData, plan.type?.isVersioned == true, let fold = folded.fold(of: event.resource),
      let number = event.setValue("version_number").flatMap({ event.body.value($0)?.integerValue })
    {
      row.version = (number, fold)
    }
    staged.add(row, of: event)
  }

  /// The fields of the event's resource that a read model needs; they are fixed at creation, so the newest state has
  /// them.
  private mutating func fixed(
    _ names: [String], of event: StoredEvent, _ type: PostedType?, _ snapshot: borrowing LogSnapshot
  ) throws -> JSONObject {
    guard let type, names.contains(where: { name in type.fields.contains { $0.name == name } })
    else { return [:] }
    let state: JSONObject
    if let known = fixedFields[event.resource] {
      state = known
    } else {
      state = try snapshot.state(event.resource)?.fields ?? [:]
      fixedFields[event.resource] = state
    }
    return state.filter { names.contains($0.key) }
  }

  private mutating func finish() {
    staged.finish(readModels, into: &chunk)
    opened.finish(readModels, into: &chunk)
    copied.finish(readModels, into: &chunk)
    folded.finish(model, units, opener, into: &chunk)
  }
}
