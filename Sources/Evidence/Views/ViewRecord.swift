import BasicTypes
import CanonicalJSON

/// A record as the files for people show it.
struct ViewRecord {
  /// What a value of a field was before, or is now.
  struct Change {
    let field: String
    let from: JSON
    let to: JSON
  }

  let header: EvidenceHeader
  let body: JSON
  /// Why, in the clear; nil where it isn't shown.
  var reason: String?

  /// The record of a line of `events.jsonl`; nil where it is none.
  init?(line: [UInt8]) {
    guard let json = try? JSON.parse(line), let header = json["header"].flatMap({ EvidenceHeader($0) }),
      let body = json["body"]
    else { return nil }
    self.header = header
    self.body = body
  }

  /// The fields that were set, with what they were before.
  var changes: [Change] {
    (body["set"]?.objectValue ?? [:]).map { field, value in
      Change(field: field, from: body["was"]?[field] ?? .null, to: value)
    }
  }

  /// The event that dropped its body; nil where it has the one that was recorded.
  var droppedBy: UInt64? { BundleDrops.event(claimedBy: body) }

  /// Whether a value is sealed anywhere in it.
  var hasSealed: Bool { ViewRecord.isSealed(body) }

  /// The changes as one text: `field: from → to`, a line each.
  var changeText: String {
    changes.map { change in
      "\(change.field): \(ViewRecord.text(change.from)) → \(ViewRecord.text(change.to))"
    }.joined(separator: "\n")
  }

  private static func isSealed(_ json: JSON) -> Bool {
    switch json {
    case .object(let object): object.contains("$sealed") || object.contains { isSealed($0.value) }
    case .array(let elements): elements.contains(where: isSealed)
    default: false
    }
  }

  private static func text(_ value: JSON) -> String {
    switch value {
    case .null: "–"
    case .string(let text): text
    case .object(let object) where object.contains("$sealed"): "(sealed)"
    case .object(["redacted": true]): "(redacted)"
    default: value.canonicalString
    }
  }
}
