import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Vault

/// Values of a person in the clear, in events from before their fields became personal: no key seals them, so an
/// erasure drops the bodies that hold them.
struct PlainRemains {
  private var redactions: [(state: ResourceState, redaction: Redaction)] = []

  /// Of each resource, the versions whose events hold such values.
  typealias Found = [(resource: Identifier, versions: [Int64])]

  /// How many versions one look at the log takes in.
  private static let stretch: Int64 = 1000

  /// Finds them in the background, in the account and in what is the person's by a field that seals others for them.
  /// What is recorded later is sealed.
  static func find(of person: Identifier, _ engine: CommandEngine) async throws -> Found {
    let targets = try await engine.log.background { snapshot -> [Identifier] in
      var targets = [person]
      for type in engine.model.types.values.sorted(by: { $0.name < $1.name }) {
        let owners = type.fields.compactMap(PlainRemains.owner)
        guard !owners.isEmpty else { continue }
        for link in try snapshot.referrers(of: person, type: type.name, limit: .max) {
          guard let state = try snapshot.state(link.id), owners.contains(where: { state.reference($0) == person })
          else { continue }
          targets.append(link.id)
        }
      }
      return targets
    }
    var found: Found = []
    for target in targets {
      var versions: [Int64] = []
      var next: Int64? = 1
      while let first = next {
        try Task.checkCancellation()
        let piece = try await engine.log.background { snapshot in
          let records = try snapshot.history(of: target, versions: first...(first + stretch - 1))
          return (
            count: Int64(records.count),
            held: try records.filter { try holds($0, engine.model) }.map { try $0.parsedHeader().version }
          )
        }
        versions += piece.held
        next = piece.count < stretch ? nil : first + stretch
      }
      if !versions.isEmpty { found.append((target, versions)) }
    }
    return found
  }

  /// Whether an event holds a value in the clear of a field that is personal by now.
  private static func holds(_ record: LogRecord, _ model: CatalogModel) throws -> Bool {
    guard let type = model.types[try record.parsedHeader().type] else { return false }
    let body = try record.parsedBody()
    return type.fields.contains { field in
      field.subject != nil
        && [body.set[field.name], body.was[field.name]].contains { value in
          value.map { !$0.isNull && !Vault.isSealed($0) && $0 != Redactions.mark } ?? false
        }
    }
  }

  /// The field that names the person whose key seals a field of another resource.
  private static func owner(_ field: FieldModel) -> String? {
    guard case .field(let name)? = field.subject else { return nil }
    return name
  }

  /// Reads what was found.
  init(_ found: Found, _ decision: Decision) throws {
    for (resource, versions) in found {
      guard let state = try decision.transaction.state(resource) else { continue }
      let names = try decision.model.type(state.type).fields.filter { $0.subject != nil }.map(\.name)
      var redaction = Redaction(
        pointers: names.map { JSONPointer(tokens: [$0]) }, facts: [], kept: nil, isOfPlain: true)
      for version in versions {
        for record in try decision.transaction.history(of: resource, versions: version...version, isCounted: false) {
          try redaction.take(record)
        }
      }
      if !redaction.drops.isEmpty { redactions.append((state, redaction)) }
    }
  }

  /// How many values are dropped with how many bodies; nil where there are none.
  var facts: JSON? {
    if redactions.isEmpty { return nil }
    let values = redactions.flatMap { state, redaction in
      zip(redaction.pointers, redaction.counts).filter { $1 > 0 }.map { pointer, count in
        (key: "\(state.type).\(pointer.tokens[0])", value: count)
      }
    }
    let counts = Dictionary(values.map { ($0.key, $0.value) }, uniquingKeysWith: +)
    return [
      "events": .integer(Int64(redactions.reduce(0) { $0 + $1.redaction.drops.count })),
      "values": .object(
        JSONObject(members: counts.sorted { $0.key < $1.key }.map { (key: $0.key, value: .integer(Int64($0.value))) })),
    ]
  }

  /// Drops them.
  func drop(_ decision: Decision, causation: Identifier) throws {
    for (state, redaction) in redactions {
      try RedactionBehaviours.record(redaction, of: state, decision, causation: causation)
    }
  }
}
