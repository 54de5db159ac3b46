import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Testing
import Vault

/// Everything that a log says, read once and with its seals off: rows that no
/// resource's state holds are computed from it.
struct LogFacts {
  /// One event with the facts that it tells.
  struct Event {
    let position: UInt64
    let header: EventHeader
    let set: JSONObject
    let was: JSONObject
    let data: JSONObject
    let reason: JSON?

    /// The id of the user who acted, where a user did.
    var user: String? { header.actor.hasPrefix("user:") ? String(header.actor.dropFirst(5)) : nil }
  }

  /// One logged line of a run, of one of its tasks, or of a program.
  struct Line {
    let id: Int64
    let organization: String?
    let run: String?
    let task: String?
    let at: Timestamp
    let values: JSON
  }

  /// One numbered version of a pipeline's or tool's content.
  struct Version {
    let event: Event
    let resource: ResourceState
    let number: Int64
    let snapshot: JSONObject
  }

  let harness: TestReadModels
  let events: [Event]
  let states: [String: ResourceState]

  init(_ harness: TestReadModels) throws {
    self.harness = harness
    var events: [Event] = []
    var states: [String: ResourceState] = [:]
    try harness.log.read { snapshot in
      var position: UInt64 = 1
      while position <= snapshot.head.position {
        let records = try snapshot.records(from: position, limit: 1000, maximumBytes: 1 << 24)
        try #require(!records.isEmpty)
        for record in records {
          let event = try LogFacts.event(record, harness.vault)
          events.append(event)
          let id = event.header.resource
          if states[id.text] == nil { states[id.text] = try snapshot.state(id) }
        }
        position += UInt64(records.count)
      }
    }
    self.events = events
    self.states = states
  }

  private static func event(_ record: LogRecord, _ vault: Vault) throws -> Event {
    let header = try record.parsedHeader()
    let body = try record.parsedBody()
    func opened(_ stored: JSON, _ field: String) throws -> JSON? {
      // A reason is sealed for everybody whom it is about, one around the other.
      var value = stored
      while Vault.isSealed(value) {
        guard case .value(let inner) = try vault.open(value, resourceID: header.resource, field: field) else {
          return nil
        }
        value = inner
      }
      return value
    }
    var data = JSONObject()
    for (key, value) in body.data { data[key] = try opened(value, "data/\(key)") }
    return Event(
      position: record.position, header: header, set: body.set, was: body.was, data: data,
      reason: try body.reason.flatMap { try opened($0, "reason") })
  }

  // MARK: - Resources

  /// The living resources of a type in a platform's organizations.
  func living(_ type: String, of platform: String) -> [ResourceState] {
    states.values.filter {
      $0.type == type && $0.fields["deleted_at"] == nil && self.platform(of: $0.organization) == platform
    }
  }

  /// The platform of a living organization.
  func platform(of organization: Identifier?) -> String? {
    guard let found = organization.flatMap({ states[$0.text] }), found.fields["deleted_at"] == nil else { return nil }
    return found.fields["platform"]?.stringValue
  }

  /// The living members of a platform's organizations.
  func members(of platform: String) -> [ResourceState] {
    let ids = Set(living("membership", of: platform).compactMap { $0.fields["user_id"]?.stringValue })
    return ids.compactMap { states[$0] }.filter { $0.fields["deleted_at"] == nil }
  }

  /// Somebody as a platform shows them.
  struct Person {
    let id: String
    let username: JSON
    let email: JSON
    let displayName: JSON
  }

  /// The members of a platform's organizations, and whom else its rows name; of who was deleted nothing personal.
  func people(_ checks: PlatformChecks) async throws -> [Person] {
    let members = members(of: checks.platform.name)
    var people = try members.map { user in
      Person(
        id: user.id.text, username: try value("username", of: user), email: try value("email", of: user),
        displayName: try value("display_name", of: user))
    }
    let isNumbered = checks.users?.column("id")?.type == "integer"
    let known = Set(members.map(\.id.text))
    for name in try await checks.peopleNamed() {
      guard
        let id = isNumbered
          ? states.values.first(where: { $0.type == "user" && $0.fields["number"]?.canonicalString == name })?.id.text
          : name, !known.contains(id)
      else { continue }
      if let user = states[id], user.deletedAt == nil {
        people.append(
          Person(
            id: id, username: try value("username", of: user), email: try value("email", of: user),
            displayName: try value("display_name", of: user)))
      } else {
        let mark: JSON = states[id] == nil ? "!system" : .string("!\(id)")
        people.append(Person(id: id, username: mark, email: mark, displayName: .null))
      }
    }
    return people
  }

