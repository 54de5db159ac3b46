import Access
import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals
import Vault

/// How much there is of a person in the log: what their key seals, counted in the background before an erasure.
struct ErasureInventory: Sendable {
  /// The events about the person.
  private(set) var events = 0
  /// Values by type and field, `user.email`.
  private(set) var values: [String: Int] = [:]
  private(set) var reasons = 0
  private(set) var origins = 0
  /// What was handed out that holds records of the person; nil where the read models can't say now.
  private(set) var exports: [JSON]?
  /// Values in the clear, from before they were sealed.
  private(set) var plain: PlainRemains.Found = []

  /// How many events one look at the log takes in.
  private static let stretch = 1000

  /// Counts for `subject.erase`. Who may not give it is refused by the decision, and nothing is counted for them.
  @Sendable static func take(_ engine: CommandEngine, _ command: PreparedCommand) async throws -> ErasureInventory {
    var inventory = ErasureInventory()
    guard let person = command.id, SubjectRules.isOfficer(command.principal) || command.principal.kind == .server else {
      return inventory
    }
    inventory.exports = try await engine.exports(holding: person)
    var next: UInt64? = 1
    while let from = next {
      try Task.checkCancellation()
      (inventory, next) = try await engine.log.background { [inventory] snapshot in
        var counted = inventory
        let positions = try snapshot.positions(about: person, from: from, limit: stretch)
        for position in positions {
          guard let record = try snapshot.record(at: position) else { continue }
          try counted.count(record, of: person, engine.rules)
        }
        return (counted, positions.count < stretch ? nil : positions.last.map { $0 + 1 })
      }
    }
    inventory.plain = try await PlainRemains.find(of: person, engine)
    return inventory
  }

  private mutating func count(_ record: LogRecord, of person: Identifier, _ rules: IndexRules) throws {
    let header = try record.parsedHeader()
    let body = try record.parsedBody()
    events += 1
    for (name, value) in body.set
    where rules.persons(sealing: value, resource: header.resource, field: name).contains(person) {
      values["\(header.type).\(name)", default: 0] += 1
    }
    if rules.persons(sealing: body.reason, resource: header.resource, field: "reason").contains(person) { reasons += 1 }
    if rules.persons(sealing: body.origin, resource: header.resource, field: "origin").contains(person) { origins += 1 }
  }

  /// The counts, as a receipt has them.
  var json: JSON {
    [
      "events": .integer(Int64(events)), "reasons": .integer(Int64(reasons)), "origins": .integer(Int64(origins)),
      "values": .object(
        JSONObject(
          members: values.sorted { $0.key < $1.key }.map { (key: $0.key, value: .integer(Int64($0.value))) })),
    ]
  }
}
