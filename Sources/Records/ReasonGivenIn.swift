import BasicTypes
import CanonicalJSON

/// In which organizations a reason was given that belongs to none: of a command about a person's account.
///
/// They are those of which the person was a full member then, and which whoever gave it could see. An event's `data`
/// has them, sealed for the person: what one organization says of somebody is not for another one where they are, too,
/// or come to be later.
package enum ReasonGivenIn {
  /// The member of `data`.
  package static let member = "given_in"

  /// What an event's data, opened, says; nothing for events before 2026-11-30.
  package static func organizations(_ data: JSONObject) -> [Identifier] {
    data[member]?.arrayValue?.compactMap { $0.stringValue.flatMap { Identifier($0) } } ?? []
  }
}
