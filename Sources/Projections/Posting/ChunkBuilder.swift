import BasicTypes
import CanonicalJSON
import EventLog
import Vault

/// Turns a stretch of the log into a ``PreparedChunk``: folds states, lays out the staging rows, and opens what the personal
/// tables get. Pure but for the snapshot and the vault that it reads.
struct ChunkBuilder {
  /// A piece of opened values, as JSON, goes out once it is this long, so that PostgreSQL never spills it to disk.
  private static let pieceBytes = 1 << 20

  private let model: ProjectionModel
  private let opener: ValueOpener
  private let units: Set<UnitID>
  private let foldedTypes: Set<String>
  private var plans: [String: EventPlan] = [:]
  private var targets: [EventTarget] = []
  private var chunk: PreparedChunk
  private var folds: [ResourceFold] = []
  private var foldPlaces: [Identifier: Int] = [:]
  private var staged = BinaryCopy()
  private var fixedFields: [Identifier: JSONObject] = [:]
  private let defaults: FoldDefaults

  private init(_ request: PreparedChunk.Request, model: ProjectionModel, vault: Vault, defaults: StateDefaults) throws {
    self.model = model
    self.defaults = FoldDefaults(defaults, model)
    opener = ValueOpener(vault: vault)
    units = Set(request.units)
    chunk = PreparedChunk(request: request, last: request.after)
    var folded: Set<String> = []
    for name in Set(request.units.map(\.projection)).sorted() {
      guard let definition = model.definition(name) else {
        throw ProjectionError(.unknown, "There is no read model \(name).")
      }
      switch definition.source {
      case .state(let type):
        folded.insert(type)
      case .events(let filter):
        targets.append(EventTarget(definition, filter, units, model))
        if case .named(_, let types) = filter {
          folded.formUnion(types.filter { model.types[$0]?.isVersioned == true })
        }
      }
    }
    foldedTypes = folded
  }

  /// Makes room for what the records come to, rather than growing step by step.
  private mutating func reserve(_ records: [LogRecord]) {
    let bytes = records.reduce(0) { $0 + $1.body.count + 256 }
    for index in targets.indices where targets[index].columns != nil {
      targets[index].copy = BinaryCopy(capacity: bytes + bytes / 8)
    }
  }

  /// Builds the chunk that a request describes from the log as the snapshot has it.
  static func build(
    _ request: PreparedChunk.Request, model: ProjectionModel, vault: Vault, snapshot: LogSnapshot
  ) throws -> PreparedChunk {
    var builder = try ChunkBuilder(request, model: model, vault: vault, defaults: snapshot.defaults)
    let wanted = Int(clamping: request.through - min(request.after, request.through))
    let records = try snapshot.records(
      from: request.after + 1, limit: min(request.maximumEvents, wanted), maximumBytes: request.maximumBytes)
    builder.reserve(records)
    for record in records { try builder.take(try StoredEvent(record), snapshot) }
    builder.finish()
    return builder.chunk
  }

  private mutating func take(_ event: StoredEvent, _ snapshot: LogSnapshot) throws {
    chunk.last = event.position
    chunk.lastEventID = event.id
    chunk.lastAt = event.at
    chunk.count += 1
    let plan = plan(event)
    if let type = plan.type, plan.isFolded {
      let place: Int
      if let known = foldPlaces[event.resource] {
        place = known
      } else {
        place = folds.count
        folds.append(ResourceFold(type: type, first: event, defaults: defaults.values(of: type)))
        foldPlaces[event.resource] = place
      }
      folds[place].take(event)
    }
    if event.type == "sql_role" { chunk.touchesRoles = true }
    if event.event == "projection.skipped" { chunk.touchesSkips = true }
    try takeFacts(event, plan, snapshot)
    for index in plan.removing { targets[index].removals.add(ChunkBuilder.removal(event), limit: Self.pieceBytes) }
  }

  /// An event that takes rows away, as the statements see it.
  private static func removal(_ event: StoredEvent) -> JSONObject {
    let data = event.data.flatMap { event.body.value($0) } ?? .object([:])
    return [
      "position": .integer(Int64(event.position)), "event": .string(event.event),
      "resource_id": .string(event.resource.text),
      "organization_id": event.organization.map { .string($0.text) } ?? .null, "data": data,
    ]
  }

  /// What there is to do for an event of that name, found out once.
  private mutating func plan(_ event: StoredEvent) -> EventPlan {
    if let known = plans[event.event] { return known }
    let plan = EventPlan(
      type: model.types[event.type], isFolded: foldedTypes.contains(event.type),
      targets: targets.indices.filter { targets[$0].filter.takes(event.event, type: event.type) },
      removing: targets.indices.filter { targets[$0].definition.removes.contains(event.event) })
    plans[event.event] = plan
    return plan
  }

