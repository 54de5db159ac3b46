import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// An event of who has read or was refused something, before it is recorded.
package struct AccessDraft: Sendable {
  let event: String
  /// The organization that it concerns; nil for the service as a whole.
  var organization: Identifier?
  /// Whether it is recorded of the installation instead.
  var isOfInstallation = false
  let principal: Principal?
  let origin: Origin
  var data: JSONObject
  /// The persons whom it names, each once.
  var persons: [Identifier] = []
  /// Fields of the installation that it sets.
  var set: JSONObject = [:]

  /// About how much it costs to record it.
  var weight: Int { 1 + persons.count / 100 }
}

extension CommandEngine {
  /// Of so many organizations it is recorded that somebody of theirs was read.
  private static let mostOrganizations = 8

  /// Where what is recorded of the service as a whole, or of an organization, is kept.
  private static func accesses(of organization: Identifier?) -> DerivedIdentifier {
    DerivedIdentifier(
      name: "daybook:accesses", type: "access", organization: organization,
      former: .version5(namespace: organization ?? .urlNamespace, name: "daybook:accesses"))
  }

  /// The events that say what was noted, as the log says now whom it concerns.
  ///
  /// A read is recorded in every organization that the reader and the person share; an administrator's in every one
  /// that the person belongs to. A refusal is recorded where the resource belongs, as far as the caller does.
  /// - Throws: ``Refusal`` where the log can't be read.
  package func drafts(of noted: [NotedAccess]) async throws -> [AccessDraft] {
    var drafts: [AccessDraft] = []
    var parts = noted.flatMap { $0.inParts(of: Self.personsAtOnce) }[...]
    // In steps, so that no view of the log lasts long.
    while !parts.isEmpty {
      var persons = 0
      let step = parts.prefix { part in
        persons += 1 + part.personCount
        return persons <= 2 * Self.personsAtOnce
      }
      parts = parts.dropFirst(step.count)
      drafts += try await self.drafts(ofStep: Array(step))
    }
    return drafts
  }

  /// Of so many persons is looked up at once to which organizations they belong.
  private static let personsAtOnce = 4 * AccessFacts.personsOfEvent

  private func drafts(ofStep noted: [NotedAccess]) async throws -> [AccessDraft] {
    try await inBackground { snapshot in
      var drafts: [AccessDraft] = []
      for access in noted {
        var draft = AccessDraft(
          event: "", principal: access.principal, origin: access.origin, data: ["hour": .string(access.hour.text)])
        switch access.content {
        case .reads(let purpose, let persons, let unnamed):
          draft.organization = access.organization
          if let purpose { draft.data["purpose"] = .string(purpose.rawValue) }
          drafts += try Self.reads(persons, unnamed, of: access.principal, draft, in: snapshot)
        case .log(let records, let first, let last):
          draft.data = draft.data.merging([
            "records": .integer(Int64(records)), "first": JSON(position: first), "last": JSON(position: last),
          ])
          drafts.append(draft.renamed("installation.log_read", ofInstallation: true))
        case .refusals(let call, let count):
          draft.data["count"] = .integer(Int64(count))
          draft.organization = access.organization ?? access.principal?.organizations.keys.min()
          if let call { try self.describe(call, of: access.principal, in: snapshot, &draft) }
          drafts.append(draft.renamed(AccessFacts.refused))
        }
      }
      return drafts
    }
  }

  private static func reads(
    _ persons: [(id: Identifier, reads: Int)], _ unnamed: Int, of reader: Principal?, _ draft: AccessDraft,
    in snapshot: borrowing LogSnapshot
  ) throws -> [AccessDraft] {
    let otherwise = draft.organization ?? reader?.organizations.keys.min()
    var groups: [Identifier?: [(id: Identifier, reads: Int)]] = [:]
    for person in persons {
      var organizations = try snapshot.memberships(of: person.id).compactMap(\.organization)
      if let reader, !reader.seesEverything { organizations.removeAll { reader.organizations[$0] == nil } }
      if organizations.isEmpty { groups[otherwise, default: []].append(person) }
      for organization in Set(organizations).sorted().prefix(mostOrganizations) {
        groups[organization, default: []].append(person)
      }
    }
    var drafts: [AccessDraft] = []
    func add(_ organization: Identifier?, _ persons: ArraySlice<(id: Identifier, reads: Int)>, _ unnamed: Int) {
      var draft = draft.renamed(AccessFacts.read)
      draft.organization = organization
      draft.persons = persons.map(\.id)
      draft.data["reads"] = .integer(Int64(persons.reduce(unnamed) { $0 + $1.reads }))
      draft.data[AccessFacts.persons] = .array(
        persons.map { ["id": .string($0.id.text), "reads": .integer(Int64($0.reads))] })
      if unnamed > 0 { draft.data["unnamed_reads"] = .integer(Int64(unnamed)) }
      drafts.append(draft)
    }
    for (organization, persons) in groups.sorted(by: { ($0.key?.text ?? "") < ($1.key?.text ?? "") }) {
      for start in stride(from: 0, to: persons.count, by: AccessFacts.personsOfEvent) {
        add(organization, persons[start..<min(persons.count, start + AccessFacts.personsOfEvent)], 0)
      }
    }
    // In which of several organizations those were who aren't named is not known.
    if unnamed > 0 { add(otherwise, [], unnamed) }
    return drafts
  }

