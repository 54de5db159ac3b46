import BasicTypes
import CanonicalJSON
import EventLog
import Vault

/// What the `data` of events says of who has read or tried something, and about whom.
package enum AccessFacts {
  /// The event of reads: its ``persons`` say whose data was shown.
  package static let read = "access.read"
  /// The event of refused calls.
  package static let refused = "access.refused"
  /// How many persons one event of reads names.
  package static let personsOfEvent = 500
  /// Objects of a person's `id` and the `reads` of theirs.
  package static let persons = "persons"
  /// Of `session.refused`: objects of a `person`, sealed for that person, and the `attempts` at their account.
  package static let accounts = "accounts"

  /// The reads by person that an event tells.
  package static func reads(_ data: JSONObject) -> [(id: Identifier, reads: Int64)] {
    (data[persons]?.arrayValue ?? []).compactMap { entry in
      guard let id = entry["id"]?.stringValue.flatMap({ Identifier($0) }) else { return nil }
      return (id, entry["reads"]?.integerValue ?? 1)
    }
  }

  /// The persons whom an event's data names.
  package static func subjects(of event: String, _ data: JSONObject, vault: Vault) -> [Identifier] {
    switch event {
    case read: reads(data).map(\.id)
    case "session.refused": attempts(data, vault: vault).map(\.person)
    default: []
    }
  }

  /// The attempts by account that an event tells of; whose account it was, the key says that it is sealed with.
  package static func attempts(_ data: JSONObject, vault: Vault) -> [(person: Identifier, attempts: Int64)] {
    (data[accounts]?.arrayValue ?? []).compactMap { entry in
      guard let person = entry["person"].flatMap({ vault.owner(of: $0)?.person }) else { return nil }
      return (person, entry["attempts"]?.integerValue ?? 1)
    }
  }

  /// What an event about a person tells of that person alone, without the others whom it names.
  package static func told(of event: String, _ data: JSONObject, to person: Identifier, vault: Vault) -> JSONObject {
    switch event {
    case read:
      guard let found = reads(data).first(where: { $0.id == person }) else { return [:] }
      var told: JSONObject = ["reads": .integer(found.reads)]
      for name in ["purpose", "hour"] { told[name] = data[name] ?? .null }
      return told
    case "session.refused":
      guard let found = attempts(data, vault: vault).first(where: { $0.person == person }) else { return [:] }
      return ["attempts": .integer(found.attempts), "method": data["method"] ?? .null]
    default: return [:]
    }
  }
}
