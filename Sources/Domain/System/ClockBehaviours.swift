import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals

/// What administrators decide about the machine's clock.
enum ClockBehaviours {
  /// Where what is recorded of the clock is kept.
  static let identifier = DerivedIdentifier(
    name: "daybook:clock", type: "clock", organization: nil,
    former: .version5(namespace: .urlNamespace, name: "daybook:clock"))

  /// `clock.confirm`: the clock is right as it stands. Where nothing is wrong with it, nothing is recorded.
  static let confirm = Behaviour(decide: { decision in
    try decision.authorize(in: nil)
    let (id, known) = try identifier.resolve(decision.transaction.state)
    decision.answered = id
    try decision.checkVersion(known?.version ?? 0)
    let reading = decision.transaction.clock
    decision.members["clock"] = .string(reading.clock.text)
    let other: Timestamp
    var overtaken: JSON = .null
    switch reading.standing {
    case .ahead(let expected): other = expected
    case .behind(let last):
      other = last
      overtaken = .string(last.text)
    case .trusted, .overtaken: return
    }
    decision.transaction.confirmClock()
    let set: JSONObject = [
      "confirmed_clock": .string(reading.clock.text), "is_doubted": false, "overtaken": overtaken,
    ]
    let data: JSONObject = [
      "clock": .string(reading.clock.text), "standing": .string(reading.word), "expected": .string(other.text),
    ]
    if let known {
      try decision.edit(known, decision.type, event: decision.command.event, values: set, data: data, isForced: true)
    } else {
      try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: nil, values: set, data: data))
    }
  })
}