  /// The number of a resource, which platforms with integer keys show.
  func number(of id: String?) -> JSON { id.flatMap { states[$0]?.fields["number"] } ?? .null }

  /// What a field holds, in the clear.
  func value(_ field: String, of state: ResourceState) throws -> JSON {
    guard let stored = state.fields[field], Vault.isSealed(stored) else { return state.fields[field] ?? .null }
    guard case .value(let value) = try harness.vault.open(stored, resourceID: state.id, field: field) else {
      return .null
    }
    return value
  }

  // MARK: - What events tell

  /// The lines of runs and their tasks, or of programs (`system.logged`), in the order in which they happened.
  func lines(_ names: Set<String>) throws -> [Line] {
    var lines: [Line] = []
    for event in events where names.contains(event.header.event) {
      let resource = event.header.resource.text
      let isTask = event.header.type == "task_run"
      for (place, line) in (event.data["lines"]?.arrayValue ?? []).enumerated() {
        let said = line["at"]?.stringValue ?? event.data["at"]?.stringValue
        lines.append(
          Line(
            id: Int64(event.position) << 20 + Int64(place), organization: event.header.organization?.text,
            run: isTask ? states[resource]?.fields["run_id"]?.stringValue : resource, task: isTask ? resource : nil,
            at: try said.map { try #require(Timestamp($0)) } ?? event.header.at, values: line))
      }
    }
    return lines.sorted { ($0.at, $0.id) < ($1.at, $1.id) }
  }

  /// The numbered versions of all resources of a type, each with the versioned fields as they were.
  func versions(of type: String) throws -> [Version] {
    let content = Set(try #require(harness.catalog.type(type)).versionedContent)
    var fields: [String: JSONObject] = [:]
    var versions: [Version] = []
    for event in events where event.header.type == type {
      let id = event.header.resource.text
      for (name, value) in event.set where content.contains(name) {
        fields[id, default: [:]][name] = value.isNull ? nil : value
      }
      guard let number = event.set["version_number"]?.integerValue else { continue }
      versions.append(
        Version(
          event: event, resource: try #require(states[id]), number: number, snapshot: fields[id] ?? [:]))
    }
    return versions
  }
}

extension PlatformChecks {
  /// A view has these rows and no others, each found by its key; columns that a row doesn't name are not compared.
  func expectRows(_ view: String, _ expected: [JSONObject], key: [String]) async throws {
    func name(_ row: JSON) -> String {
      key.map { column in
        let value = row[column] ?? .null
        return value.stringValue.flatMap { PlatformChecks.moment($0)?.text } ?? value.canonicalString
      }.joined(separator: " ")
    }
    let rows = try await harness.objects("SELECT * FROM \(platform.name).\(view)")
    let byName = Dictionary(rows.map { (name($0), $0) }) { first, _ in first }
    #expect(byName.count == rows.count, "\(platform.name).\(view): two rows of one key")
    #expect(Set(byName.keys) == Set(expected.map { name(.object($0)) }), "the rows of \(platform.name).\(view)")
    #expect(rows.count == expected.count, "the rows of \(platform.name).\(view)")
    for wanted in expected {
      guard let row = byName[name(.object(wanted))] else { continue }
      for (column, value) in wanted {
        let shown = row[column]
        #expect(
          shown.map { Self.isSame($0, value) } ?? false,
          "\(platform.name).\(view).\(column) is \(shown?.canonicalString ?? "absent"), by the log \(value.canonicalString)"
        )
      }
    }
  }
}
