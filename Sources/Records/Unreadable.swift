import CanonicalJSON
import Vault

/// What stands in the place of a sealed value that can't be read: null would say that there never was one.
package enum Unreadable {
  /// Its key was destroyed, by an erasure or at the end of its retention: nobody reads it again.
  package static let erased: JSON = ["erased": true]
  /// Its key isn't in this key store: restoring the right one makes it readable.
  package static let locked: JSON = ["locked": true]

  /// It is stored and not shown: the person has had its processing restricted (GDPR Art. 18).
  package static let restricted: JSON = ["restricted": true]

  /// Whether that stands in the place of a value.
  package static func isMark(_ shown: JSON) -> Bool { shown == erased || shown == locked || shown == restricted }

  /// What is shown of a value.
  package static func shown(_ opened: Opened) -> JSON {
    switch opened {
    case .value(let value): value
    case .erased: erased
    case .locked: locked
    }
  }
}
