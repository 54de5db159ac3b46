import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import TestBasics
import Vault

/// Makes random but well-formed events of every resource type, sealed as commands seal them. It keeps what it has made,
/// so that edits and deletions hit something.
struct EventSource {
  private struct Made {
    let type: ResourceType
    let id: Identifier
    let organization: Identifier?
    var isDeleted = false
    var versionNumber: Int64 = 1
  }

  private let catalog: Catalog
  private let vault: Vault
  private var generator: Seeded
  private var made: [Made] = []
  private var numbers: [String: Int64] = [:]
  private(set) var organizations: [Identifier] = []
  private(set) var users: [Identifier] = []

  init(seed: UInt64, catalog: Catalog, vault: Vault) throws {
    self.catalog = catalog
    self.vault = vault
    generator = Seeded(seed: seed)
  }

  private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &generator) == 0 }

  /// So many events, in order.
  mutating func events(_ count: Int) throws -> [EventDraft] {
    var drafts: [EventDraft] = []
    while drafts.count < count { drafts.append(try next()) }
    return drafts
  }

  /// The next event.
  mutating func next() throws -> EventDraft {
    if organizations.count < 3 { return try create("organization") }
    if users.count < 3 { return try create("user") }
    let living = made.indices.filter { !made[$0].isDeleted }
    // Pipelines have versions, and are few among so many types.
    if chance(10) {
      let pipelines = living.filter { made[$0].type.name == "pipeline" }
      if pipelines.count < 3 { return try create("pipeline") }
      return try edit(pipelines[Int.random(in: 0..<pipelines.count, using: &generator)])
    }
    if living.count < 20 || chance(4) {
      let types = catalog.types.filter { $0.hasReadModel && $0.name != "sql_role" }
      return try create(types[Int.random(in: 0..<types.count, using: &generator)].name)
    }
    let index = living[Int.random(in: 0..<living.count, using: &generator)]
    if chance(25), !organizations.contains(made[index].id), !users.contains(made[index].id) { return try delete(index) }
    if ["run", "task_run"].contains(made[index].type.name), chance(2) { return try fact(index) }
    return try edit(index)
  }

  /// Makes a resource of that type, with random values for most fields.
  mutating func create(_ name: String, setting fixed: JSONObject = [:]) throws -> EventDraft {
    guard let type = catalog.type(name) else { preconditionFailure("there is no type \(name)") }
    let id = Identifier.version7(at: .now, using: &generator)
    let organization = type.organization == .none ? nil : organizations.randomElement(using: &generator)
    var draft = EventDraft(event: "\(name).created", type: name, resource: id, actor: try actor())
    draft.organization = organization
    try why(&draft)
    numbers[name, default: 0] += 1
    draft.set = ["number": .integer(numbers[name] ?? 0), "created_by": .string(id.text)]
    if let organization { draft.set["organization_id"] = .string(organization.text) }
    for field in type.fields where field.isRequired || !chance(3) {
      draft.set[field.name] = try sealed(try value(field), field, draft)
    }
    if type.field("version_number") != nil { draft.set["version_number"] = 1 }
    draft.set = draft.set.merging(fixed)
    made.append(Made(type: type, id: id, organization: organization))
    if name == "organization" { organizations.append(id) }
    if name == "user" { users.append(id) }
    return draft
  }

  private mutating func edit(_ index: Int) throws -> EventDraft {
    let target = made[index]
    var draft = EventDraft(
      event: "\(target.type.name).edited", type: target.type.name, resource: target.id, actor: try actor())
    draft.organization = target.organization
    try why(&draft)
    for field in target.type.fields where chance(4) && field.name != "version_number" && !field.isImmutable {
      draft.set[field.name] =
        chance(5) && !field.isRequired ? .null : try sealed(try value(field), field, draft)
      draft.was[field.name] = chance(2) ? .null : "before"
    }
    let versioned = Set(target.type.versionedContent)
    if draft.set.keys.contains(where: { versioned.contains($0) }) {
      made[index].versionNumber += 1
      draft.set["version_number"] = .integer(made[index].versionNumber)
    } else if target.type.name == "pipeline", chance(3) {
      draft.event = "pipeline.version_named"
      draft.set = [:]
      draft.was = [:]
      draft.data = ["version_number": .integer(target.versionNumber), "name": .string(text(20))]
    }
    return draft
  }

  private mutating func delete(_ index: Int) throws -> EventDraft {
    made[index].isDeleted = true
    let target = made[index]
    var draft = EventDraft(
      event: "\(target.type.name).deleted", type: target.type.name, resource: target.id, actor: try actor())
    draft.organization = target.organization
    draft.set = ["deleted_at": .string(Timestamp.now.text)]
    return draft
  }

  private mutating func fact(_ index: Int) throws -> EventDraft {
    let target = made[index]
    let isLog = chance(2)
    var draft = EventDraft(
      event: "\(target.type.name).\(isLog ? "logged" : "measured")", type: target.type.name, resource: target.id,
      actor: try actor())
    draft.organization = target.organization
    if isLog {
      let lines: [JSON] = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
        ["level": "INFO", "message": .string(text(60)), "node_id": "n", "at": .string(Timestamp.now.text)]
      }
      draft.data = ["count": .integer(Int64(lines.count)), "lines": try sealLines(.array(lines), draft)]
    } else {
      draft.data = ["node_id": "n", "rows_input": 5, "duration_seconds": 1.25, "at": .string(Timestamp.now.text)]
    }
    return draft
  }

  /// The lines of a log as commands seal them.
  func sealLines(_ lines: JSON, _ draft: EventDraft) throws -> JSON {
    try vault.seal(
      lines, for: .expiring(organization: draft.organization, retentionClass: "logs", month: Timestamp.now.month),
      context: SealContext(eventID: draft.id, resourceID: draft.resource, field: "data/lines"))
  }

  private mutating func actor() throws -> String {
    users.isEmpty || chance(3) ? "local:0" : "user:\(users[Int.random(in: 0..<users.count, using: &generator)])"
  }

  /// Gives an event a sealed reason and origin, most times.
  private mutating func why(_ draft: inout EventDraft) throws {
    if chance(2) { draft.reason = try sealed(.string(text(30)), "reason", draft) }
    if chance(2) { draft.origin = try sealed(["ip": "192.0.2.7", "user_agent": .string(text(12))], "origin", draft) }
  }

  private func sealed(_ value: JSON, _ field: String, _ draft: EventDraft) throws -> JSON {
    try vault.seal(
      value, for: .organization(draft.organization ?? draft.resource),
      context: SealContext(eventID: draft.id, resourceID: draft.resource, field: field))
  }

  /// A value as it stands in the log.
  private func sealed(_ value: JSON, _ field: Field, _ draft: EventDraft) throws -> JSON {
    if value.isNull { return value }
    if field.personal != nil {
      return try vault.seal(
        value, for: .subject(draft.resource),
        context: SealContext(eventID: draft.id, resourceID: draft.resource, field: field.name))
    }
    return field.secret == .whole ? try sealed(value, field.name, draft) : value
  }

  private mutating func value(_ field: Field) throws -> JSON {
    switch field.type {
    case .string, .text, .slug: return .string(text(min(field.maximumLength ?? 40, 40)))
    case .email: return .string("\(UInt32.random(in: 0...UInt32.max, using: &generator))@example.org")
    case .integer: return .integer(Int64(Int32.random(in: 0...Int32.max, using: &generator)))
    case .bigint: return .integer(Int64.random(in: 0...(1 << 53), using: &generator))
    case .float: return JSON(finite: Double.random(in: 0...1e6, using: &generator)) ?? 0
    case .boolean: return .bool(chance(2))
    case .timestamp:
      return .string(Timestamp(microseconds: Int64.random(in: 0...2_000_000_000_000_000, using: &generator)).text)
    case .json: return chance(3) ? .array([1, "two", nil]) : object()
    case .object: return object()
    case .list: return .array([object()])
    case .tags: return .array([.string(text(8)), .string(text(3))])
    case .enum: return .string(field.values.randomElement(using: &generator) ?? "")
    case .reference, .uuid: return .string(Identifier.version7(at: .now, using: &generator).text)
    case .ip: return "2001:db8::7"
    }
  }

  private mutating func object() -> JSON {
    ["a": .string(text(6)), "n": 1.5, "deep": ["list": [1, 2, ["x": nil]], "é\"\\": .bool(chance(2))]]
  }

  /// Text with the characters that formats stumble over.
  private mutating func text(_ length: Int) -> String {
    let letters = Array("abc XYZ09\t\n\r\\\"'éß漢😀,{}[]:\u{1}")
    return String((0..<max(1, length / 2)).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
  }
}