  /// Says what was refused. A resource is named only where the caller may know, or their organization has it: an id
  /// that another tenant's resource has is told to nobody.
  private func describe(
    _ call: RefusedCall, of principal: Principal?, in snapshot: borrowing LogSnapshot, _ draft: inout AccessDraft
  ) throws {
    draft.data["method"] = .string(call.method)
    draft.data["code"] = .string(call.code.rawValue)
    if let permission = call.permission { draft.data["permission"] = .string(permission) }
    guard let type = model.types[String(call.method.prefix { $0 != "." })]?.name else { return }
    draft.data["resource_type"] = .string(type)
    // What is decided about a person is decided under the person's own id.
    let named = type == "subject" ? "user" : type
    guard let principal, let id = call.resource, let state = try snapshot.state(id), state.type == named else { return }
    var organizations = state.organization.map { [$0] } ?? []
    if state.type == "user" { organizations = try snapshot.memberships(of: id).compactMap(\.organization) }
    if state.type == "organization" { organizations = [id] }
    let shared = organizations.filter { principal.organizations[$0] != nil }.min()
    guard principal.seesEverything || shared != nil || id == principal.subject else { return }
    draft.data["resource_id"] = .string(id.text)
    draft.organization = shared ?? (principal.seesEverything ? organizations.min() : nil) ?? draft.organization
  }

  /// How many of some events are recorded at once: so many that the writer is not held up.
  private static func atOnce(_ drafts: ArraySlice<AccessDraft>) -> Int {
    var weight = 0
    return max(
      1,
      drafts.prefix {
        weight += $0.weight
        return weight <= 64
      }.count)
  }

  /// Records the first of some events, and says how many they were; they are on the disk when it returns.
  /// - Throws: ``Refusal`` where they can't be recorded.
  package func recordFirst(of drafts: ArraySlice<AccessDraft>) async throws -> Int {
    let first = Array(drafts.prefix(Self.atOnce(drafts)))
    guard !first.isEmpty else { return 0 }
    do {
      _ = try await log.commit { transaction in
        for draft in first { try self.record(draft, in: transaction) }
      }
    } catch {
      throw Refusal(causedBy: error)
    }
    return first.count
  }

  private func record(_ access: AccessDraft, in transaction: LogTransaction) throws {
    var organization = access.organization
    var data = access.data
    if let given = organization, try transaction.living(given, type: "organization") == nil {
      data["organization_id"] = .string(given.text)
      organization = nil
    }
    let (id, known) =
      access.isOfInstallation
      ? try CommandEngine.installation.resolve(transaction.state)
      : try Self.accesses(of: organization).resolve(transaction.state)
    var draft = EventDraft(
      event: access.event, type: access.isOfInstallation ? "installation" : "access", resource: id,
      actor: (access.principal ?? .server).actor, schema: catalog.revision, at: transaction.now)
    draft.organization = organization
    draft.onBehalfOf = access.principal?.onBehalfOf
    draft.set = access.set
    draft.was = JSONObject(
      members: access.set.keys.compactMap { name in
        known.map { (key: name, value: $0.fields[name] ?? .null) }
      })
    draft.data = data
    draft.subjects = access.persons
    if let person = draft.onBehalfOf { draft.note([person]) }
    if let origin = access.origin.value {
      let persons = access.principal?.subject.map { [$0] } ?? []
      do {
        draft.origin = try sealer.sealed(
          origin, for: persons, field: "origin",
          place: Sealer.Place(event: draft.id, resource: id, organization: organization))
        draft.note(persons)
      } catch let error as Refusal where error.code == .gone {
        // Nothing is sealed for who was erased meanwhile: where they came from went with them.
      }
    }
    try transaction.append(draft)
    if known == nil, let organization { try transaction.link(id, type: "access", to: organization) }
  }

  /// Records what was done with the log as a whole: `installation.` and a verb.
  /// - Parameters:
  ///   - principal: Who; nil for the server.
  ///   - set: Fields of the installation that say how it stands now.
  /// - Throws: ``Refusal`` where it can't be recorded.
  package func recordOperation(
    _ verb: String, _ data: JSONObject, by principal: Principal? = nil, from origin: Origin = Origin(),
    set: JSONObject = [:]
  ) async throws {
    _ = try await recordFirst(of: [AccessDraft(operation: verb, data, by: principal, from: origin, set: set)])
  }

  /// A field of the installation as it stands.
  package func installationField(_ name: String) async throws -> JSON? {
    try await inBackground { snapshot in
      try CommandEngine.installation.resolve { try snapshot.state($0) }.state?.fields[name]
    }
  }
}

extension AccessDraft {
  /// What was done with the log as a whole: the event `installation.` and a verb.
  /// - Parameters:
  ///   - principal: Who; nil for the server.
  ///   - set: Fields of the installation that say how it stands now.
  package init(
    operation verb: String, _ data: JSONObject, by principal: Principal?, from origin: Origin, set: JSONObject = [:]
  ) {
    self.init(
      event: "installation.\(verb)", isOfInstallation: true, principal: principal, origin: origin, data: data, set: set)
  }

  fileprivate func renamed(_ event: String, ofInstallation: Bool = false) -> AccessDraft {
    AccessDraft(
      event: event, organization: organization, isOfInstallation: ofInstallation, principal: principal, origin: origin,
      data: data, persons: persons, set: set)
  }
}
