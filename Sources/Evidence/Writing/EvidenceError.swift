/// Why a bundle couldn't be made, in a sentence for a person.
package struct EvidenceError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What went wrong.
  package enum Code: Sendable, Equatable {
    /// The folder can't take this bundle.
    case folder
    /// The server answered what can't be.
    case source
  }

  /// What went wrong.
  package let code: Code
  /// What is wrong, and where.
  package let description: String
  /// What to do.
  package let next: String

  /// An error of these parts.
  package init(_ code: Code, _ description: String, next: String) {
    self.code = code
    self.description = description
    self.next = next
  }
}