  /// Takes the event down for the read models that are filled from events.
  private mutating func takeFacts(_ event: StoredEvent, _ plan: EventPlan, _ snapshot: LogSnapshot) throws {
    let type = plan.type
    var row: StagedRow?
    var isStaged = false
    for index in plan.targets {
      let needed = try fixed(targets[index].definition.needs, of: event, type, snapshot)
      if targets[index].isFilled {
        if row == nil { row = ChunkBuilder.row(event, type) }
        guard let current = row else { continue }
        if let columns = targets[index].columns {
          current.write(columns, of: event, into: &targets[index].copy)
        } else {
          isStaged = true
          targets[index].isStaged = true
          if targets[index].filter != .all {
            row?.needsData = true
            if !needed.isEmpty { row?.fields = current.fields.merging(needed) }
          }
        }
      }
      if !targets[index].opening.isEmpty { open(event, for: index, needed) }
    }
    guard isStaged, var row else { return }
    if row.needsData, type?.isVersioned == true, let place = foldPlaces[event.resource],
      let number = event.setValue("version_number").flatMap({ event.body.value($0)?.integerValue })
    {
      row.version = (number, folds[place])
    }
    row.write(StagedColumn.allCases, of: event, into: &staged)
  }

  private static func row(_ event: StoredEvent, _ type: PostedType?) -> StagedRow {
    var row = StagedRow(
      type: type, action: type?.action(event) ?? (event.set.isEmpty ? "execute" : "update"))
    if !event.set.isEmpty {
      row.changes.reserveCapacity(event.body.bytes.count + 24 * event.set.count)
      writeChanges(event, type, into: &row.changes)
    }
    return row
  }

