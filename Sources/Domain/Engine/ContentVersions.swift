import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// The versions of a resource's content: numbered 1, 2, 3 …, a new one only where the canonical content of the fields
/// that the catalog calls versioned differs.
enum ContentVersions {
  /// The number of the present version.
  static func number(of state: ResourceState) -> Int64 {
    state.fields["version_number"]?.integerValue ?? 1
  }

  /// Whether values differ from what a resource holds in a versioned field.
  static func differ(_ values: JSONObject, from state: ResourceState, _ type: ResourceModel) -> Bool {
    values.contains { name, value in type.versioned.contains(name) && value.unlessNull != state.fields[name] }
  }

  /// The values that bring the content of an earlier version back; empty where it is there already.
  /// - Throws: ``Refusal``: `invalid_params` where there is no such version, `conflict` where it lacks what is required
  ///   by now, or the history no longer holds it.
  static func rollback(
    of state: ResourceState, _ type: ResourceModel, to wanted: Int64, in decision: Decision
  ) throws -> JSONObject {
    let present = number(of: state)
    guard wanted <= present else { throw missing("/to_version", wanted, latest: present) }
    let content = try content(of: state, version: wanted, in: decision)
    var values = JSONObject()
    for name in type.versioned { values[name] = content[name] ?? .null }
    values = values.filter { $0.value.unlessNull != state.fields[$0.key] }
    for (name, value) in values where value.isNull && type.field(name)?.field.isRequired == true {
      throw Refusal.conflict(
        reason: "state", "That version has no \(name), which the catalog requires by now.", ["allowed": []])
    }
    return values
  }

  /// The refusal of a version number that there isn't.
  static func missing(_ path: String, _ number: Int64, latest: Int64) -> Refusal {
    .invalidParam(path, "there is no version \(number); the latest is \(latest)")
  }

  /// The fields of a resource as they were last at a version number, by undoing its events from the last one on.
  /// - Throws: ``Refusal`` where the history doesn't reach back to it.
  static func content(
    of state: ResourceState, version wanted: Int64, in decision: Decision
  ) throws -> JSONObject {
    let defaults = decision.transaction.defaults.values(of: state.type)
    return defaults.merging(try recordedContent(of: state, version: wanted, in: decision))
  }

  private static func recordedContent(
    of state: ResourceState, version wanted: Int64, in decision: Decision
  ) throws -> JSONObject {
    var fields = state.fields
    var upper = state.version
    while (fields["version_number"]?.integerValue ?? 1) > wanted, upper >= 1 {
      let lower = max(1, upper - 63)
      let records = try decision.transaction.history(of: state.id, versions: lower...upper)
      try decision.checkBudget()
      for record in records.reversed() {
        let body = try record.parsedBody()
        for (name, value) in body.was { fields[name] = value.unlessNull }
        if fields["version_number"]?.integerValue ?? 1 <= wanted { return fields }
      }
      upper = lower - 1
    }
    guard fields["version_number"]?.integerValue == wanted else {
      throw Refusal.conflict(
        reason: "state", "The history of this \(Refusal.spoken(state.type)) no longer holds version \(wanted).",
        ["allowed": []])
    }
    return fields
  }
}

/// Versions of whatever the catalog calls versioned.
enum VersionedBehaviours {
  /// `versioned.rollback`: the content of an earlier version again, as a new
  /// version; nothing where it is there already.
  static let rollback = Behaviour(decide: { decision in
    let state = try decision.target()
    try TemplateRules.checkBuiltin(state, decision)
    guard let wanted = decision.parameters["to_version"]?.integerValue else {
      throw Refusal.invalidParam("/to_version", "is required")
    }
    let values = try ContentVersions.rollback(of: state, decision.type, to: wanted, in: decision)
    guard !values.isEmpty else { return }
    try decision.edit(
      state, decision.type, event: decision.command.event, values: values, data: ["rolled_back_to": .integer(wanted)])
  })
}
