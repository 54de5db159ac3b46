import Access
import BasicTypes
import CanonicalJSON

/// What an erasure's events say of it, as far as it is for who asks: an officer of one organization is told of the
/// others how many there are.
package enum ErasureFacts {
  /// The facts as a caller sees them.
  /// - Parameter isShown: Whether an organization is for the caller to know of.
  package static func shown(_ facts: JSONObject, where isShown: (Identifier) -> Bool) -> JSONObject {
    func isVisible(_ text: String?) -> Bool { text.flatMap { Identifier($0) }.map(isShown) ?? true }
    var shown = facts
    for name in ["organizations", "left_without_owner"] {
      guard let ids = facts[name]?.arrayValue else { continue }
      shown[name] = .array(ids.filter { isVisible($0.stringValue) })
    }
    if let ids = facts["organizations"]?.arrayValue {
      let hidden = ids.count { !isVisible($0.stringValue) }
      if hidden > 0 { shown["other_organizations"] = .integer(Int64(hidden)) }
    }
    for name in ["expires", "exports"] {
      guard let entries = facts[name]?.arrayValue else { continue }
      shown[name] = .array(entries.filter { isVisible($0["organization_id"]?.stringValue) })
    }
    return shown
  }
}