  /// `{"field":{"from":…,"to":…}}`; hashes are masked, sealed values stay sealed.
  private static func writeChanges(_ event: StoredEvent, _ type: PostedType?, into out: inout [UInt8]) {
    out.append(UInt8(ascii: "{"))
    var hint = 0
    for (number, member) in event.set.enumerated() {
      if number > 0 { out.append(UInt8(ascii: ",")) }
      let place = type?.index(of: event.body.bytes[member.key], from: hint)
      if let place { hint = place + 1 }
      let isHidden = place.map { type?.fields[$0].place == .hidden } ?? false
      func write(_ value: Range<Int>?, _ out: inout [UInt8]) {
        if let value, !event.body.isNull(value) {
          if isHidden {
            out.append(contentsOf: #""********""#.utf8)
          } else {
            out.append(contentsOf: event.body.bytes[value])
          }
        } else {
          out.append(contentsOf: "null".utf8)
        }
      }
      out.append(UInt8(ascii: "\""))
      out.append(contentsOf: event.body.bytes[member.key])
      out.append(contentsOf: #"":{"from":"#.utf8)
      write(event.before(member.key), &out)
      out.append(contentsOf: #","to":"#.utf8)
      write(member.value, &out)
      out.append(UInt8(ascii: "}"))
    }
    out.append(UInt8(ascii: "}"))
  }

  /// Opens what a read model asks for; what can't be opened because of damage is noted against its units.
  private mutating func open(_ event: StoredEvent, for index: Int, _ needed: JSONObject) {
    let opens = targets[index].definition.opens
    do {
      var members: [(key: String, value: JSON)] = []
      if opens.contains(.reason), let reason = try opener.reason(event) {
        members.append(("reason", reason))
      }
      if opens.contains(.origin), let origin = try opener.origin(event) {
        members.append(("origin", origin))
      }
      if opens.contains(.data), let data = try opener.data(event) { members.append(("data", data)) }
      guard !members.isEmpty else { return }
      if !needed.isEmpty { members.append(("fields", .object(needed))) }
      if let number = event.setValue("version_number").flatMap({ event.body.value($0) }) {
        members.append(("version_number", number))
      }
      members += [
        ("position", .integer(Int64(event.position))), ("event", .string(event.event)),
        ("resource_type", .string(event.type)), ("resource_id", .string(event.resource.text)),
        ("organization_id", event.organization.map { .string($0.text) } ?? .null), ("at", .string(event.at.text)),
      ]
      targets[index].pieces.add(JSONObject(members: members), limit: Self.pieceBytes)
    } catch {
      let failure = error as? PreparedChunk.Failure ?? PreparedChunk.Failure(message: "\(error)")
      for unit in targets[index].opening where chunk.failures[unit] == nil { chunk.failures[unit] = failure }
    }
  }

  /// The fields of the event's resource that a read model needs; they are fixed at creation, so the newest state has them.
  private mutating func fixed(
    _ names: [String], of event: StoredEvent, _ type: PostedType?, _ snapshot: LogSnapshot
  ) throws -> JSONObject {
    guard let type, names.contains(where: { name in type.fields.contains { $0.name == name } }) else { return [:] }
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
    if staged.rowCount > 0 {
      staged.finish()
      chunk.events = staged.bytes
    }
    for index in targets.indices {
      let opened = targets[index].pieces.all
      if !opened.isEmpty { for unit in targets[index].opening { chunk.opened[unit] = opened } }
      let removals = targets[index].removals.all
      if !removals.isEmpty {
        for unit in targets[index].definition.units where units.contains(unit) { chunk.removals[unit] = removals }
      }
      if targets[index].isStaged { chunk.staged.insert(targets[index].rows) }
      if targets[index].copy.rowCount > 0 {
        targets[index].copy.finish()
        chunk.copies[targets[index].rows] = targets[index].copy.bytes
      }
    }
    var changes = BinaryCopy()
    for (name, group) in Dictionary(grouping: folds, by: \.type.name) {
      guard let projection = model.stateProjections[name] else { continue }
      finish(group, of: name, UnitID(projection: projection, part: .rows), &changes)
      finishPersonal(group, UnitID(projection: projection, part: .personal))
    }
    if changes.rowCount > 0 {
      changes.finish()
      chunk.changes = changes.bytes
    }
  }

  /// The rows of one type's resources: new ones whole, for the table itself, and what changed in the others, to be merged.
  private mutating func finish(
    _ folds: [ResourceFold], of type: String, _ unit: UnitID, _ changes: inout BinaryCopy
  ) {
    guard units.contains(unit) else { return }
    var created = BinaryCopy()
    let layout: RowLayout? = if case .created(let layout) = model.copies[unit] { layout } else { nil }
    for fold in folds {
      if let layout, fold.copyRow(layout, into: &created) { continue }
      chunk.staged.insert(unit)
      changes.beginRow(columns: 3)
      changes.text(type)
      changes.identifier(fold.resource)
      changes.json { fold.writeRow(into: &$0) }
    }
    guard created.rowCount > 0 else { return }
    created.finish()
    chunk.copies[unit] = created.bytes
  }

  private mutating func finishPersonal(_ folds: [ResourceFold], _ unit: UnitID) {
    guard units.contains(unit) else { return }
    var pieces = OpenedPieces()
    for fold in folds where fold.hasPersonalChanges {
      do {
        var row: [UInt8] = []
        try fold.writePersonal(opener, into: &row)
        pieces.add(row, limit: Self.pieceBytes)
      } catch {
        chunk.failures[unit] = error as? PreparedChunk.Failure ?? PreparedChunk.Failure(message: "\(error)")
      }
    }
    let opened = pieces.all
    if !opened.isEmpty { chunk.opened[unit] = opened }
  }
}

/// What there is to do for the events of a name.
private struct EventPlan {
  let type: PostedType?
  let isFolded: Bool
  /// The places of the read models that are filled from it.
  let targets: [Int]
  /// The places of those whose rows it takes away.
  let removing: [Int]
}

/// A read model that is filled from events, as far as the chunk is for it.
private struct EventTarget {
  let definition: ProjectionDefinition
  let filter: ProjectionDefinition.EventFilter
  let rows: UnitID
  /// Whether its rows are wanted, and come from events as they stand.
  let isFilled: Bool
  /// The columns that go straight into its table; nil where its own SQL takes them from the staging table.
  let columns: [StagedColumn]?
  /// Its units that get opened values.
  let opening: [UnitID]
  var isStaged = false
  var copy = BinaryCopy()
  var pieces = OpenedPieces()
  var removals = OpenedPieces()

  init(
    _ definition: ProjectionDefinition, _ filter: ProjectionDefinition.EventFilter, _ units: Set<UnitID>,
    _ model: ProjectionModel
  ) {
    self.definition = definition
    self.filter = filter
    rows = UnitID(projection: definition.name, part: .rows)
    isFilled = units.contains(rows) && !definition.fill.isEmpty
    if isFilled, case .events(let columns, _) = model.copies[rows] { self.columns = columns } else { columns = nil }
    opening =
      definition.opens.isEmpty
      ? []
      : definition.units.filter { unit in
        units.contains(unit)
          && definition.fillOpened.contains { SQLText.touchesPersonal($0) == (unit.part == .personal) }
      }
  }
}

/// JSON arrays that are cut when they grow long.
private struct OpenedPieces {
  private var done: [[UInt8]] = []
  private var current: [UInt8] = []

  mutating func add(_ object: JSONObject, limit: Int) {
    var bytes: [UInt8] = []
    object.writeCanonical(into: &bytes)
    add(bytes, limit: limit)
  }

  mutating func add(_ row: [UInt8], limit: Int) {
    current.append(current.isEmpty ? UInt8(ascii: "[") : UInt8(ascii: ","))
    current.append(contentsOf: row)
    guard current.count >= limit else { return }
    current.append(UInt8(ascii: "]"))
    done.append(current)
    current = []
  }

  var all: [[UInt8]] { current.isEmpty ? done : done + [current + [UInt8(ascii: "]")]] }
}
