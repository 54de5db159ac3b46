import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// Values of a person in the clear, in events from before their fields became personal: no key seals them, so an
/// erasure drops the bodies that hold them.
struct PlainRemains {
  private var redactions: [(state: ResourceState, redaction: Redaction)] = []

  /// Finds them, in the account and in what is the person's by a field that seals others for them.
  init(of person: ResourceState, _ decision: Decision) throws {
    try look(at: person, decision)
    for type in decision.model.types.values.sorted(by: { $0.name < $1.name }) {
      let owners = type.fields.compactMap(PlainRemains.owner)
      guard !owners.isEmpty else { continue }
      for link in try decision.transaction.referrers(of: person.id, type: type.name, limit: .max) {
        guard let state = try decision.transaction.state(link.id),
          owners.contains(where: { state.reference($0) == person.id })
        else { continue }
        try look(at: state, decision)
      }
    }
  }

  /// The field that names the person whose key seals a field of another resource.
  private static func owner(_ field: FieldModel) -> String? {
    guard case .field(let name)? = field.subject else { return nil }
    return name
  }

  private mutating func look(at state: ResourceState, _ decision: Decision) throws {
    let names = try decision.model.type(state.type).fields.filter { $0.subject != nil }.map(\.name)
    var redaction = Redaction(
      pointers: names.map { JSONPointer(tokens: [$0]) }, facts: [], kept: nil, isOfPlain: true)
    for record in try decision.transaction.history(of: state.id, versions: 1...state.version, isCounted: false) {
      try redaction.take(record)
    }
    if !redaction.drops.isEmpty { redactions.append((state, redaction)) }
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
