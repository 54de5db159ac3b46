import BasicTypes
import CanonicalJSON

/// Events as opened JSON, which travels only as a parameter: what `fill opened` gets, and what takes rows away again.
struct OpenedEvents {
  private let opener: ValueOpener
  /// By the read models' places.
  private var pieces: [OpenedPieces]
  private var removals: [OpenedPieces]
  private var failures: [UnitID: PreparedChunk.Failure] = [:]

  init(_ readModels: [EventReadModel], opener: ValueOpener) {
    self.opener = opener
    pieces = Array(repeating: OpenedPieces(), count: readModels.count)
    removals = pieces
  }

  /// Opens what a read model asks for; what can't be opened because of damage is noted against its units.
  mutating func add(
    _ event: StoredEvent, for readModel: EventReadModel, at place: Int, _ needed: JSONObject
  ) {
    let opens = readModel.definition.opens
    do {
      var members: [(key: String, value: JSON)] = []
      if opens.contains(.reason), let reason = try opener.reason(event) {
        members.append(("reason", reason))
        // Beside a reason whose form SQL can't make: the rows of most events have none.
        if let folded = reason.stringValue.flatMap({ UnicodeForm.beyondASCII($0) }) {
          members.append(("reason_folded", .string(folded)))
        }
        members += try opener.bounds(ofReason: event)
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
        ("organization_id", event.organization.map { .string($0.text) } ?? .null),
        ("at", .string(event.at.text)),
      ]
      pieces[place].add(JSONObject(members: members))
    } catch {
      let failure = PreparedChunk.Failure(error)
      for unit in readModel.opening where failures[unit] == nil { failures[unit] = failure }
    }
  }

  /// Takes an event down that takes rows of a read model away.
  mutating func addRemoval(_ event: StoredEvent, at place: Int) {
    let data = event.data.flatMap { event.body.value($0) } ?? .object([:])
    removals[place].add([
      "position": .integer(Int64(event.position)), "event": .string(event.event),
      "resource_id": .string(event.resource.text),
      "organization_id": event.organization.map { .string($0.text) } ?? .null, "data": data,
    ])
  }

  func finish(_ readModels: [EventReadModel], into chunk: inout PreparedChunk) {
    for (place, readModel) in readModels.enumerated() {
      let opened = pieces[place].all
      if !opened.isEmpty { for unit in readModel.opening { chunk.opened[unit] = opened } }
      let removed = removals[place].all
      if !removed.isEmpty { for unit in readModel.units { chunk.removals[unit] = removed } }
    }
    chunk.failures.merge(failures) { first, _ in first }
  }
}

extension PreparedChunk.Failure {
  /// What went wrong below, as the failure of a read model.
  init(_ error: any Error) {
    self = error as? PreparedChunk.Failure ?? PreparedChunk.Failure(message: "\(error)")
  }
}
