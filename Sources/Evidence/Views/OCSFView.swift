import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// `ocsf.jsonl`: an event of the Open Cybersecurity Schema Framework for each record, of the class Account Change where
/// it is about a person's account, and of API Activity else. The version is in each event's `metadata`.
struct OCSFView: ~Copyable {
  /// The version of the schema that the events keep to.
  static let version = "1.3.0"

  private var output: BundleOutput
  private let origin: String

  init(_ path: String, origin: String) throws(FileError) {
    output = try BundleOutput(path)
    self.origin = origin
  }

  mutating func take(_ record: ViewRecord) throws(FileError) {
    try output.line(OCSFView.event(record, origin).canonicalBytes)
  }

  mutating func finish() throws(FileError) { try output.finish() }

  private static func event(_ record: ViewRecord, _ origin: String) -> JSONObject {
    let header = record.header
    let isAccount = header.type == "user"
    let activity = isAccount ? accountActivity(record) : apiActivity(header.verb)
    let category = isAccount ? 3 : 6
    let type = category * 1000 + (isAccount ? 1 : 3)
    let time = Timestamp(header.at).map { JSON.integer($0.microseconds / 1000) } ?? .null
    var event: JSONObject = [
      "activity_id": .integer(activity.id), "activity_name": .string(activity.name), "actor": actor(header),
      "category_name": isAccount ? "Identity & Access Management" : "Application Activity",
      "category_uid": .integer(Int64(category)), "class_name": isAccount ? "Account Change" : "API Activity",
      "class_uid": .integer(Int64(type)),
      "message": .string("\(header.event) by \(header.who)"),
      "metadata": [
        "event_code": .string(header.event), "log_name": .string(origin),
        "original_time": .string(header.at), "product": ["name": "Daybook", "vendor_name": "Daybook"],
        "sequence": JSON(position: header.position), "uid": .string(header.id.text), "version": .string(version),
      ],
      "severity": "Informational", "severity_id": 1,
      // Where a call came from is personal, and sealed in the log.
      "src_endpoint": ["name": header.actor.hasPrefix("local:") ? "unix socket" : "not shown"],
      "status": "Success", "status_id": 1, "time": time,
      "type_name": .string(
        "\(isAccount ? "Account Change" : "API Activity"): \(activity.name)"),
      "type_uid": .integer(Int64(type) * 100 + activity.id),
      "unmapped": [
        "body_sha256": .string(header.bodyHash.base64), "catalog": .string(header.schema),
        "organization": header.organization.map { .string($0.text) } ?? .null,
        "set": .array(record.changes.map { .string($0.field) }), "version": .integer(header.version),
      ],
    ]
    if isAccount {
      event["user"] = ["type": "User", "type_id": 1, "uid": .string(header.resource.text)]
    } else {
      event["api"] = ["operation": .string(header.event), "service": ["name": "daybook"]]
      event["resources"] = [["type": .string(String(header.type)), "uid": .string(header.resource.text)]]
    }
    return event
  }

  /// Who did it; where an API key acted for a person, that person, invoked by the key.
  private static func actor(_ header: EvidenceHeader) -> JSON {
    let actor = header.actor
    let parts = actor.split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return ["app_name": .string(actor)] }
    switch parts[0] {
    case "user": return ["user": ["type": "User", "type_id": 1, "uid": .string(String(parts[1]))]]
    case "api_key":
      var members: JSONObject = ["app_name": "API key", "app_uid": .string(String(parts[1]))]
      if let person = header.onBehalfOf {
        members["user"] = ["type": "User", "type_id": 1, "uid": .string(person.text)]
      }
      return .object(members)
    default:
      return ["user": ["name": .string(actor), "type": "System", "type_id": 3, "uid": .string(String(parts[1]))]]
    }
  }

  private static func apiActivity(_ verb: Substring) -> (id: Int64, name: String) {
    switch verb {
    case "created", "placed", "raised", "linked", "started": (1, "Create")
    case "revealed": (2, "Read")
    case "deleted", "unlinked", "swept": (4, "Delete")
    default: (3, "Update")
    }
  }

  private static func accountActivity(_ record: ViewRecord) -> (id: Int64, name: String) {
    switch record.header.verb {
    case "created": (1, "Create")
    case "reactivated": (2, "Enable")
    case "password_set", "password_changed": (3, "Password Change")
    case "deactivated": (5, "Disable")
    case "deleted": (6, "Delete")
    default: (99, "Other")
    }
  }
}
