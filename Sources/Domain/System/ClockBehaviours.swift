import BasicTypes
import CanonicalJSON
import Catalog
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
    case .trusted, .overtaken, .told: return
    }
    decision.transaction.confirmClock()
    let set: JSONObject = [
      "confirmed_clock": .string(reading.clock.text), "is_doubted": false, "overtaken": overtaken,
    ]
    let data: JSONObject = [
      "clock": .string(reading.clock.text), "standing": .string(reading.word), "expected": .string(other.text),
    ]
    try record(set, data, on: known, id, decision)
  })

  /// `clock.tell`: takes the story of a demonstration on, or ends it. Only where the server was started for one.
  static let tell = Behaviour(
    check: { context in
      let times = ["from", "to"].map { context.parameters[$0]?.stringValue.flatMap { Timestamp($0) } }
      switch (times[0], times[1]) {
      case (nil, nil): break
      case (let from?, let to?) where from <= to: break
      case (_?, _?): context.problems.append(ValueProblem(path: "/to", problem: "must not be before from"))
      case (nil, _?): context.problems.append(ValueProblem(path: "/from", problem: "is required with to"))
      case (_?, nil): context.problems.append(ValueProblem(path: "/to", problem: "is required with from"))
      }
    },
    alsoRefuses: [.conflict],
    decide: { decision in
      try decision.authorize(in: nil)
      guard decision.engine.log.story != nil else {
        throw Refusal.conflict(
          reason: "not_a_demo",
          "This server goes by its machine's clock. A story's time is told to one that was started with "
            + "daybook serve --demo DAYS, in a data folder of its own.")
      }
      let (id, known) = try identifier.resolve(decision.transaction.state)
      decision.answered = id
      try decision.checkVersion(known?.version ?? 0)
      let reading = decision.transaction.clock
      let stretch = try stretch(decision, reading)
      decision.members["clock"] = .string(reading.at.text)
      decision.transaction.tell(stretch)
      let set: JSONObject = ["is_demo": true, "told_to": stretch.map { .string($0.to.text) } ?? .null]
      let data: JSONObject = [
        "clock": .string(reading.clock.text), "from": stretch.map { .string($0.from.text) } ?? .null,
        "to": stretch.map { .string($0.to.text) } ?? .null,
      ]
      try record(set, data, on: known, id, decision)
    })

  /// Records what was decided, in the one resource that tells of the clock.
  private static func record(
    _ values: JSONObject, _ data: JSONObject, on known: ResourceState?, _ id: Identifier, _ decision: Decision
  ) throws {
    let event = decision.command.event
    if let known {
      try decision.edit(known, decision.type, event: event, values: values, data: data, isForced: true)
    } else {
      try decision.create(
        Decision.Creation(type: decision.type, event: event, id: id, organization: nil, values: values, data: data))
    }
  }

  /// What is told next; nil where the story ends.
  private static func stretch(_ decision: Decision, _ reading: ClockReading) throws -> StoryClock.Stretch? {
    guard let from = decision.parameters["from"]?.stringValue.flatMap({ Timestamp($0) }),
      let to = decision.parameters["to"]?.stringValue.flatMap({ Timestamp($0) })
    else { return nil }
    guard to <= reading.clock else {
      throw Refusal.invalidParam("/to", "must not be after \(reading.clock), which is now: a story has happened")
    }
    let seconds = decision.parameters["seconds"]?.doubleValue ?? 0
    return StoryClock.Stretch(from: max(from, reading.at), to: to, duration: Int64(seconds * 1_000_000))
  }
}
